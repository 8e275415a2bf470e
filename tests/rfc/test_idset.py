# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 22 vectors, set algebra and sizes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.idset import MAX_ID, Idset, decode_ranges, encode_ids, mask_of
from rosin.rfc.idset.wide import WideIdset, of_ids

SETS = st.sets(st.integers(0, 70_000), max_size=80)


VECTOR = pytest.mark.rfc_vectors(22)
#: What the RFC and flux-core's sources give, and after each of the two lists what is our own.
VALID = [
    ("1,2,3,5,6,42", [1, 2, 3, 5, 6, 42]),
    ("1-3,5-6,42", [1, 2, 3, 5, 6, 42]),
    ("[1-3,5-6,42]", [1, 2, 3, 5, 6, 42]),
    ("2", [2]),
    ("[2]", [2]),
    ("[0]", [0]),
    ("", []),
    ("[]", []),
    ("7-9", [7, 8, 9]),
    ("0-5000", list(range(5001))),
]
VALID_TOO = [(str(MAX_ID - 1), [MAX_ID - 1])]


@pytest.mark.rfc(22, "unique-non-negative", "ascending", "decimal", "ranges", "brackets")
@pytest.mark.parametrize(
    ("text", "members"), [*(pytest.param(*row, marks=VECTOR) for row in VALID), *VALID_TOO]
)
def test_valid(text: str, members: list[int]) -> None:
    ids = Idset.decode(text)
    assert list(ids) == members
    assert len(ids) == len(members)
    assert ids == Idset(members)


INVALID = [
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
]
INVALID_TOO = [
    ("[", "column 1"),
    ("1,", "column 3"),
    (" 1", "column 1"),
    ("1-2-3", "column 4"),
    ("\u0661", "column 1"),
    ("1_0", "column 2"),
    (str(MAX_ID), "column 1"),
    ("1" * 10_000, "column 1"),
]


@pytest.mark.rfc(22, "ascending", "decimal", "no-leading-zeros", "characters")
@pytest.mark.parametrize(
    ("text", "place"), [*(pytest.param(*row, marks=VECTOR) for row in INVALID), *INVALID_TOO]
)
def test_invalid(text: str, place: str) -> None:
    with pytest.raises(FormatError, match=rf"^idset: .*{place}\b"):
        Idset(text)


@pytest.mark.parametrize("bad", [[-1], [MAX_ID], ["1"], [1.5]])
def test_invalid_members(bad: list[int]) -> None:
    with pytest.raises(FormatError, match=r"^idset: id"):
        Idset(bad)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-3,", "expected a number at column 5"),
        ("1,2-,3", "expected a number at column 5"),
        ("0,[2", "unbalanced '[' at column 3"),
        ("1,x", "unexpected 'x' at column 3"),
        ("7,5-6", "5 does not come after 7 at column 3"),
        ("134217728", "id at column 1 is above the limit of 134217727"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        Idset(text)
    assert str(info.value) == f"idset: {message}"
    long = ",".join(map(str, range(0, 400, 2))) + ","  # the fast reader must name the same place
    with pytest.raises(FormatError) as info:
        Idset(long + text)
    assert str(info.value).startswith("idset: ")


@pytest.mark.rfc(22, "ranges", "brackets")
@pytest.mark.rfc_vectors(22)
@pytest.mark.parametrize(
    ("text", "brackets", "encoded"),
    [("2,3,4,5", False, "2-5"), ("2", True, "2"), ("2-5", True, "[2-5]"), ("[]", True, "")],
)
def test_written_as_flux_core_does(text: str, brackets: bool, encoded: str) -> None:
    assert Idset(text).encode(brackets=brackets) == encoded


@pytest.mark.rfc(22, "ranges", "brackets")
def test_encode_forms() -> None:
    ids = Idset("2,3,4,5")
    assert ids.encode() == str(ids) == "2-5"
    assert ids.encode(brackets=True) == "[2-5]"
    assert ids.encode(ranges=False) == "2,3,4,5"
    assert [ids.encode_flags(flags) for flags in (0, 2, 4, 6)] == ["2,3,4,5", "[2,3,4,5]", "2-5", "[2-5]"]
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
    below = [i for i in members if i < number]
    assert ids.prev(number) == (max(below) if below else None)
    if number >= 0:
        assert set(ids.with_range(number, number + 5)) == members | set(range(number, number + 6))
        assert set(ids.without_range(number, number + 5)) == members - set(range(number, number + 6))
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


@given(SETS, SETS, SETS)
def test_laws(a: set[int], b: set[int], c: set[int]) -> None:
    x, y, z = Idset(a), Idset(b), Idset(c)
    assert x | (y & z) == (x | y) & (x | z)
    assert x & (y | z) == (x & y) | (x & z)
    assert x - (y | z) == (x - y) & (x - z)  # De Morgan
    assert x - (y & z) == (x - y) | (x - z)
    assert x ^ y == (x | y) - (x & y)
    assert (x - y) | (x & y) == x
    assert len(x | y) + len(x & y) == len(x) + len(y)


# A plain set just below MAX_ID takes 16 MB, so those come by example only.
WIDE = st.sets(
    st.integers(0, 40) | st.integers(MAX_ID, MAX_ID + 6) | st.integers(MAX_ID, 2**63 - 2), max_size=30
)


@settings(max_examples=60)
@given(WIDE, WIDE, st.integers(0, 2**63 - 2) | st.integers(0, 40))
@example({MAX_ID - 1}, {MAX_ID}, MAX_ID - 1)
@example({3, MAX_ID - 1, MAX_ID, 2**40}, {MAX_ID, 2**40}, MAX_ID - 2)
@example({MAX_ID - 3, MAX_ID - 2, MAX_ID - 1, MAX_ID}, {MAX_ID - 2, MAX_ID, MAX_ID + 1}, MAX_ID)
def test_wide_sets_are_sets(a: set[int], b: set[int], number: int) -> None:
    x, y = of_ids(a), of_ids(b)
    assert isinstance(x, WideIdset) == (max(a, default=0) >= MAX_ID)
    assert list(x) == sorted(a)
    assert Idset.decode(x.encode(), limit=2**63 - 1) == x
    assert Idset.decode(x.encode(brackets=True), limit=2**63 - 1) == x
    assert Idset.decode(x.encode(ranges=False), limit=2**63 - 1) == x
    assert (set(x | y), set(x & y), set(x - y), set(x ^ y)) == (a | b, a & b, a - b, a ^ b)
    assert (x <= y, x < y, x >= y, x > y) == (a <= b, a < b, a >= b, a > b)
    assert (x == y, x != y, x.isdisjoint(y)) == (a == b, a != b, a.isdisjoint(b))
    assert x != y or hash(x) == hash(y)
    assert (len(x), bool(x), number in x) == (len(a), bool(a), number in a)
    assert (x.first(), x.last()) == (min(a, default=None), max(a, default=None))
    assert x.next(number) == min((i for i in a if i > number), default=None)
    assert all(x.prev(i) == max((j for j in a if j < i), default=None) for i in (*a, 41))


def test_large_ids_do_not_eat_memory() -> None:
    for text in ("4294967295", "0-4294967294", "[0-4294967294]"):
        with pytest.raises(FormatError, match="above the limit of 134217727"):
            Idset(text)
    full = Idset.decode("0-4294967294", limit=1 << 32)
    assert (len(full), full.last(), 4294967295 in full) == (4294967295, 4294967294, False)
    assert (full | Idset("5")).encode() == "0-4294967294"
    assert (full - Idset("5")).encode() == "0-4,6-4294967294"
    assert (Idset("3-7") & full) == Idset("3-7")
    assert (Idset("3-7") - full) == Idset()
    assert (Idset("1") | Idset.decode("4294967295", limit=1 << 32)).encode() == "1,4294967295"
    assert full.with_id(2**40).without_id(2**40) == full
    assert full.isdisjoint(Idset("9")) is Idset("9").isdisjoint(full) is False
    assert next(iter(full)) == 0
    with pytest.raises(FormatError, match="id 4294967294 is above the limit"):
        full.mask  # noqa: B018
    with pytest.raises(FormatError, match="no id of"):
        WideIdset("1-3")


@pytest.mark.parametrize(
    "text",
    [
        "," * 1_000_000,
        "-" * 1_000_000,
        "[" * 1_000_000,
        "1" * 1_000_000,
        "0," * 500_000,
        "1-" * 500_000,
        "9" * 4200 + "," + "1," * 400_000,
        ",".join(["1" * 4000] * 250),
        ",".join(map(str, range(150_000))) + ",7",
        ",".join(map(str, range(150_000, 0, -1))),
        "\u0661," * 300_000,
        ",".join(f"{i}-{i + 1}" for i in range(0, 200_000, 4)) + ",x",
    ],
    ids=range(12),
)
def test_a_megabyte_of_nonsense_fails_soon(text: str) -> None:
    with pytest.raises(FormatError, match=r"^idset: .*column \d+"):
        Idset(text)


def test_a_megabyte_of_sense() -> None:
    ids = list(range(0, 134_000_000, 1009))
    text = ",".join(map(str, ids))
    assert len(text) > 1_000_000
    assert Idset(text).encode() == text
    assert list(Idset(ids)) == ids
    pairs = ",".join(f"{i}-{i + 2}" for i in range(0, 500_000, 5))
    assert Idset(pairs).encode() == pairs
    assert decode_ranges(pairs)[-1] == (499_995, 499_997)
