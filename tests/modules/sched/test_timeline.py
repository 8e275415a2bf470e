# SPDX-License-Identifier: LGPL-3.0-or-later
"""Promises: what was found for one job saves looking for another, and changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from rosin.modules.sched import PendingJob
from rosin.modules.sched.steps import finish
from rosin.modules.sched.timeline import Needs, Timeline

from ...resource.allocator.resources import inventory_of, like_nodes
from .test_backfill import CORES, NODES, nodes, slots, whole


class Unbounded(Timeline):
    """Looks for each job from now on, whatever was found for others."""

    def _bound(self, needs):
        return 0.0


queued = st.lists(
    st.one_of(
        st.builds(slots, st.integers(1, NODES * CORES), st.sampled_from([1.0, 5.0, 9.0, 20.0])),
        st.builds(nodes, st.integers(1, NODES), st.integers(1, CORES), st.sampled_from([1.0, 5.0, 20.0])),
        st.builds(whole, st.integers(1, NODES), st.sampled_from([1.0, 5.0, 20.0])),
    ),
    max_size=12,
)


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
    having_free = type(pool).having_free
    monkeypatch.setattr(type(pool), "having_free", lambda *args: tried.append(1) or having_free(*args))
    timeline = Timeline(pool, 0.0)
    finish(timeline.reserve(PendingJob(1, 0, nodes(2, 3, 5.0))))
    first = len(tried)
    finish(timeline.reserve(PendingJob(2, 0, nodes(2, 4, 6.0))))
    assert first > 1
    assert len(tried) - first < first
    pool.release(100)  # all may be different now
    assert timeline._bound(Needs(slots(99, 99.0))) == 0.0
