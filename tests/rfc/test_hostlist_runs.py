# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 29: what is done to whole columns of runs is what is done to one run after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.rfc.hostlist import MAX_NAME, Hostlist
from rosin.rfc.hostlist.runs import NAME, Runs, changes, either

PREFIXES = st.sampled_from(["", "n", "node-", "rack1n", "x"])
NUMBERS = st.integers(0, 12).map(str) | st.sampled_from(["00", "01", "09", "010", "099", "100"])
NUMBERED = st.lists(st.builds("{}{}".format, PREFIXES, NUMBERS), min_size=20, max_size=60)
WORDS = st.lists(
    st.sampled_from(["login", "n5-ib", "a", "n" * 240, "9" * 19, "x0000000000000000001"]), max_size=4
)
RUN = st.tuples(
    st.sampled_from(["n", "x"]), st.integers(0, 120), st.integers(0, 9), st.sampled_from([0, 2, 3])
)


def one_by_one(names: list[str]) -> Runs:
    runs = Runs()
    for name in names:
        runs.push_name(name)
    return runs


@given(NUMBERED, WORDS, st.integers(0, 60))
def test_long_texts_are_read_as_their_names_are(names: list[str], words: list[str], at: int) -> None:
    names[at:at] = words
    names = names * 8  # longer than what is read item by item
    hosts = Hostlist(",".join(names))
    assert hosts._runs == one_by_one(names)
    assert hosts == Hostlist.from_names(names)
    assert len(hosts) == len(names)
    assert list(hosts) == names
    encoded = hosts.encode()
    assert Hostlist(encoded) == hosts
    assert list(Hostlist.decode(encoded, inherit_width=True)) == names


@pytest.mark.parametrize("width", [0, 2, 7])
@given(st.lists(st.tuples(st.integers(0, 130), st.integers(0, 3)), min_size=90, max_size=120))
def test_long_brackets_are_read_as_short_ones(width: int, ranges: list[tuple[int, int]]) -> None:
    items = [f"{n:0{width}d}-{n + more:0{width}d}" if more else f"{n:0{width}d}" for n, more in ranges]
    names = [f"n{i:0{width}d}" for n, more in ranges for i in range(n, n + more + 1)]
    hosts = Hostlist(f"n[{','.join(items)}]")
    assert hosts == Hostlist(",".join(f"n[{item}]" for item in items))
    assert list(hosts) == names
    assert list(Hostlist.decode(f"n[{','.join(items)}]", inherit_width=width > 0)) == names


@given(st.lists(RUN, max_size=40))
def test_columns_are_joined_where_single_runs_are(given: list[tuple[str, int, int, int]]) -> None:
    rows = [
        (prefix, low, low + more, width if len(str(low)) < width else 0) for prefix, low, more, width in given
    ]
    single, many = Runs(), Runs()
    for row in rows:
        single.push(*row)
    if rows:
        prefixes, lows, highs, widths = map(list, zip(*rows, strict=True))
        many.extend(prefixes, lows, highs, bytes(widths))
    assert many == single
    for at in range(len(single)):
        both = single.part(0, at)
        both.append(single.part(at, len(single)))
        assert both == single


def test_a_list_that_goes_on_with_itself() -> None:
    hosts = Hostlist("n[5,7,4]")
    assert hosts.append(hosts) == 3
    assert list(hosts) == ["n5", "n7", "n4", "n5", "n7", "n4"]
    assert hosts == Hostlist("n[5,7,4-5,7,4]")


def test_a_name_is_not_the_prefix_of_a_number() -> None:
    hosts = Hostlist("foo,foo0,foo,foo1")
    assert list(hosts) == ["foo", "foo0", "foo", "foo1"]
    assert hosts.encode() == "foo,foo0,foo,foo1"
    assert [hosts.find(name) for name in ("foo", "foo0", "foo1", "foo2")] == [0, 1, 3, -1]
    assert set(hosts._runs.widths) == {0, NAME}


def test_the_first_search_of_a_long_list() -> None:
    names = [f"{'ab'[i % 2]}{i}" for i in range(200)] + ["login", "a007", "a07", "b7"]
    for wanted in (*names, "c1", "a1", "b007", "", "log", "a0000"):
        assert Hostlist.from_names(names).find(wanted) == (names.index(wanted) if wanted in names else -1)


def test_flags() -> None:
    assert changes("") == b""
    assert changes("aabb") == b"\1\0\1\0"
    assert either(b"\0\0\1", b"\0\1\1") == b"\0\1\1"


def test_a_long_prefix_in_a_long_text() -> None:
    good = "n" * (MAX_NAME - 3)
    hosts = Hostlist(f"{good}100,{good}102")
    assert list(hosts) == [f"{good}100", f"{good}102"]
    with pytest.raises(
        ValueError, match=f"name at column {MAX_NAME + 2} is longer than {MAX_NAME} characters"
    ):
        Hostlist(f"{good}100,{good}1002")


@pytest.mark.parametrize("digits", ["6", "10", "00"])
@pytest.mark.parametrize("width", [0, 1, 2, 3])
@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (0, 12), (8, 12), (99, 101)])
def test_ids_after_digits(digits: str, width: int, low: int, high: int) -> None:
    hosts = Hostlist(f"n{digits}[{low:0{width}d}-{high}]")
    assert list(hosts) == [f"n{digits}{number:0{width}d}" for number in range(low, high + 1)]
    assert hosts._runs == one_by_one(list(hosts))
