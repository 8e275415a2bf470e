# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 40: R as a graph of Fluxion, and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import fluxion, jgf
from rosin.rfc.graph import Graph
from rosin.rfc.pool import Pool
from rosin.rfc.rset import ResourceSet

MIXED: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [
            {"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}},
            {"rank": "4", "children": {"core": "1"}},
        ],
        "nodelist": ["n[7-8]", "login"],
        "starttime": 5.0,
        "expiration": 9.0,
        "properties": {"a": "0,4", "+q": "1"},
    },
}


def same_resources(one: ResourceSet, other: ResourceSet) -> bool:
    def bare(rset: ResourceSet) -> ResourceSet:
        new = rset.copy()
        new.starttime = new.expiration = 0.0
        new.scheduling = None
        return new

    return bare(one) == bare(other)


def test_a_graph_of_r():
    rset = ResourceSet.decode(MIXED)
    graph = fluxion.from_resource_set(rset)
    graph.check_composite()
    assert [graph.path(v) for v in graph][:8] == [
        "/cluster0",
        "/cluster0/n7",
        *(f"/cluster0/n7/core{n}" for n in range(4)),
        "/cluster0/n7/gpu0",
        "/cluster0/n8",
    ]
    assert graph.path("14") == "/cluster0/login/core1"
    assert graph.pool("13").properties == {"a": ""}
    with_key = fluxion.attach(rset)
    assert with_key.starttime == 5.0
    again = ResourceSet.decode(json.loads(json.dumps(with_key.encode())))
    assert same_resources(fluxion.to_resource_set(fluxion.decode(again.scheduling)), rset)
    assert rset.scheduling is None
    nameless = copy.deepcopy(MIXED)
    del nameless["execution"]["nodelist"]
    with pytest.raises(FormatError, match="rank 0 has no host"):
        fluxion.from_resource_set(ResourceSet.decode(nameless))


@st.composite
def rsets(draw: st.DrawFn) -> ResourceSet:
    rset = ResourceSet()
    hosts = draw(st.permutations([f"n{i}" for i in range(9)] + ["a", "b01"]))
    for rank in draw(st.sets(st.integers(0, 10), max_size=6)):
        rset.add_rank(rank, hosts[rank], draw(st.integers(0, 2**70)), draw(st.integers(0, 7)))
    for name in draw(st.sets(st.sampled_from(["x", "+q"]))):
        ranks = [rank for rank in rset if draw(st.booleans())]
        if ranks:
            rset.set_property(name, ",".join(map(str, ranks)))
    return rset


@given(rsets())
def test_r_becomes_a_graph_and_r_again(rset):
    graph = fluxion.from_resource_set(rset)
    assert same_resources(fluxion.to_resource_set(graph), rset)
    for flavour in ("rfc", "fluxion"):
        again = fluxion.to_resource_set(fluxion.decode(fluxion.encode(graph, flavour)))
        assert same_resources(again, rset)


@given(rsets(), rsets())
def test_the_part_that_an_allocation_has(whole, other):
    part = whole.intersect(other) if whole.nnodes else whole
    graph = fluxion.restrict(fluxion.from_resource_set(whole), part)
    graph.check_composite()
    got = fluxion.to_resource_set(graph)
    assert dict(got.items()) == dict(part.items())
    renumbered = part.remap()  # a sub-instance has other ranks; hosts still tell
    if all(cores & (cores + 1) == 0 and gpus & (gpus + 1) == 0 for _, (cores, gpus) in part.items()):
        again = fluxion.restrict(fluxion.from_resource_set(whole), renumbered)
        assert list(again) == list(graph)


def deep() -> Graph:
    """Two nodes with sockets, memory on the node, a disk in the rack."""
    graph = Graph()
    graph.add(Pool("cluster", 0))
    graph.connect("0", graph.add(Pool("rack", 0)))
    graph.connect("1", graph.add(Pool("ssd", 0)))
    for node in range(2):
        name = graph.add(Pool("node", node, data={"rank": node}))
        graph.connect("1", name)
        graph.connect(name, graph.add(Pool("memory", 0, size=8)))
        for socket in range(2):
            inner = graph.add(Pool("socket", socket))
            graph.connect(name, inner)
            for core in range(2):
                graph.connect(inner, graph.add(Pool("core", 2 * socket + core)))
    return graph


def test_a_part_keeps_what_is_around_it():
    graph = deep()
    rset = fluxion.to_resource_set(graph)
    assert rset.dumps() == "rank[0-1]/core[0-3]"
    part = ResourceSet()
    part.add_rank(5, "node1", 0b0010)
    kept = fluxion.restrict(graph, part)
    assert [kept.path(v) for v in kept] == [
        "/cluster0",
        "/cluster0/rack0",
        "/cluster0/rack0/ssd0",
        "/cluster0/rack0/node1",
        "/cluster0/rack0/node1/memory0",
        "/cluster0/rack0/node1/socket0",
        "/cluster0/rack0/node1/socket0/core1",
    ]


def test_shorthand():
    whole = deep()
    short = whole.subset(["0", "1", "3"])
    short.pool("3").data["exclusive"] = True
    scheduling = {**jgf.encode(short, "fluxion"), "writer": fluxion.SHORTHAND}
    graph = fluxion.expand(fluxion.decode(scheduling), whole)
    assert fluxion.to_resource_set(graph).dumps() == "rank0/core[0-3]"
    assert all(pool.data.get("exclusive") for v, pool in graph.items() if v not in ("0", "1"))
    assert "exclusive" not in whole.pool("4").data
    foreign = Graph()
    foreign.add(Pool("node", 0), "nope")
    with pytest.raises(FormatError, match="the whole graph has no vertex 'nope'"):
        fluxion.expand(foreign, whole)


def one_node(**data: Any) -> Graph:
    graph = Graph()
    graph.add(Pool("node", 0, data=data))
    return graph


def test_nodes_without_ranks_are_numbered():
    graph = one_node()
    graph.add(Pool("node", 7, data={"rank": -1}))
    assert fluxion.to_resource_set(graph).nodelist().encode() == "node[0,7]"


@pytest.mark.parametrize(
    ("pools", "text"),
    [
        ([Pool("node", 0, data={"rank": 1}), Pool("node", 1, data={"rank": 1})], "rank 1 is that of another"),
        ([Pool("node", 0, data={"rank": 1}), Pool("node", 1)], "rank -1 is not a broker rank"),
        ([Pool("node", 0, data={"rank": 2**40})], "is not a broker rank"),
        ([Pool("node", 0, size=2)], "R cannot tell a pool of 2 nodes"),
        ([Pool("node", 0), Pool("core", 0, size=4)], "R cannot tell a pool of 4: expected size 1"),
        ([Pool("node", 0), Pool("core")], "expected an id from 0 to 32767"),
        ([Pool("node", 0), Pool("gpu", 99999)], "expected an id from 0 to 32767"),
        ([Pool("node", 0), Pool("gpu", 1), Pool("gpu", 1)], "the node has another gpu with id 1"),
    ],
)
def test_graphs_that_r_cannot_tell(pools, text):
    graph = Graph()
    for pool in pools:
        vertex = graph.add(copy.copy(pool))
        if pool.type != "node":
            graph.connect("0", vertex)
    with pytest.raises(FormatError, match=text):
        fluxion.to_resource_set(graph)


@pytest.mark.rfc(40, "opaque")
@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_the_key_passes_through_r_unchanged(scheduling):
    source = {**copy.deepcopy(MIXED), "scheduling": scheduling}
    rset = ResourceSet.decode(source)
    for new in (rset, rset.copy(), rset.copy_ranks("0"), rset.intersect(rset), rset.diff(ResourceSet())):
        assert new.encode()["scheduling"] == scheduling
