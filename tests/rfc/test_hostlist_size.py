# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 29: host lists of many names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist

from .test_hostlist import NAMES


@given(NAMES)
def test_long_lists_are_searched_through_an_index(names: list[str]) -> None:
    # Pairs of other names keep the entries apart, so that there are more than are scanned.
    filler = ",".join(f"f{i}x,g{i}" for i in range(0, 200, 2))
    hl = Hostlist(f"{filler},{Hostlist(names).encode()},{Hostlist(names).encode()},a[5-20],a[1-9,007-012]")
    expanded = hl.expand()
    wanted = [*names, "f0x", "g198", "a7", "a007", "a010", "a10", "a012", "nope", "g1", "a99", ""]
    for host in wanted:
        assert hl.find(host) == (expanded.index(host) if host in expanded else -1)
    assert hl.index(names) == [expanded.index(name) for name in names]
    with pytest.raises(FileNotFoundError, match="host 'nope' not found"):
        hl.index("a7,nope")


@given(NAMES, st.integers(0, 40), st.integers(0, 40))
def test_parts_equal_lists_of_their_names(names: list[str], start: int, stop: int) -> None:
    hl = Hostlist(names)
    assert hl[start:stop] == Hostlist.from_names(names[start:stop])


@pytest.mark.parametrize("form", ["n{}", "n{:07d}", "{}", "n{}-ib"])
def test_a_hundred_thousand_names(form: str) -> None:
    names = [form.format(i) for i in range(0, 300_000, 3)]
    hl = Hostlist(",".join(names))
    assert hl.expand() == names
    assert Hostlist(hl.encode()) == hl
    run = [form.format(i) for i in range(5, 100_000)]
    assert Hostlist(",".join(run)).expand() == run
    assert len(hl.union(run)) == len({*names, *run})
    assert len(hl.intersect(run)) == len({*names} & {*run})
    reverse = Hostlist(",".join(reversed(names)))
    reverse.sort()
    assert sorted(reverse) == sorted(names)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("," * 1_000_000, False),
        ("[" * 1_000_000, True),
        ("a[" * 500_000, True),
        ("]" * 1_000_000, True),
        ("a[1]" * 250_000, True),
        ("a[" + "1," * 500_000, True),
        ("a[" + "1," * 500_000 + "]", True),
        ("a[" + "1-" * 500_000 + "]", True),
        ("a" * 1_000_000, True),
        ("1" * 1_000_000, True),
        ("a[" + "9" * 1_000_000 + "]", True),
        ("a[" + ",".join(["1" * 4000] * 250) + "]", True),
        ("a[0]," * 200_000, False),
        ("a[0-1048575]," * 77_000, True),
        ("a[0-1048575]x," * 77_000, True),
        ("a9999999[0-1048575]," * 50_000, True),
        ("a[0-99]x," * 1_300, False),
        ("a1,b2," * 160_000, False),
        ("a" + "0" * 200 + ",", False),
        ("\u0661," * 300_000, True),
        ("a b\tc\n" * 160_000, False),
    ],
    ids=range(21),
)
def test_a_megabyte_of_anything_ends_soon(text: str, fails: bool) -> None:
    if fails:
        with pytest.raises(FormatError, match=r"^hostlist: .*column \d+"):
            Hostlist(text)
    else:
        hl = Hostlist(text)
        hl.sort()
        hl.uniq()
        assert Hostlist(hl.encode()) == hl


def test_overlapping_ranges_are_sorted_and_searched_soon() -> None:
    text = ",".join(f"a[{i}-{i + 40}]" for i in range(10_000))
    hl = Hostlist(text)
    assert [hl.find(f"a{i}") for i in (0, 39, 40, 9_999)] == [0, 39, 40, 9_959 * 41 + 40]
    assert hl.union().encode() == "a[0-10039]"
    assert len(hl.minus("a[100-10039]")) == sum(min(41, 100 - i) for i in range(100))
    hl.sort()
    assert len(hl) == 10_000 * 41
    assert hl[0:3].encode() == "a[0-1,1]"
