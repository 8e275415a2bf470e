# SPDX-License-Identifier: LGPL-3.0-or-later
"""What holds of the allocator whatever is asked of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.resource.allocator.bits import lowest, members
from rosin.resource.allocator.inventory import ranks_of
from rosin.resource.allocator.placement import best_fit
from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.request import ResourceRequest
from rosin.rfc.count import Count
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

from .resources import inventory_of

counts = st.one_of(
    st.integers(1, 6).map(lambda n: Count(n, n)),
    st.tuples(st.integers(1, 3), st.integers(0, 5)).map(lambda t: Count(t[0], t[0] + t[1])),
    st.integers(1, 3).map(lambda n: Count(n, None)),
    st.integers(1, 3).map(lambda n: Count(n, 16, "*", 2)),
)
requests = st.builds(
    ResourceRequest,
    st.none() | counts,
    counts,
    st.integers(1, 4),
    st.integers(0, 2),
    exclusive=st.booleans(),
    constraint=st.sampled_from([None, {"ranks": ["1-3"]}, {"properties": ["p"]}]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("alloc"), requests),
        st.tuples(st.just("free"), st.integers(0, 30)),
        st.tuples(st.just("part"), st.integers(0, 30)),
        st.tuples(st.sampled_from(["mark_up", "mark_down"]), st.integers(0, 5)),
        st.tuples(st.just("shrink"), st.integers(4, 5)),
    ),
    max_size=40,
)
nodes = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), min_size=6, max_size=6)


def shaped(shapes):
    rset = ResourceSet()
    for rank, (cores, gpus) in enumerate(shapes):
        rset.add_rank(rank, f"n{rank}", (1 << cores) - 1, (1 << gpus) - 1)
    rset.set_property("p", "0,2,4")
    return inventory_of(rset.encode())


def snapshot(pool):
    return (list(pool._free_cores), list(pool._free_gpus), dict(pool._free), pool._order, pool._idle)


def check(pool):
    """Buckets, order and idle nodes agree with what is free, and free with what jobs hold."""
    buckets = {}
    idle = 0
    for i, (cores, gpus) in enumerate(zip(pool._free_cores, pool._free_gpus, strict=True)):
        key = (cores.bit_count(), gpus.bit_count())
        buckets[key] = buckets.get(key, 0) | 1 << i
        idle |= (cores == pool.cores[i]) << i
    assert pool._free == buckets
    assert pool._order == sorted(buckets)
    assert pool._idle == idle
    held = [[0, 0] for _ in pool.cores]
    for allocation in pool.jobs.values():
        for i, ids in allocation.nodes.items():
            for kind in (0, 1):
                assert not held[i][kind] & ids[kind], "allocated twice"
                held[i][kind] |= ids[kind]
    for i, (cores, gpus) in enumerate(held):
        assert pool._free_cores[i] == pool.cores[i] & ~cores
        assert pool._free_gpus[i] == pool.gpus[i] & ~gpus


def check_allocation(inventory, request, allocation, up):
    """The allocation is what was asked for, on nodes that were up and eligible."""
    pool = inventory.pool
    mask = inventory.nodes(Idset([pool.ranks[i] for i in allocation.nodes]))
    assert not mask & ~up
    if request.constraint is not None:
        assert not mask & ~inventory.eligible(request.constraint)
    for cores, gpus in allocation.nodes.values():
        if not request.exclusive:
            assert cores.bit_count() * request.gpus == gpus.bit_count() * request.cores
    if request.nodes is not None:
        assert len(allocation.nodes) in request.nodes
        for i, (cores, gpus) in allocation.nodes.items():
            if request.exclusive:
                assert (cores, gpus) == (pool.cores[i], pool.gpus[i])
            else:
                assert cores.bit_count() == request.slots.min * request.cores
    else:
        total = sum(cores.bit_count() for cores, _ in allocation.nodes.values())
        assert total == allocation.nslots * request.cores
        assert allocation.nslots in request.slots


@settings(max_examples=150)
@given(nodes, steps)
def test_invariants(shapes, plan):
    inventory = shaped(shapes)
    pool = inventory.pool
    fresh = snapshot(pool)
    for jobid, (what, value) in enumerate(plan):
        if what == "alloc":
            up = pool.up
            try:
                allocation = pool.alloc(jobid, value)
            except InfeasibleError:
                assert jobid not in pool.jobs
            else:
                if allocation is not None:
                    check_allocation(inventory, value, allocation, up)
                    R = ResourceSet.decode(inventory.encode(allocation, 1.0))
                    assert (
                        ranks_of(inventory.encode(allocation, 1.0)) == list(R.ranks()) or len(R.ranks()) > 1
                    )
                    assert dict(R.items()) == {pool.ranks[i]: ids for i, ids in allocation.nodes.items()}
                    assert inventory.summary(allocation.nodes) == R.dumps()
        elif what in ("free", "part"):
            jobs = sorted(pool.jobs)
            if jobs:
                victim = jobs[value % len(jobs)]
                ranks = [pool.ranks[i] for i in pool.jobs[victim].nodes]
                final = what == "free"
                assert pool.free(victim, ranks if final else ranks[:1], final=final) == []
        else:
            getattr(pool, what)(1 << value)
        check(pool)
    for jobid in list(pool.jobs):
        pool.release(jobid)
    assert snapshot(pool) == fresh


@settings(max_examples=100)
@given(nodes, requests)
def test_feasible_means_it_fits_when_all_is_free(shapes, request):
    pool = shaped(shapes).pool
    try:
        pool.check(request)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            pool.alloc(1, request)
    else:
        assert pool.alloc(1, request) is not None


def test_free_reports_what_does_not_match():
    pool = shaped([(4, 0)] * 6).pool
    pool.alloc(1, ResourceRequest(Count(2, 2), Count(1, 1), 4))
    assert pool.free(1, [0, 5, 77], final=False) == [5, 77]
    assert pool.free(1, [], final=True) == [1]
    with pytest.raises(KeyError):
        pool.free(1, [0], final=True)
    check(pool)


def test_register_refuses_what_is_held_or_unknown():
    pool = shaped([(4, 0)] * 6).pool
    pool.register(1, {0: (0b0011, 0), 1: (0b1111, 0)}, 9.0)
    for held in ({0: (0b0110, 0)}, {2: (0b10000, 0)}, {9: (1, 0)}):
        before = snapshot(pool)
        with pytest.raises(ValueError, match="rank"):
            pool.register(2, held, 0.0)
        assert snapshot(pool) == before
    check(pool)


def test_best_fit():
    R = shaped([(4, 0), (2, 0), (6, 0)] * 2)._rset.encode()
    inventory = inventory_of(R, place=lambda _, portions: best_fit(portions))
    allocation = inventory.pool.alloc(1, ResourceRequest(Count(1, 1), Count(1, 1), 2))
    assert inventory.summary(allocation.nodes) == "rank1/core[0-1]"


def test_ranks_need_not_begin_at_zero():
    lite = [{"rank": "3,7", "children": {"core": "4-7"}}]
    R = {"version": 1, "execution": {"R_lite": lite, "nodelist": ["a,b"]}, "scheduling": {"writer": "x:"}}
    inventory = inventory_of(R)
    allocation = inventory.pool.alloc(1, ResourceRequest(Count(2, 2), Count(1, 1), 2), 8.0)
    R = inventory.encode(allocation, 5.0)
    assert R["execution"]["R_lite"] == [{"rank": "3,7", "children": {"core": "4-5"}}]
    assert R["execution"]["nodelist"] == ["a,b"]
    assert (R["execution"]["starttime"], R["execution"]["expiration"]) == (5.0, 8.0)
    assert R["scheduling"] == {"writer": "x:"}


def test_thousands_of_nodes():
    rset = ResourceSet()
    for rank in range(3000):
        rset.add_rank(rank, f"n{rank}", 0b1111)
    inventory = inventory_of(rset.encode())
    pool = inventory.pool
    allocation = pool.alloc(1, ResourceRequest(Count(2999, 2999), Count(1, 1), 4))
    assert inventory.summary(allocation.nodes) == "rank[0-2998]/core[0-3]"
    assert pool.alloc(2, ResourceRequest(Count(2, None), Count(1, 1), 1)) is None
    assert list(pool.alloc(3, ResourceRequest(None, Count(3, 3), 1)).nodes) == [2999]


@given(st.integers(1, 2**70), st.integers(0, 80))
def test_bits(mask, limit):
    ids = [i for i in range(71) if mask >> i & 1]
    assert list(members(mask)) == ids
    assert list(members(mask, limit)) == ids[:limit]
    count = min(limit, len(ids))
    assert lowest(mask, count) == sum(1 << i for i in ids[:count])


@pytest.mark.parametrize(
    "R", [None, {}, {"execution": {"R_lite": [{"rank": 5}]}}, {"execution": {"R_lite": 3}}]
)
def test_ranks_of_malformed_r(R):
    with pytest.raises(FormatError):
        ranks_of(R)
