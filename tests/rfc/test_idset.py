# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 22 vectors, set algebra and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.idset import MAX_ID, Idset, decode_ranges, encode_ids, mask_of

SETS = st.sets(st.integers(0, 70_000), max_size=80)


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("1,2,3,5,6,42", [1, 2, 3, 5, 6, 42]),
        ("1-3,5-6,42", [1, 2, 3, 5, 6, 42]),
        ("[1-3,5-6,42]", [1, 2, 3, 5, 6, 42]),
        ("2", [2]),
        ("[2]", [2]),
        ("[0]", [0]),
        ("", []),
        ("[]", []),
        ("7-9", [7, 8, 9]),
        (str(MAX_ID - 1), [MAX_ID - 1]),
    ],
)
def test_valid(text: str, members: list[int]) -> None:
    ids = Idset.decode(text)
    assert list(ids) == members
    assert len(ids) == len(members)
    assert ids == Idset(members)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("4.2", "column 2"),
        ("x", "column 1"),
        ("1-2x", "column 4"),
        ("01,2", "column 1"),
        ("00", "column 1"),
        ("3,2", "column 3"),
        ("2,2,2,2", "column 3"),
        ("1-3,2", "column 5"),
        ("3-0", "column 1"),
        ("5-5", "column 1"),
        ("[0", "column 1"),
        ("[", "column 1"),
        ("0]", "column 2"),
        ("[[0]]", "column 2"),
        ("[0,2]]", "column 5"),
        ("0,[2", "column 3"),
        ("0]2", "column 2"),
        ("0-", "column 3"),
        ("[0-]", "column 4"),
        ("-5", "column 1"),
        ("[-5]", "column 2"),
        ("1,,2", "column 3"),
        (",1", "column 1"),
        ("1,", "column 3"),
        (" 1", "column 1"),
        ("1-2-3", "column 4"),
        ("\u0661", "column 1"),
        ("1_0", "column 2"),
        (str(MAX_ID), "column 1"),
        ("1" * 10_000, "column 1"),
    ],
)
def test_invalid(text: str, place: str) -> None:
    with pytest.raises(FormatError, match=rf"^idset: .*{place}\b"):
        Idset(text)


@pytest.mark.parametrize("bad", [[-1], [MAX_ID], ["1"], [1.5]])
def test_invalid_members(bad: list[int]) -> None:
    with pytest.raises(FormatError, match=r"^idset: id"):
        Idset(bad)


def test_encode_forms() -> None:
    ids = Idset("2,3,4,5")
    assert ids.encode() == str(ids) == "2-5"
    assert ids.encode(brackets=True) == "[2-5]"
    assert ids.encode(ranges=False) == "2,3,4,5"
    assert Idset("2").encode(brackets=True) == "2"
    assert Idset().encode(brackets=True) == ""
    assert repr(ids) == "Idset('2-5')"


@given(SETS)
def test_round_trip(members: set[int]) -> None:
    ids = Idset(members)
    assert list(ids) == sorted(members)
    for text in (ids.encode(), ids.encode(brackets=True), ids.encode(ranges=False)):
        assert Idset.decode(text) == ids
    assert ids.mask == mask_of(iter(members)) == sum(1 << i for i in members)
    assert bool(ids) == bool(members)
    assert encode_ids(sorted(members)) == ids.encode()
    assert decode_ranges(ids.encode()) == list(ids.ranges())


@given(SETS, SETS)
def test_algebra_is_that_of_sets(a: set[int], b: set[int]) -> None:
    x, y = Idset(a), Idset(b)
    assert set(x | y) == a | b
    assert set(x & y) == a & b
    assert set(x - y) == a - b
    assert set(x ^ y) == a ^ b
    assert (x <= y, x < y, x >= y, x > y) == (a <= b, a < b, a >= b, a > b)
    assert x.isdisjoint(y) == a.isdisjoint(b)
    assert (x == y) == (a == b)
    assert hash(x | y) == hash(y | x)


@given(SETS, st.integers(-3, 70_003))
def test_neighbours(members: set[int], number: int) -> None:
    ids = Idset(members)
    above = sorted(i for i in members if i > number)
    assert ids.next(number) == (above[0] if above else None)
    assert ids.first() == (min(members) if members else None)
    assert ids.last() == (max(members) if members else None)
    assert (number in ids) == (number in members)
    if number >= 0:
        assert set(ids.with_id(number)) == members | {number}
        assert set(ids.without_id(number)) == members - {number}


@given(st.text() | st.text("0123456789,-[]"))
def test_any_text_is_a_set_or_a_format_error(text: str) -> None:
    try:
        ids = Idset(text)
    except FormatError:
        return
    assert Idset(ids.encode()) == ids


def test_runs_cross_the_borders_of_chunks() -> None:
    for low, high in [(0, 1 << 15), ((1 << 15) - 1, 1 << 16), (1 << 15, (1 << 15) + 1), (5, 300_000)]:
        assert list(Idset.from_range(low, high).ranges()) == [(low, high)]
    edge = 1 << 15
    assert list(Idset([edge - 1, edge + 1, 3 * edge]).ranges()) == [
        (edge - 1, edge - 1),
        (edge + 1, edge + 1),
        (3 * edge, 3 * edge),
    ]
    with pytest.raises(FormatError, match="invalid range 3-2"):
        Idset.from_range(3, 2)


def test_large_sets_finish() -> None:
    assert len(Idset("0-5000")) == 5001
    sparse = Idset(range(0, 2_000_000, 2))
    text = sparse.encode()
    assert Idset(text) == sparse
    assert len(text.split(",")) == 1_000_000
    assert Idset(range(1_000_000)).encode() == "0-999999"
    assert Idset(f"0,{MAX_ID - 1}").encode() == f"0,{MAX_ID - 1}"
