# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sizes with suffixes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin import _size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("7", 7), ("1k", 1024), ("2K", 2048), ("10M", 10 << 20), ("3m", 3 << 20), ("1.5G", 3 << 29),
        ("1T", 1 << 40), ("1p", 1 << 50), ("2E", 2 << 60), (".5k", 512),
        ("9007199254740993", 2**53 + 1), ("9" * 19, 10**19 - 1),
    ],
)  # fmt: skip
def test_what_is_read(text: str, size: int) -> None:
    assert _size.parse(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k",
        ".",
        "1.2.3",
        "-1",
        "+1",
        "1Q",
        "1KB",
        "x",
        "nan",
        "inf",
        "1e3",
        " 1",
        "١",
        "9" * 20,
        "9" * 9999,
    ],
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a size: .* expected one such as 512, 64k or 1\.5G") as caught:
        _size.parse(text)
    assert len(str(caught.value)) < 120


def test_what_is_written() -> None:
    assert [_size.encode(n) for n in (0, 10, 1024, 10 << 20, 1 << 30, 100000000, 1 << 50)] == [
        "0", "10", "1k", "10M", "1G", "95.367432M", "1024T"
    ]  # fmt: skip


@given(st.integers(0, 1 << 44).map(lambda n: n >> 10 << 10))
def test_multiples_come_back(size: int) -> None:
    assert abs(_size.parse(_size.encode(size)) - size) <= size / 10**7 + 1
