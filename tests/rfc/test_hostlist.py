# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 29 vectors, flux-core's known answers, list laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.hostlist import MAX_HOSTS, MAX_RANGE, MAX_SUFFIXED, Hostlist

NAMES = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "foo", "n-", "foo0", "x1"]),
        st.from_regex(r"[0-9]{1,3}", fullmatch=True) | st.integers(0, 30).map(str),
        st.sampled_from(["", "", "", "-eth0", "p"]),
    )
    | st.sampled_from(["login", "a", "0" * 25]),
    max_size=30,
)


VECTOR = pytest.mark.rfc_vectors(29)
#: What the RFC gives, and what is our own.
DECODED = [
    ("", ""),
    ("foox,fooy,fooz", "foox fooy fooz"),
    ("[1-3,5-6]", "1 2 3 5 6"),
    ("foo[1-5]", "foo1 foo2 foo3 foo4 foo5"),
    ("foo[0-4]-eth2", "foo0-eth2 foo1-eth2 foo2-eth2 foo3-eth2 foo4-eth2"),
    ("foo1,foo1,foo1", "foo1 foo1 foo1"),
    ("[00-02]", "00 01 02"),
    ("[00-2]", "00 01 02"),
    ("foo[1,1,2,1]", "foo1 foo1 foo2 foo1"),
    ("[5,4,10,11,12,13]", "5 4 10 11 12 13"),
    ("[5,4,11-13]", "5 4 11 12 13"),
    ("[2,2,2]", "2 2 2"),
    ("host[0-10,12]", " ".join(f"host{i}" for i in (*range(11), 12))),
    ("prefix[0-1024]", " ".join(f"prefix{i}" for i in range(1025))),
]
DECODED_TOO = [
    ("foo[12,4,1-2]", "foo12 foo4 foo1 foo2"),
    ("foo[9-011]", "foo9 foo10 foo11"),
    ("foo[01-100]", " ".join(f"foo{i:02d}" for i in range(1, 101))),
    ("foo[5-5]", "foo5"),
    ("foo[005,4]", "foo005 foo4"),
    ("foo1[8-12]", "foo18 foo19 foo110 foo111 foo112"),
    ("foo0[08-10]", "foo008 foo009 foo010"),
    ("foo[0-3]0", "foo00 foo10 foo20 foo30"),
    (",,a,, b\t,\n", "a b"),
    ("a[00000000000000000000001]", "a00000000000000000000001"),
    ("foo99999999999999999999", "foo99999999999999999999"),
]


@pytest.mark.rfc(29, "ordered", "comma-list", "expression", "empty", "idlist-ordered", "idlist-commas")
@pytest.mark.rfc(29, "idlist-ranges", "repeats", "brackets")
@pytest.mark.parametrize(
    ("text", "hosts"), [*(pytest.param(*row, marks=VECTOR) for row in DECODED), *DECODED_TOO]
)
def test_decode(text: str, hosts: str) -> None:
    names = hosts.split()
    hl = Hostlist.decode(text)
    assert list(hl) == hl.expand() == names
    assert hl.count() == len(hl) == len(names)
    assert hl == Hostlist(names)
    assert [hl.nth(i) for i in range(len(names))] == names


@pytest.mark.rfc(29, "leading-zeros")
@pytest.mark.rfc_vectors(29)
def test_leading_zeros_of_the_first_id_apply_to_its_group_in_the_rfc() -> None:
    hl = Hostlist.decode("[005,4,11-13]", inherit_width=True)
    assert list(hl) == ["005", "004", "011", "012", "013"]
    assert list(Hostlist.decode("a[1,02]", inherit_width=True)) == ["a1", "a02"]


#: What flux-core's sources give, and what is our own.
ENCODED = [
    ("foo-1a-2,foo-1a-3", "foo-1a-[2-3]"),
    ("foo1,foo2,foo3,fooi", "foo[1-3],fooi"),
    ("foo1,fooi,foo2,foo3", "foo1,fooi,foo[2-3]"),
    ("fooi,foo1,foo2,foo3,foo5,foo7,foo8", "fooi,foo[1-3,5,7-8]"),
    ("1,2,3,4,5,9", "[1-5,9]"),
    ("foo[1,3]-bar", "foo1-bar,foo3-bar"),
    ("p[00-3]p", "p00p,p01p,p02p,p03p"),
    ("14636", "14636"),
]
ENCODED_TOO = [
    ("foo1,foo01,foo02", "foo[1,01-02]"),
    ("foo09,foo10", "foo[09-10]"),
    ("foo9,foo10", "foo[9-10]"),
    ("foo099,foo100", "foo[099-100]"),
    ("foo[00-2],foo03", "foo[00-03]"),
    ("foo[9-11],foo[012-13]", "foo[9-11,012-013]"),
    ("foo[1-2,2-3]", "foo[1-2,2-3]"),
    ("foo005,foo4", "foo005,foo4"),
    ("foo[01]", "foo01"),
    ("x4294967296,x4294967297", "x[4294967296-4294967297]"),
    ("", ""),
]


@pytest.mark.parametrize(
    ("text", "encoded"), [*(pytest.param(*row, marks=VECTOR) for row in ENCODED), *ENCODED_TOO]
)
def test_encode(text: str, encoded: str) -> None:
    hl = Hostlist(text)
    assert hl.encode() == str(hl) == encoded
    assert Hostlist(encoded) == hl


@pytest.mark.rfc_vectors(29)
@pytest.mark.parametrize(
    "text",
    ["[]", "foo[]", "foo[", "foo[1,3", "foo[[1,3]", "foo]", "foo[x-y]", "foo[0-1,2--5]", "foo[0-1048576]"],
)
def test_texts_that_flux_core_refuses(text: str) -> None:
    with pytest.raises(FormatError, match=r"^hostlist: "):
        Hostlist(text)


@pytest.mark.rfc_vectors(29)
def test_a_range_of_a_million_costs_as_much_as_one_host() -> None:
    hosts = Hostlist("prefix[0-1048575]")
    assert (len(hosts), hosts[1048575], hosts.encode()) == (1 << 20, "prefix1048575", "prefix[0-1048575]")


@pytest.mark.rfc(29, "printable", "expression", "idlist-ordered", "brackets")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a number at column 2"),
        ("foo[]", "expected a number at column 5"),
        ("foo[", "unbalanced '[' at column 4"),
        ("foo1[", "unbalanced '[' at column 5"),
        ("foo[1,3", "unbalanced '[' at column 4"),
        ("foo[[1,3]", "unbalanced '[' at column 4"),
        ("foo]", "unbalanced ']' at column 4"),
        ("a,foo]", "unbalanced ']' at column 6"),
        ("foo[1]]", "unbalanced ']' at column 7"),
        ("foo[1]x[2]", "a second '[' at column 8"),
        ("foo[x-y]", "unexpected 'x' at column 5"),
        ("foo[0-1,2--5]", "unexpected '-' at column 11"),
        ("foo[1-2-3]", "unexpected '-' at column 8"),
        ("foo[1 2]", "unexpected ' ' at column 6"),
        ("foo[3-1]", "range 3-1 descends at column 5"),
        ("foo[1,]", "expected a number at column 7"),
        ("foo[0-1048576]", "more than 1048576 hosts in a range at column 5"),
        ("foo[99999999999999999999]", "number too long at column 5"),
        ("foo[" + "0" * 65 + "]", "number too long at column 5"),
        ("caf\u00e9", "'\u00e9' at column 4 is not printable ASCII"),
        ("a\x00", r"'\\x00' at column 2 is not printable ASCII"),
        ("a," + "x" * 256, "name at column 3 is longer than 255 characters"),
        ("a[0-1048575]x", f"more than {MAX_SUFFIXED} hosts with a suffix at column 2"),
        ("a99999999999999[0-999999]", "too many hosts with long numbers at column 16"),
        (",".join(["a[0-1048575]"] * 5), f"more than {MAX_HOSTS} hosts at column 53"),
    ],
)
def test_invalid(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        Hostlist(text)
    assert str(info.value) == f"hostlist: {message}".replace("\\\\", "\\")


@pytest.mark.rfc_vectors(29)
@pytest.mark.parametrize(
    ("text", "host", "place"), [("i[00-05]", "i00", 0), ("i[0-5]", "i00", -1), ("[0-5]", "3", 3)]
)
def test_find_as_flux_core_does(text: str, host: str, place: int) -> None:
    assert Hostlist(text).find(host) == place


def test_find() -> None:
    assert Hostlist("foo1[1-2],a").find("foo12") == 1
    assert Hostlist("a[08-10],b").find("b") == 3
    assert "a9" not in Hostlist("a[08-10]")
    assert "a10" in Hostlist("a[08-10]")
    hl = Hostlist("a[1-3]")
    assert hl.index("a[2-3],b", ignore_nomatch=True) == [1, 2]
    with pytest.raises(FileNotFoundError, match="host 'b' not found"):
        hl.index("a1,b")


@pytest.mark.rfc_vectors(29)
def test_append() -> None:
    hl = Hostlist("foo12")
    assert hl.append("foo[4,1-2]") == 3
    assert hl.encode() == "foo[12,4,1-2]"
    with pytest.raises(FormatError):
        hl.append("x[")
    assert hl.encode() == "foo[12,4,1-2]"
    assert hl.append(hl) == 4
    assert len(hl) == 8
    big = Hostlist("a[0-1048575],b[0-1048575]")
    big.append("c[0-1048575],d[0-1048575]")
    with pytest.raises(FormatError, match=f"more than {MAX_HOSTS} hosts"):
        big.append("e")


def test_delete_takes_the_first_occurrence() -> None:
    hl = Hostlist("foo[1-5],foo[1-5]")
    assert hl.delete("foo[2-3],zzz") == 2
    assert hl.encode() == "foo[1,4-5,1-5]"
    hl = Hostlist("a1,a2,a1")
    assert hl.delete(["a1", "a1", "a1"]) == 2
    assert hl.encode() == "a2"
    assert hl.delete("") == 0


@pytest.mark.parametrize(
    ("text", "hosts", "unique"),
    [
        ("foo[5,3,1-2,5],bar,foo10,foo09", "bar,foo[1-3,5,5,09-10]", "bar,foo[1-3,5,09-10]"),
        ("b[1-2],a,b10,b9,b010,c", "a,b[1-2,9-10,010],c", "a,b[1-2,9-10,010],c"),
        ("b3,b2,b2,b1,a1-x,a2-x,a1-x", "a1-x,a1-x,a2-x,b[1-2,2-3]", "a1-x,a2-x,b[1-3]"),
        ("b2,b01,b1,b001,a,b,ba1,b-1,B3", "B3,a,b,b[1-2,01,001],b-1,ba1", "B3,a,b,b[1-2,01,001],b-1,ba1"),
    ],
)
def test_sort_and_uniq(text: str, hosts: str, unique: str) -> None:
    hl = Hostlist(text)
    hl.sort()
    assert hl.encode() == hosts
    hl = Hostlist(text)
    hl.uniq()
    assert hl.encode() == unique


@given(NAMES)
def test_round_trip(names: list[str]) -> None:
    hl = Hostlist(names)
    assert list(hl) == names
    assert list(Hostlist.decode(hl.encode())) == names
    assert list(Hostlist.decode(hl.encode(), inherit_width=True)) == names
    assert hl == Hostlist.from_names(names) == hl.copy()
    assert [hl.find(n) for n in names] == [names.index(n) for n in names]
    assert bool(hl) == bool(names)


@given(NAMES, NAMES)
def test_list_laws(a: list[str], b: list[str]) -> None:
    hl = Hostlist(a)
    hl.append(b)
    assert list(hl) == a + b
    assert hl == Hostlist(a + b)
    copy = hl.copy()
    hl.sort()
    assert sorted(hl) == sorted(a + b)
    hl.uniq()
    assert set(hl) == set(a + b)
    assert len(hl) == len(set(a + b))
    assert list(copy) == a + b
    copy.delete(a)
    assert list(copy) == b
    assert (Hostlist(a) == Hostlist(b)) == (a == b)


@given(NAMES, st.slices(30))
def test_slices(names: list[str], part: slice) -> None:
    hl = Hostlist(names)
    assert list(hl[part]) == names[part]
    picked = list(range(0, len(names), 3))
    assert list(hl[picked]) == [names[i] for i in picked]


def test_positions() -> None:
    hl = Hostlist("foo[1-3],bar")
    assert (hl[0], hl[-1], hl[1:3].encode()) == ("foo1", "bar", "foo[2-3]")
    for bad in (4, -5):
        with pytest.raises(IndexError):
            hl[bad]


@given(st.text() | st.text("ab01,-[] "))
def test_any_text_is_a_list_or_a_format_error(text: str) -> None:
    try:
        hl = Hostlist(text)
    except FormatError:
        return
    assert Hostlist(hl.encode()) == hl


def test_large_lists_finish() -> None:
    big = Hostlist(f"prefix[0-{MAX_RANGE - 1}]")
    assert big.encode() == f"prefix[0-{MAX_RANGE - 1}]"
    assert big[-1] == f"prefix{MAX_RANGE - 1}"
    evens = Hostlist(f"n{i}" for i in range(0, 200_000, 2))
    text = evens.encode()
    assert Hostlist(text) == evens
    assert evens.index(text) == list(range(100_000))
    assert evens.delete(text) == 100_000
    assert len(Hostlist("a," * 300_000)) == 300_000


@given(NAMES, NAMES, NAMES)
def test_set_laws(a: list[str], b: list[str], c: list[str]) -> None:
    x, y, z = Hostlist(a), Hostlist(b), Hostlist(c)
    before = x.encode()
    for made, names in (
        (x.union(y), set(a) | set(b)),
        (x.intersect(y), set(a) & set(b)),
        (x.xor(y), set(a) ^ set(b)),
        (x.xor(y, z), set(a) ^ set(b) ^ set(c)),
        (x.union(y, z), set(a) | set(b) | set(c)),
    ):
        assert set(made) == names
        unique = Hostlist(sorted(names))
        unique.uniq()
        assert made == unique
        assert len(made) == len(names)
    assert list(x.minus(y)) == [name for name in a if name not in set(b)]
    assert x.minus(y.union(z)) == x.minus(y, z)  # De Morgan
    assert set(x.minus(y.intersect(z))) == set(x.minus(y)) | set(x.minus(z))
    assert x.encode() == before


@given(NAMES, NAMES)
def test_delete_is_one_for_one(a: list[str], b: list[str]) -> None:
    kept = list(a)
    for name in b:
        if name in kept:
            kept.remove(name)
    hl = Hostlist(a)
    assert hl.delete(b) == len(a) - len(kept)
    assert list(hl) == kept
    assert hl == Hostlist.from_names(kept)
