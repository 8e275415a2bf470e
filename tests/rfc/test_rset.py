# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 20: the example, what flux-core answers, set algebra, bad R."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset.format import validate

EXAMPLE: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "19-22", "children": {"core": "0-47", "gpu": "0-7"}}],
        "nslots": 32,
        "starttime": 1676560542.0,
        "expiration": 1676562342.0,
        "nodelist": ["node[186-189]"],
    },
}
MIXED: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [
            {"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}},
            {"rank": "2", "children": {"core": "0-1"}},
        ],
        "starttime": 1.0,
        "expiration": 5.0,
        "nodelist": ["n[0-2]"],
        "properties": {"+q": "2", "a": "0-1"},
    },
    "scheduling": {"x": 1},
}


def make(ranks: str, cores: str, hosts: str = "", gpus: str = "", **properties: str) -> ResourceSet:
    entry = {"rank": ranks, "children": {"core": cores, "gpu": gpus}}
    execution: dict[str, Any] = {"R_lite": [entry], "properties": properties}
    if hosts:
        execution["nodelist"] = [hosts]
    return ResourceSet.decode({"version": 1, "execution": execution})


@st.composite
def rsets(draw: st.DrawFn) -> ResourceSet:
    rset = ResourceSet()
    for rank in draw(st.sets(st.integers(0, 12), max_size=8)):
        cores, gpus = draw(st.integers(0, 31)), draw(st.integers(0, 3))
        if cores or gpus:
            rset.add_rank(rank, f"n{rank}", cores, gpus)
    for name in draw(st.sets(st.sampled_from(["a", "b", "+q"]))):
        rset.set_property(name, rset.ranks() & Idset(draw(st.sets(st.integers(0, 12)))))
    return rset


def triples(rset: ResourceSet) -> set[tuple[int, str, int]]:
    cores = {(r, "core", c) for r in rset for c in rset.cores(r)}
    return cores | {(r, "gpu", g) for r in rset for g in rset.gpus(r)}


@pytest.mark.rfc(20, "version", "execution", "r-lite", "rank-idset", "children", "nslots", "times")
@pytest.mark.rfc_vectors(20)
def test_the_example() -> None:
    rset = ResourceSet.decode(json.dumps(EXAMPLE))
    assert rset.encode() == EXAMPLE
    assert rset.host(20) == "node187"
    assert (rset.nnodes, rset.ncores, rset.ngpus, rset.nslots) == (4, 192, 32, 32)
    assert rset.dumps() == "rank[19-22]/core[0-47],gpu[0-7]"


@pytest.mark.rfc(20, "nodelist-order", "r-lite-order", "nodelist")
@pytest.mark.rfc_vectors(20)
def test_hosts_follow_the_sorted_ranks() -> None:
    rset = ResourceSet.decode(
        {
            "version": 1,
            "execution": {
                "R_lite": [
                    {"rank": "3", "children": {"core": "0"}},
                    {"rank": "1", "children": {"core": "1"}},
                ],
                "nodelist": ["a", "b"],
            },
        }
    )
    assert (rset.host(1), rset.host(3), rset.host(2)) == ("a", "b", "")
    assert rset.nodelist().encode() == "a,b"
    assert rset.dumps() == "rank1/core1 rank3/core0"
    assert rset.host_ranks("b,a") == [3, 1]
    assert rset.host_ranks("b,z", ignore_nomatch=True) == [3]
    with pytest.raises(FileNotFoundError, match="host 'z' not found"):
        rset.host_ranks(["z"])


@pytest.mark.rfc(20, "property-local", "properties", "scheduling")
@pytest.mark.rfc_vectors(20)
def test_views() -> None:
    rset = ResourceSet.decode(MIXED)
    assert rset.encode() == MIXED
    assert rset.dumps() == "rank[0-1]/core[0-3],gpu0 rank2/core[0-1]"
    assert [rset.count(n) for n in ("core", "gpu", "node", "rank", "x")] == [10, 2, 3, 3, 0]
    assert rset.cores(0) == Idset("0-3")
    assert rset.gpus(2) == Idset()
    assert (rset.core_mask(9), rset.gpu_mask(0)) == (0, 1)
    assert (list(rset), len(rset), 2 in rset, 3 in rset) == ([0, 1, 2], 3, True, False)
    assert rset.get_properties() == {"+q": "2", "a": "0-1"}
    assert rset.property_ranks("a") == Idset("0-1")
    rset.drop_local_properties()
    assert rset.get_properties() == {"a": "0-1"}


@pytest.mark.rfc(20, "property-names")
@pytest.mark.rfc_vectors(20)
@pytest.mark.parametrize("character", "!&'\"^`|()")
def test_characters_that_properties_must_not_have(character: str) -> None:
    rset = ResourceSet.decode(MIXED)
    with pytest.raises(FormatError, match="invalid character"):
        rset.set_property(f"a{character}b")
    assert rset == ResourceSet.decode(MIXED)


@pytest.mark.rfc(20, "property-at", "properties")
@pytest.mark.rfc_vectors(20)
def test_properties() -> None:
    rset = ResourceSet.decode(MIXED)
    rset.set_property("amd@gpu", "1")
    rset.set_property("all")
    assert rset.get_properties()["all"] == "0-2"
    assert rset.property_ranks("amd@gpu") == Idset("1")
    assert rset.rank_properties(1) == ["a", "all", "amd@gpu"]
    rset.remove_property("all", "0-1,9")
    assert rset.get_properties()["all"] == "2"
    rset.remove_property("all")
    rset.remove_property("nope", "1")
    assert (rset.rank_properties(2), rset.rank_properties(9)) == (["+q"], [])
    with pytest.raises(FormatError, match="rank 4 not found in target"):
        rset.set_property("x", "2,4")
    with pytest.raises(FormatError, match="ranks 3-4 not found in target resource list"):
        rset.set_property("x", "1-4")
    with pytest.raises(FormatError, match="empty"):
        rset.set_property("")


VALID: dict[str, Any] = {**EXAMPLE, "scheduling": {"writer": "fluxion:v1", "graph": {}}}


@pytest.mark.rfc(20, "writer", "scheduling", "nodelist", "core-gpu-idsets", "rank-idset")
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("execution.nodelist", None, "execution.nodelist is not an array"),
        ("execution.R_lite.0.rank", "", r"execution.R_lite\[0\].rank is empty|nodelist has 4 hosts for 0"),
        ("execution.R_lite.0.children", {}, r"R_lite\[0\].children.core is missing"),
        ("execution.R_lite.0.children.core", "", r"R_lite\[0\].children.core is empty"),
        ("execution.R_lite.0.children.gpu", "[]", r"R_lite\[0\].children.gpu is empty"),
        ("scheduling", [1], "scheduling is not an object"),
        ("scheduling.writer", 3, "scheduling.writer is not a URI"),
        ("scheduling.writer", "", "scheduling.writer is not a URI"),
        ("scheduling.writer", "tree pool", "scheduling.writer is not a URI"),
        ("scheduling.writer", "1x:y", "scheduling.writer is not a URI"),
        ("execution.nslots", 0, "nslots is not a positive integer"),
    ],
)
def test_validation_by_the_letter(path: str, value: Any, message: str) -> None:
    validate(VALID)
    validate(json.dumps(EXAMPLE))
    source = copy.deepcopy(VALID)
    *parents, last = path.split(".")
    place: Any = source
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    with pytest.raises(FormatError, match=f"^R: .*({message})"):
        validate(source)


def test_resources_of_one_rank_may_come_in_parts() -> None:
    parts = [
        {"rank": "0-2", "children": {"core": "0-1"}},
        {"rank": "1", "children": {"core": "2", "gpu": "0"}},
    ]
    rset = ResourceSet.decode({"version": 1, "execution": {"R_lite": parts}})
    assert rset.dumps() == "rank[0,2]/core[0-1] rank1/core[0-2],gpu0"


@pytest.mark.rfc(20, "scheduling")
def test_scheduling_rides_along() -> None:
    mixed, other = ResourceSet.decode(MIXED), make("0-1", "1-2", "n[0-1]")
    for made in (mixed.copy(), mixed.diff(other), mixed.intersect(other), mixed.copy_ranks("1")):
        assert made.scheduling == {"x": 1}
        assert (made.starttime, made.expiration) == (1.0, 5.0)
    assert other.union(mixed).scheduling == {"x": 1}
    assert mixed.rerank("n[2,1,0]").scheduling == mixed.remap().scheduling == {"x": 1}
    assert mixed.copy_ranks("9").scheduling is mixed.intersect(make("7", "0", "x")).scheduling is None


def test_copies_by_host() -> None:
    mixed = ResourceSet.decode(MIXED)
    assert mixed.copy_hosts("n[2,0]").dumps() == "rank0/core[0-3],gpu0 rank2/core[0-1]"
    assert mixed.copy_hosts(["n1", "zoo"], ignore_nomatch=True).nodelist().encode() == "n1"
    with pytest.raises(FileNotFoundError, match="host 'zoo' not found"):
        mixed.copy_hosts("zoo")


def test_ranks_of_different_hosts_have_nothing_in_common() -> None:
    assert len(make("0-1", "0", "a,b").intersect(make("0-1", "0", "a,c"))) == 1
    assert len(make("0-1", "0", "a,b").intersect(make("0-1", "0"))) == 2


def test_remap_leaves_gpus_alone() -> None:
    rset = make("3", "2-3", "a", "1,3")
    assert rset.remap().dumps() == "rank0/core[0-1],gpu[1,3]"
    assert rset.remap(gpus=True).dumps() == "rank0/core[0-1],gpu[0-1]"


def test_answers_of_flux_core() -> None:
    mixed = ResourceSet.decode(MIXED)
    other = make("0-1", "1-2", "n[0-1]")
    assert mixed.diff(other).dumps() == "rank[0-1]/core[0,3],gpu0 rank2/core[0-1]"
    assert mixed.intersect(other).dumps() == "rank[0-1]/core[1-2]"
    assert make("0", "0-1", "a", "0").diff(make("0", "0-1", "a")).dumps() == "rank0/gpu0"
    joined = make("0,2", "0-1", "a,c")
    joined.append(make("1", "0", "b"))
    assert joined.dumps() == "rank[0,2]/core[0-1] rank1/core0"
    assert joined.nodelist().encode() == "a,b,c"
    picked = mixed.copy_ranks("1-2,7")
    assert (picked.dumps(), picked.get_properties()) == (
        "rank1/core[0-3],gpu0 rank2/core[0-1]",
        {"+q": "2", "a": "1"},
    )
    mapped = make("1,5", "2,4-5", "b,a", x="5").remap()
    assert (mapped.dumps(), mapped.nodelist().encode()) == ("rank[0-1]/core[0-2]", "b,a")
    assert mapped.get_properties() == {"x": "1"}


def test_append_refuses_overlap() -> None:
    rset = make("0-1", "0", "n[0-1]")
    before = rset.encode()
    with pytest.raises(FormatError, match=r"'rank\[0-1\]/core0' and 'rank1/core\[0-2\]' overlap"):
        rset.append(make("1", "0-2", "n1"))
    assert rset.encode() == before


def test_rerank() -> None:
    rset = ResourceSet.decode(MIXED)
    moved = rset.rerank("n[1,0,2]")
    assert moved.nodelist().encode() == "n[1,0,2]"
    assert moved.rerank("n[2,0-1]").dumps() == "rank0/core[0-1] rank[1-2]/core[0-3],gpu0"
    assert moved.rerank("n[2,0-1]").get_properties() == {"+q": "0", "a": "1-2"}
    with pytest.raises(FormatError, match=r"Too few hosts specified \(expected 3\)"):
        rset.rerank("n[0-1]")
    with pytest.raises(FormatError, match=r"Too many hosts specified \(expected 3\)"):
        rset.rerank("n[0-3]")
    with pytest.raises(FormatError, match="host x not found in R"):
        rset.rerank("n[0-1],x")
    same_host = make("3,5", "0", "vm,vm", p="5")
    assert same_host.rerank(["vm", "vm"]).get_properties() == {"p": "1"}


def test_copies_are_independent() -> None:
    rset = ResourceSet.decode(MIXED)
    before = rset.encode()
    other = rset.copy()
    assert other == rset
    other.remove_ranks("0-1,9")
    other.set_property("z")
    other.add_rank(7, "n7", Idset("0-1"), Idset("3"))
    assert rset.encode() == before
    assert other.dumps() == "rank2/core[0-1] rank7/core[0-1],gpu3"
    assert other.get_properties() == {"+q": "2", "z": "2"}
    assert other != rset


@given(rsets(), rsets())
def test_algebra(a: ResourceSet, b: ResourceSet) -> None:
    before = (a.encode(), b.encode())
    x, y = triples(a), triples(b)
    assert triples(a.union(b)) == x | y
    assert triples(a.diff(b)) == x - y
    assert triples(a.intersect(b)) == x & y
    assert a.issuperset(b) == (x >= y)
    left = a.diff(b)
    left.append(a.intersect(b))
    assert triples(left) == x
    assert left.nodelist() == a.nodelist()
    for name, ranks in a.diff(b).get_properties().items():
        assert Idset(ranks) == a.property_ranks(name) & a.diff(b).ranks()
    assert (a.encode(), b.encode()) == before
    assert ResourceSet.decode(json.dumps(a.encode())) == a


@given(rsets())
def test_renumbering_keeps_counts(rset: ResourceSet) -> None:
    for other in (rset.remap(), rset.rerank(rset.nodelist())):
        assert list(other) == list(range(len(rset)))
        assert other.nodelist() == rset.nodelist()
        assert (other.ncores, other.ngpus) == (rset.ncores, rset.ngpus)
        for name, ranks in rset.get_properties().items():
            hosts = {rset.host(r) for r in Idset(ranks)}
            assert {other.host(r) for r in other.property_ranks(name)} == hosts


def test_what_flux_core_leaves_out() -> None:
    empty = {"R_lite": [], "starttime": 0.0, "expiration": 0.0, "nodelist": [""]}
    assert ResourceSet().encode()["execution"] == empty
    assert ResourceSet.decode({"version": 1, "execution": empty}) == ResourceSet()
    hostless = make("0", "0")
    assert "nodelist" not in hostless.encode()["execution"]
    assert ResourceSet.decode(hostless.encode()) == hostless
    bare = make("4", "", "a")
    assert (bare.dumps(), bare.encode()["execution"]["R_lite"]) == (
        "rank4",
        [{"rank": "4", "children": {"core": ""}}],
    )


@given(rsets(), rsets(), rsets())
def test_laws(a: ResourceSet, b: ResourceSet, c: ResourceSet) -> None:
    assert triples(a.diff(b.union(c))) == triples(a.diff(b).intersect(a.diff(c)))  # De Morgan
    assert triples(a.diff(b.intersect(c))) == triples(a.diff(b).union(a.diff(c)))
    assert triples(a.intersect(b.union(c))) == triples(a.intersect(b).union(a.intersect(c)))
    assert a.diff(b).intersect(b).nnodes == 0


def entry(rank: str, **children: str) -> dict[str, Any]:
    return {"rank": rank, "children": children}


@pytest.mark.rfc(20, "writer", "scheduling")
@pytest.mark.parametrize("writer", ["fluxion:jgf", "fluxion", "TreePool", "sched://host/x", "a+b-c.d:"])
def test_a_writer_may_be_a_scheme_alone_as_in_other_texts(writer: str) -> None:
    validate({**EXAMPLE, "scheduling": {"writer": writer}})
