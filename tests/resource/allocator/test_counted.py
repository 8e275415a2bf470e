# SPDX-License-Identifier: LGPL-3.0-or-later
"""Counted pools: what R says of them, what jobs ask for, and who gets how many."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.resource.allocator.counted import MAX_SIZE, Counted, attach, decode, parse
from rosin.resource.allocator.packed import Packing
from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.request import MAX_POOLS, from_jobspec
from rosin.rfc.count import parse as count
from rosin.rfc.fluxion import attach as with_graph
from rosin.rfc.rset import ResourceSet
from rosin.rfc.shape import parse as shape

from .resources import inventory_of, like_nodes

POOLS = {"writer": "rosin", "pools": {"matlab": 3, "ansys": 1}}


def asking(text, **system):
    """The request of a shape (RFC 46)."""
    return from_jobspec(
        {"version": 2, "resources": shape(text), "attributes": {"system": {"duration": 0, **system}}}
    )


def machine(nnodes=2, ncores=4, scheduling=POOLS):
    return inventory_of({**like_nodes(nnodes, ncores), "scheduling": scheduling})


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (["matlab"], "x: expected a table, such as {matlab = 10}, got an array"),
        ({"matlab": -1}, f"x.matlab: expected a number from 0 to {MAX_SIZE}, got -1"),
        ({"matlab": MAX_SIZE + 1}, f"x.matlab: expected a number from 0 to {MAX_SIZE}"),
        ({"matlab": True}, "x.matlab: expected a number"),
        ({"matlab": "3"}, "x.matlab: expected a number"),
        ({"node": 3}, "x: 'node': expected a name of letters, digits, - and _, such as matlab, that is no"),
        ({"": 3}, "x: '': expected a name"),
        ({"a b": 3}, "x: 'a b': expected a name"),
        ({"a" * 65: 3}, "expected a name"),
        ({"ü": 3}, "x: 'ü': expected a name"),
        ({f"p{n}": 1 for n in range(MAX_POOLS + 1)}, f"x: 65 pools: expected {MAX_POOLS} at most"),
    ],
)
def test_tables_that_are_refused(table, text):
    with pytest.raises(FormatError, match=re.escape(text)):
        parse(table, "x")


def test_pools_of_the_scheduling_key():
    assert decode(None) == {}
    assert decode({"writer": "other", "children": []}) == {}
    assert decode(POOLS) == {"matlab": 3, "ansys": 1}
    with pytest.raises(FormatError, match=re.escape("R: scheduling.pools.m: ")):
        decode({"pools": {"m": None}})


def test_pools_of_a_graph_are_vertices_that_no_node_holds():
    """RFC 40: memory of a node is not the cluster's, and what holds nodes is no pool."""
    scheduling = with_graph(ResourceSet.decode(like_nodes(2, 2))).scheduling
    nodes, edges = scheduling["graph"]["nodes"], scheduling["graph"]["edges"]
    for name, kind, size, above in (
        ("l", "matlab", 5, "0"),
        ("k", "matlab", 2, "0"),
        ("m", "memory", 8, "1"),
    ):
        nodes.append(
            {"id": name, "metadata": {"type": kind, "size": size, "paths": {"containment": f"/{name}"}}}
        )
        edges.append({"source": above, "target": name})
    assert nodes[1]["metadata"]["type"] == "node"
    assert decode(scheduling) == {"matlab": 7}
    assert decode(attach(scheduling, {})) == {}, "of a job that has none"
    assert decode(attach(scheduling, {"matlab": 2})) == {"matlab": 2}


def test_the_key_of_others_is_kept():
    assert attach(None, {}) is None
    assert attach(POOLS, {}) is None
    assert attach(None, {"m": 1}) == attach(POOLS, {"m": 1}) == {"writer": "rosin", "pools": {"m": 1}}
    other = {"writer": "TreePool", "children": []}
    assert attach(other, {"m": 1}) == {**other, "pools": {"m": 1}}
    assert attach(attach(other, {"m": 1}), {}) == other


@pytest.mark.parametrize(
    ("text", "pools"),
    [
        ("slot/core", ()),
        ("[slot=3/core;matlab=2]", (("matlab", 2, 0),)),
        ("slot=3/[core;matlab=2]", (("matlab", 0, 2),)),
        ("node=2/[slot=3/core;matlab=2]", (("matlab", 0, 2),)),
        ("node=2/slot=3/[core;matlab=2]", (("matlab", 0, 6),)),
        ("[node=2/slot=3/[core;matlab];matlab=5;ansys]", (("ansys", 1, 0), ("matlab", 5, 3))),
        ("[slot/core;matlab=2-8]", (("matlab", 2, 0),)),
        ("[site=2/matlab=3;slot/core]", (("matlab", 6, 0),)),
        ("node/slot/[core;gpu]", ()),
    ],
)
def test_what_is_asked_for(text, pools):
    assert asking(text).pools == pools


def test_jobs_get_units_and_give_them_back():
    inventory = machine()
    pool = inventory.pool
    held = pool.alloc(1, asking("[slot/core;matlab=2]"))
    assert held.units == {"matlab": 0b11}
    assert pool.counted.held() == {"matlab": 2, "ansys": 0}
    assert inventory.encode(held, 1.0)["scheduling"] == {"writer": "rosin", "pools": {"matlab": 2}}
    assert pool.alloc(2, asking("[slot/core;matlab=2]")) is None
    assert pool.room_now(asking("[slot/core;matlab=2]")) == 0
    assert pool.room_on_nodes(asking("[slot/core;matlab=2]")) == 7
    plain = pool.alloc(3, asking("slot/core"))
    assert "scheduling" not in inventory.encode(plain, 1.0)
    assert pool.free(1, [0], final=True) == []
    assert pool.counted.held() == {"matlab": 0, "ansys": 0}
    assert pool.alloc(2, asking("[slot/core;matlab=3]")).units == {"matlab": 0b111}


def test_units_stay_until_the_last_node_is_back():
    """With partial release (RFC 27) it is not known which nodes use them."""
    pool = machine().pool
    pool.alloc(1, asking("node=2/slot/[core;matlab]"))
    pool.free(1, [0], final=False)
    assert pool.counted.held()["matlab"] == 2
    pool.free(1, [1], final=True)
    assert pool.counted.held()["matlab"] == 0


@pytest.mark.parametrize(
    ("text", "nslots", "held"),
    [
        ("slot=1-8/[core;matlab]", 3, 3),
        ("slot=2-8:2/[core;matlab]", 2, 2),
        ("slot=1+/[core;matlab=2]", 1, 2),
        ("[slot=1+/core;matlab=2]", 8, 2),
        ("node=1-2/[slot/core;matlab=2]", 1, 2),
        ("node=1+/slot/[core;matlab]", 2, 2),
    ],
)
def test_a_range_is_cut_to_what_there_is(text, nslots, held):
    """RFC 14: the largest count that fits."""
    allocation = machine().pool.alloc(1, asking(text))
    assert allocation.nslots == nslots
    assert allocation.units["matlab"].bit_count() == held


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[slot/core;matlab=4]", "need 4 of 'matlab', there are 3"),
        ("slot=2/[core;ansys]", "need 2 of 'ansys', there is 1"),
        ("[slot/core;memory=2]", "need 2 of 'memory', there are none"),
        ("[slot/core;matlab=4;ansys=2]", "need 2 of 'ansys', there is 1; need 4 of 'matlab', there are 3"),
        (
            "node=3/slot/[core;matlab=2]",
            "need 3 node(s) with 1 cores each, only 2 eligible; need 6 of 'matlab'",
        ),
    ],
)
def test_what_can_never_be_is_refused_with_the_number(text, why):
    pool = machine().pool
    for attempt in (lambda: pool.check(asking(text)), lambda: pool.alloc(1, asking(text))):
        with pytest.raises(InfeasibleError) as caught:
            attempt()
        assert caught.value.strerror.startswith(f"unsatisfiable request: {why}")


def test_a_job_that_runs_keeps_what_it_has():
    """After a restart with fewer licences it holds those that there are."""
    pool = machine(scheduling={"pools": {"matlab": 1}}).pool
    held = pool.register(1, {0: (0b1, 0)}, 0.0, {"matlab": 2, "gone": 5})
    assert held.units == {"matlab": 1}
    pool.release(1)
    assert pool.counted.free == pool.counted.whole


def test_copies_do_not_share_what_is_free():
    pool = machine().pool
    copy = pool.copy()
    copy.alloc(1, asking("[slot/core;matlab=3]"))
    assert pool.counted.held()["matlab"] == 0
    assert copy.counted.held()["matlab"] == 3


def test_packed_with_nodes():
    pool = machine().pool
    packing = Packing(pool)
    held = pool.alloc(1, asking("[node=2/slot/core;matlab=2;ansys]"))
    packed = packing.pack(held.nodes.items(), held.units)
    assert packing.units(packed) == {"matlab": 0b11, "ansys": 1}
    assert dict(enumerate(packing.unpack(packed))) == held.nodes
    assert packed.bit_count() == held.size


asked = st.tuples(
    st.sampled_from(
        ["slot=1-3/[core;matlab]", "[slot=2/core;matlab=2]", "node=1-2/[slot/core=2;ansys]", "slot/core"]
    )
)


@settings(max_examples=150)
@given(st.lists(st.one_of(asked, st.integers(0, 20)), max_size=40))
def test_units_are_conserved(plan):
    """No unit is held twice, and what no job holds is free."""
    pool = machine(3, 3).pool
    for jobid, step in enumerate(plan):
        if isinstance(step, tuple):
            pool.alloc(jobid, asking(*step))
        elif pool.jobs:
            pool.release(sorted(pool.jobs)[step % len(pool.jobs)])
        for name, whole in pool.counted.whole.items():
            held = [allocation.units.get(name, 0) for allocation in pool.jobs.values()]
            assert sum(mask.bit_count() for mask in held) == pool.counted.held()[name]
            assert pool.counted.free[name] == whole & ~sum(held)


def test_enough_of_the_whole_when_none_are_free():
    counted = Counted({"m": 4})
    counted.take({"m": 0b1110})
    request = asking("slot=4/[core;m]")
    assert counted.enough(request, 8) == 1
    assert counted.enough(request, 8, idle=True) == 4
    assert counted.short(request, 4) == [{"pool": "m", "needed": 4, "free": 1, "size": 4}]
    assert counted.short(request, 4, idle=True) == []
    assert request.slots == count(4)


@pytest.mark.parametrize(
    "vertices",
    [[{"type": f"t{n}", "count": 1} for n in range(10000)], [{"type": "t" * 65, "count": 1}]],
    ids=["many", "long"],
)
def test_what_a_user_writes_is_bounded(vertices):
    """Each pass looks at each pool that a job asks for, and a refusal names them."""
    slot = {"type": "slot", "label": "task", "count": 1, "with": [{"type": "core", "count": 1}]}
    with pytest.raises(FormatError, match="expected 64 types of resources at most, of 64 characters"):
        from_jobspec(
            {"version": 2, "resources": [slot, *vertices], "attributes": {"system": {"duration": 0}}}
        )
