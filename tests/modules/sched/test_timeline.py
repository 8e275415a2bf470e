# SPDX-License-Identifier: LGPL-3.0-or-later
"""Promises: what was found for one job saves looking for another, and changes nothing."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from rosin.modules.sched import PendingJob
from rosin.modules.sched.steps import finish
from rosin.modules.sched.timeline import Needs, Timeline
from rosin.resource.allocator.packed import Packing
from rosin.resource.allocator.pool import InfeasibleError
from rosin.rfc.rset import ResourceSet

from ...resource.allocator.resources import inventory_of, like_nodes
from ...resource.allocator.test_pool import check
from .test_backfill import CORES, NODES, nodes, slots, whole


class Unbounded(Timeline):
    """Looks for each job from now on, whatever was found for others."""

    def _bound(self, needs):
        return 0.0


asked_for = st.one_of(
    st.builds(slots, st.integers(1, NODES * CORES), st.sampled_from([1.0, 5.0, 9.0, 20.0])),
    st.builds(nodes, st.integers(1, NODES), st.integers(1, CORES), st.sampled_from([1.0, 5.0, 20.0])),
    st.builds(whole, st.integers(1, NODES), st.sampled_from([1.0, 5.0, 20.0])),
)
queued = st.lists(asked_for, max_size=12)


@given(queued, st.lists(st.tuples(st.integers(1, 6), st.floats(1.0, 30.0)), max_size=6))
def test_what_was_found_for_others_only_saves_time(requests, running):
    """A job is promised what it would be promised if each moment were tried for it."""
    pool = inventory_of(like_nodes(NODES, CORES)).pool
    for jobid, (number, end) in enumerate(running, 100):
        pool.alloc(jobid, slots(number), end)
    found = []
    for kind in (Timeline, Unbounded):
        timeline = kind(pool, 0.0)
        found.append([finish(timeline.reserve(PendingJob(i, 0, r))) for i, r in enumerate(requests)])
    assert found[0] == found[1]


def test_moments_that_were_too_early_for_less_are_not_tried(monkeypatch):
    pool = inventory_of(like_nodes(NODES, CORES)).pool
    for jobid in range(NODES * CORES):
        pool.alloc(100 + jobid, slots(1), 10.0 + jobid)
    tried = []
    room = Packing.room
    monkeypatch.setattr(Packing, "room", lambda *args: tried.append(1) or room(*args))
    timeline = Timeline(pool, 0.0)
    finish(timeline.reserve(PendingJob(1, 0, nodes(2, 3, 5.0))))
    first = len(tried)
    finish(timeline.reserve(PendingJob(2, 0, nodes(2, 4, 6.0))))
    assert first > 1
    assert len(tried) - first < first
    pool.release(100)  # all may be different now
    assert timeline._bound(Needs(slots(99, 99.0))) == 0.0


@given(queued, st.lists(st.tuples(asked_for, st.just(9.0)), max_size=5))
def test_room_in_a_packed_pool(asked, running):
    """It is what the pool has, but for exclusive nodes of several sizes, where it may be too much."""
    pool = inventory_of(like_nodes(NODES, CORES)).pool
    for jobid, (request, end) in enumerate(running):
        with suppress(InfeasibleError):
            pool.alloc(jobid, request, end)
    packing = Packing(pool)
    packed = packing.pack(enumerate(pool.free_now()))
    for request in asked:
        assert packing.room(packed, request) == pool.room_now(request)
    copy = pool.having_free(packing.unpack(packed), {})
    check(copy_of(pool, copy))


def copy_of(pool, copy):
    """With the jobs, whose resources it sets aside already."""
    copy.jobs = pool.jobs
    return copy


def test_whole_nodes_of_several_sizes():
    rset = ResourceSet()
    for rank, cores in enumerate((2, 4, 8)):
        rset.add_rank(rank, f"n{rank}", (1 << cores) - 1)
    pool = inventory_of(rset.encode()).pool
    packing = Packing(pool)
    packed = packing.pack(enumerate(pool.free_now()))
    assert packing.room(packed, whole(1)) == 3
    pool.alloc(1, slots(1))
    packed = packing.pack(enumerate(pool.free_now()))
    assert pool.room_now(whole(1)) == 2
    assert packing.room(packed, whole(1)) == 3, "7 cores might be a whole node of another size"


def test_nodes_without_anything():
    rset = ResourceSet()
    for rank in range(2):
        rset.add_rank(rank, f"n{rank}", 0)
    pool = inventory_of(rset.encode()).pool
    assert Packing(pool).unpack(0) == [(0, 0), (0, 0)]
    assert Packing(pool).room(0, slots(1)) == 0
