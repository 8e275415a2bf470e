# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests to a pool that is a tree: what they mean, and that nothing is given twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import shape
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet
from rosin.rfc.treepool import Topology
from rosin.rfc.treepool.place import Places, Request

from .test_treepool import CLUSTER_A, whole


def test_resources_that_no_domain_has():
    topology = Topology.decode(CLUSTER_A)
    rset = whole(CLUSTER_A, "0-119", "0-7")
    topology.check(rset)
    more = rset.copy()
    more.add_rank(3, "", Idset("120-121"))
    with pytest.raises(FormatError, match=r"rank 3: core\[120-121\] is in no domain"):
        topology.check(more)
    more = rset.copy()
    more.add_rank(16, "n16", Idset("0"))
    with pytest.raises(FormatError, match="rank 16 is not described"):
        topology.check(more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slot=3/core=2", (0, 3, 2, 0, False, "")),
        ("slot=3/[core=2;gpu]", (0, 3, 2, 1, False, "")),
        ("node=2/slot=3/core=4", (2, 3, 4, 0, False, "")),
        ("slot=2/node=3/core=4", (6, 1, 4, 0, False, "")),
        ("node=2{x}/slot=3/core=4", (2, 3, 4, 0, True, "")),
        ("slot=2{a,+exclusive}/core=4", (2, 1, 4, 0, True, "")),
        ("slot=2/node{x}", (2, 1, 0, 0, True, "")),
        ("slot=4/numa{x}", (0, 4, 0, 0, False, "numa")),
        ("slot=4/numa=2{x}", (0, 8, 0, 0, False, "numa")),
        ("node=2/slot=2/numa{x}", (2, 2, 0, 0, False, "numa")),
    ],
)
def test_requests(text, expected):
    request = Request.decode(shape.parse(text))
    got = (request.nnodes, request.slots, request.cores, request.gpus, request.exclusive, request.locality)
    assert got == expected


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (None, "resources: expected an array, got null"),
        ([1], r"resources\[0\]: expected an object, got 1"),
        ([{"type": 1}], r"resources\[0\].type: expected a string, got 1"),
        ([{"type": "slot", "exclusive": 1}], r"resources\[0\].exclusive: expected true or false"),
        ([{"type": "slot", "count": 0}], r"resources\[0\].count: "),
        ([], "there is no slot"),
        ("node=2", "there is no slot"),
        ("core=2", r"resources\[0\]: 'core' is in no slot"),
        ("slot{a}/slot{b}/core", r"resources\[0\].with\[0\]: a second 'slot'"),
        ("[slot/core;node]", r"resources\[0\]: 'slot' cannot be beside others"),
        ("slot/[core;node]", r"with\[1\]: 'node' cannot be beside others"),
        ("slot/socket", "'socket' must be exclusive and not hold anything"),
        ("slot/socket{x}/core", "'socket' must be exclusive and not hold anything"),
        ("slot/core{x}", "'core' cannot be exclusive or hold anything"),
        ("slot/core/gpu", "'core' cannot be exclusive or hold anything"),
        ("slot/node", "a slot needs a core or more"),
    ],
)
def test_requests_that_are_refused(resources, text):
    if isinstance(resources, str):
        resources = shape.parse(resources)
    with pytest.raises(FormatError, match=text):
        Request.decode(resources)
    with pytest.raises(FormatError, match="a slot or more"):
        Request(0, 1)


def small(topo: dict[str, Any], cores: str, gpus: str = "", nodes: int = 2) -> Places:
    ranks = Idset(range(nodes)).encode()
    scheduling = {"writer": "TreePool", "children": [{"ranks": ranks, "topo": topo}]}
    return Places(whole(scheduling, cores, gpus))


def test_what_is_taken_comes_back():
    places = small({"cores": "0-3", "gpus": "0"}, "0-3", "0")
    first = places.allocate(Request(cores=3, gpus=1))
    second = places.allocate(Request(cores=4))
    assert first is not None
    assert second is not None
    assert (first.dumps(), second.dumps()) == ("rank0/core[0-2],gpu0", "rank1/core[0-3]")
    assert places.allocate(Request(cores=2)) is None
    assert places.free(0) == (0b1000, 0)
    places.release(first)
    assert places.free(0) == (0b1111, 1)
    assert places.allocate(Request(exclusive=True, nnodes=1)).dumps() == "rank0/core[0-3],gpu0"
    assert places.allocate(Request(exclusive=True, nnodes=1)) is None


def test_a_whole_domain_must_be_free():
    places = small({"numa": [{"cores": "0-1"}, {"cores": "2-3"}, {"memory": 4}]}, "0-3", nodes=1)
    assert places.allocate(Request(cores=1)).dumps() == "rank0/core0"
    assert places.allocate(Request(locality="numa", slots=2)) is None
    assert places.allocate(Request(locality="numa")).dumps() == "rank0/core[2-3]"
    assert places.allocate(Request(locality="numa")) is None
    assert places.allocate(Request(locality="nope")) is None


slots = st.builds(
    Request,
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 2),
    nnodes=st.integers(0, 2),
    exclusive=st.booleans(),
    locality=st.sampled_from(["", "", "numa", "socket"]),
)


@given(st.lists(slots, max_size=12), st.data())
def test_nothing_is_given_twice(requests, data):
    places = small(
        {
            "socket": [
                {"numa": [{"cores": "0-2", "gpus": "0"}, {"cores": "3-5", "gpus": "1"}]},
                {"numa": [{"cores": "6-9", "gpus": "2"}]},
            ]
        },
        "0-9",
        "0-2",
        nodes=3,
    )
    held: list[ResourceSet] = []
    for request in requests:
        got = places.allocate(request)
        if got is not None:
            assert not any(got.intersect(other).nnodes for other in held)
            held.append(got)
            if request.nnodes:
                assert got.nnodes == request.nnodes
            if not request.locality and not request.exclusive:
                total = request.slots * max(request.nnodes, 1)
                assert (got.ncores, got.ngpus) == (total * request.cores, total * request.gpus)
        if held and data.draw(st.booleans()):
            places.release(held.pop())
    for got in held:
        places.release(got)
    assert [places.free(rank) for rank in range(3)] == [(0b1111111111, 0b111)] * 3
