# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 31: examples, empty lists, laws of logic, bad constraints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import constraint
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet


def inventory() -> ResourceSet:
    """Six ranks on host0..host5; rank 5 is on host0 again."""
    rset = ResourceSet()
    for rank in range(6):
        rset.add_rank(rank, f"host{rank % 5}", 0b11)
    for name, ranks in {"ssd": "0-2", "huge": "2-3", "slowgpu": "4", "foo": "0-1", "bar": "1,5"}.items():
        rset.set_property(name, ranks)
    return rset


RSET = inventory()
EXAMPLES: list[tuple[dict[str, Any], str]] = [
    ({"not": [{"properties": ["foo", "bar"]}]}, "0,2-5"),
    ({"or": [{"properties": ["foo"]}, {"properties": ["bar"]}]}, "0-1,5"),
    ({"or": []}, "0-5"),
    ({"and": []}, "0-5"),
    ({"not": []}, ""),
    ({}, "0-5"),
    ({"properties": ["ssd"]}, "0-2"),
    ({"properties": ["^slowgpu"]}, "0-3,5"),
    ({"not": [{"properties": ["slowgpu"]}]}, "0-3,5"),
    ({"or": [{"properties": ["ssd"]}, {"properties": ["huge"]}]}, "0-3"),
    ({"hostlist": ["host[0-1]"]}, "0-1,5"),
    ({"not": [{"hostlist": ["host[0-1]"]}]}, "2-4"),
    ({"and": [{"hostlist": ["host[0-1]"]}, {"properties": ["ssd"]}]}, "0-1"),
    ({"ranks": ["0"]}, "0"),
]
CASES: list[tuple[dict[str, Any], str]] = [
    *EXAMPLES,
    ({"properties": ["ssd", "huge"]}, "2"),
    ({"hostlist": ["host1,nowhere", "host4"]}, "1,4"),
    ({"ranks": ["0-1", "4-90"]}, "0-1,4-5"),
    ({"properties": ["nothing"]}, ""),
    ({"properties": ["^nothing"]}, "0-5"),
    ({"properties": []}, "0-5"),
    ({"hostlist": []}, ""),
    ({"ranks": []}, ""),
    ({"not": [{"ranks": ["0-2"]}, {"properties": ["ssd"]}]}, "3-5"),
    ({"or": [{"and": [{"not": [{"or": [{"and": [{"ranks": ["0"]}]}]}]}, {"ranks": ["0-2"]}]}]}, "1-2"),
]


ALL = ("object", "properties", "properties-not", "hostlist", "ranks", "not", "or", "and")


@pytest.mark.rfc_vectors(31)
@pytest.mark.rfc(31, *ALL, "empty-or-and", "empty-not", "empty")
@pytest.mark.parametrize(("source", "ranks"), EXAMPLES)
def test_examples_of_the_rfc(source: dict[str, Any], ranks: str) -> None:
    assert constraint.compile(source).match_ranks(RSET) == Idset(ranks)


@pytest.mark.parametrize(("source", "ranks"), CASES)
def test_matches(source: dict[str, Any], ranks: str) -> None:
    compiled = constraint.compile(source)
    assert compiled.source is source
    assert compiled.match_ranks(RSET) == Idset(ranks)
    for rank in RSET:
        properties = {n for n, members in RSET.get_properties().items() if rank in Idset(members)}
        assert compiled.match(rank, RSET.host(rank), properties) == (rank in Idset(ranks))
    copy = constraint.copy_constraint(RSET, source)
    assert copy.ranks() == Idset(ranks)
    assert constraint.copy_constraint(RSET, compiled) == copy


TERMS = st.recursive(
    st.sampled_from([source for source, _ in CASES]),
    lambda inner: st.builds(
        lambda op, terms: {op: terms}, st.sampled_from(["and", "or", "not"]), st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@given(TERMS, TERMS)
def test_laws(a: dict[str, Any], b: dict[str, Any]) -> None:
    def ranks(source: dict[str, Any]) -> Idset:
        return constraint.compile(source).match_ranks(RSET)

    assert ranks({"and": [a, b]}) == ranks(a) & ranks(b)
    assert ranks({"or": [a, b]}) == ranks(a) | ranks(b)
    assert ranks({"not": [a]}) == RSET.ranks() - ranks(a)
    assert ranks({"not": [{"or": [a, b]}]}) == ranks({"and": [{"not": [a]}, {"not": [b]}]})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "constraint must be JSON object"),
        (None, "constraint must be JSON object"),
        ({"and": [1]}, "and[0]: constraint must be JSON object"),
        (
            {"and": [{}, {"or": [{"not": [{"ranks": ["0"]}, {"x": []}]}]}]},
            "and[1].or[0].not[1]: unknown constraint operator: x",
        ),
        ({"and": [], "or": []}, "constraint must only contain 1 element"),
        ({"xor": []}, "unknown constraint operator: xor"),
        ({"not": {}}, "not operator value must be an array"),
        ({"properties": "ssd"}, "properties operator value must be an array"),
        ({"properties": [1]}, "non-string property specified"),
        ({"properties": ["^"]}, "empty property specified"),
        ({"properties": ["^^a"]}, "invalid character '^' in property \"^^a\""),
        ({"properties": ["a|b"]}, "invalid character '|' in property \"a|b\""),
        ({"hostlist": ["a["]}, "invalid hostlist 'a[': hostlist: unbalanced '[' at column 2"),
        ({"hostlist": [1]}, "invalid hostlist: 1 is not a string"),
        ({"ranks": ["3-1"]}, "invalid idset '3-1': idset: range 3-1 does not ascend at column 1"),
        ({"ranks": [0]}, "invalid idset: 0 is not a string"),
    ],
)
def test_bad_constraints(source: Any, message: str) -> None:
    with pytest.raises(FormatError) as info:
        constraint.validate(source)
    assert str(info.value) == message


def test_depth_is_bounded() -> None:
    deep: dict[str, Any] = {"ranks": ["0"]}
    for _ in range(constraint.MAX_DEPTH):
        deep = {"and": [deep]}
    constraint.validate(deep)
    for _ in range(100_000):
        deep = {"not": [deep]}
    with pytest.raises(FormatError, match="nested deeper than 64"):
        constraint.validate(deep)
    while deep.get("not"):  # take it apart: the interpreter would recurse
        deep = deep.pop("not")[0]


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*constraint.OPERATORS, "x"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_object_is_a_constraint_or_a_format_error(source: Any) -> None:
    try:
        compiled = constraint.compile(source)
    except FormatError:
        return
    assert compiled.match_ranks(RSET) <= RSET.ranks()


def large() -> ResourceSet:
    rset = ResourceSet()
    for rank in range(100_000):
        rset.add_rank(rank, f"n{rank}", 1)
    rset.set_property("even", ",".join(map(str, range(0, 100_000, 2))))
    return rset


@pytest.mark.parametrize(
    ("source", "matching"),
    [
        ({"hostlist": ["n[0-1000000]"] * 4}, 100_000),
        ({"hostlist": ["n[0-1048575]"] * 3 + ["n7", "x7", "n8-ib"]}, 100_000),
        ({"ranks": ["134217726"] * 80_000}, 0),
        ({"ranks": [str(number * 50) for number in range(100_000)]}, 2_000),
        ({"or": [{"ranks": ["0-134217726"]}] * 10_000}, 100_000),
        ({"ranks": [",".join(str(number * 2) for number in range(150_000))]}, 50_000),
        ({"properties": ["even"] * 100_000}, 50_000),
        ({"properties": ["^even", "^" + "x" * 1_000_000]}, 50_000),
        ({"or": [{"properties": ["even"]}] * 40_000}, 50_000),
        ({"or": [{"hostlist": [f"n{number}"]} for number in range(40_000)]}, 40_000),
    ],
    ids=range(10),
)
def test_a_megabyte_on_a_hundred_thousand_nodes(source: dict[str, Any], matching: int) -> None:
    compiled = constraint.compile(source)
    assert len(compiled.match_ranks(large())) == matching
    assert compiled.match(3, "n3", ()) == (3 in compiled.match_ranks(large()))


def test_matching_nodes_one_by_one() -> None:
    compiled = constraint.compile(
        {
            "and": [
                {"ranks": [",".join(str(number * 3) for number in range(40_000))]},
                {"not": [{"hostlist": [f"n{number * 7}" for number in range(20_000)]}]},
            ]
        }
    )
    found = [rank for rank in range(100_000) if compiled.match(rank, f"n{rank}", ())]
    assert found == [rank for rank in range(0, 100_000, 3) if rank % 7]


def test_large_sets_finish() -> None:
    rset = large()
    source = {
        "and": [{"hostlist": ["n[0-1000000]"]}, {"not": [{"hostlist": [f"n{i}"]} for i in range(2000)]}]
    }
    assert constraint.compile(source).match_ranks(rset) == rset.ranks()
