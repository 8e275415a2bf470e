# SPDX-License-Identifier: LGPL-3.0-or-later
"""What holds of policies, by plain calls: no broker, no clock."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.broker.loader import find
from rosin.job.pending import PendingQueue
from rosin.modules.sched import Backfill, Deny, PendingJob, Policy, Portion, ResourceRequest, Start
from rosin.resource.allocator.placement import best_fit, by_rank, worst_fit
from rosin.rfc.count import Count

from ...resource.allocator.resources import inventory_of, like_nodes
from ...resource.allocator.test_pool import check, check_allocation, nodes, requests, shaped

EXAMPLES = Path(__file__).parents[3] / "examples"
LIFO = find(str(EXAMPLES / "lifo.py")).policy  # type: ignore[attr-defined]
PACKED = find(str(EXAMPLES / "packed.py")).policy  # type: ignore[attr-defined]

jobs = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 6), st.sampled_from([0.0, 5.0, 50.0]), st.integers(0, 2)),
    max_size=20,
)


def slots(number, duration=0.0, gpus=0):
    return ResourceRequest(None, Count(number, number), 1, gpus, duration=duration)


def scene(policy, entries, nnodes=2, ncores=2):
    """Jobs in a queue, and a pool of ``nnodes * ncores`` cores; entries: priority, slots, duration, owner."""
    queue = PendingQueue(policy.order)
    for jobid, (priority, number, duration, userid) in enumerate(entries):
        queue.add(PendingJob(jobid, priority, slots(number, duration), userid))
    place = policy.place
    return queue, inventory_of(like_nodes(nnodes, ncores), place=place).pool


# -- the order of jobs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy, lambda job: (-job.priority, job.id)),
        (LIFO, lambda job: (-job.priority, -job.id)),
        (PACKED, lambda job: (-job.priority, job.id)),
    ],
)
@given(entries=jobs)
def test_jobs_start_in_order_until_one_waits(policy, key, entries):
    policy = policy()
    queue, pool = scene(policy, entries)
    expected = sorted(queue, key=key)
    free = 4
    for job in list(expected):
        wanted = job.request.slots.min
        if free < wanted <= 4:
            break
        free -= wanted if wanted <= 4 else 0
        expected.remove(job)
    decisions = list(policy.plan(queue, pool, 1000.0))
    assert list(queue) == expected
    assert len(decisions) + len(expected) == len(entries)
    for decision in decisions:
        job = decision.job
        if job.request.slots.min > 4:
            assert isinstance(decision, Deny)
            assert "only 4 such slot(s)" in decision.note
        else:
            duration = job.request.duration
            assert decision.allocation.expiration == (1000.0 + duration if duration else 0.0)
            assert (decision.allocation.userid, decision.allocation) == (job.userid, pool.jobs[job.id])
    check(pool)


def test_no_job_holds_resources_for_longer_than_there_are_any():
    queue, pool = scene(Policy(), [(0, 1, 0.0, 0), (0, 1, 5.0, 0), (0, 1, 76.5, 0)])
    pool.expiration = 77.0
    ends = [decision.allocation.expiration for decision in Policy().plan(queue, pool, 1.0)]
    assert ends == [77.0, 6.0, 77.0]


@pytest.mark.parametrize("now", [77.0, 78.0])
def test_nothing_starts_when_the_resources_have_gone(now):
    """R of such a job would end before it begins, which RFC 20 does not allow."""
    for policy in (Policy(), Backfill({"queue-policy": "easy"})):
        queue, pool = scene(policy, [(0, 1, 0.0, 0), (0, 1, 5.0, 0)])
        pool.expiration = 77.0
        assert [decision for decision in policy.plan(queue, pool, now) if decision] == []
        assert len(queue) == 2


def test_a_constraint_that_cannot_be_read_denies():
    queue, pool = scene(Policy(), [])
    queue.add(PendingJob(1, 0, ResourceRequest(None, Count(1, 1), 1, constraint={"nonsense": []})))
    (decision,) = Policy().plan(queue, pool, 1.0)
    assert isinstance(decision, Deny)
    assert "nonsense" in decision.note


def test_settings():
    assert Policy().settings == {}
    assert Policy({"a": 1}).settings == {"a": 1}


# -- the order of nodes -------------------------------------------------------------------------------


@settings(max_examples=100)
@given(nodes, st.lists(requests, max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_nodes_gives_what_is_asked_for(shapes, asked, random):
    """Portions may come in any order, split, and some may be left out: a job gets all of it or waits."""

    def place(request, portions):
        chosen = list(by_rank(portions)) if random.random() < 0.5 else list(portions)
        random.shuffle(chosen)
        return chosen[random.randrange(2) :]

    inventory = inventory_of(shaped(shapes)._rset.encode(), place=place)
    for jobid, request in enumerate(asked):
        try:
            allocation = inventory.pool.alloc(jobid, request)
        except OSError:
            continue
        if allocation is not None:
            check_allocation(inventory, request, allocation, inventory.pool.up)
        check(inventory.pool)


portions = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=6, unique=True).map(
    lambda shapes: [Portion(*shape, 0b1001 << i) for i, shape in enumerate(sorted(shapes))]
)


@given(portions)
def test_modes(portions):
    assert list(best_fit(portions)) == sorted(portions)
    assert list(worst_fit(portions)) == sorted(portions, reverse=True)
    whole = [Portion(cores, gpus, 1 << i) for i, (cores, gpus, _) in enumerate(portions)]
    assert list(by_rank(reversed(whole))) == whole


@given(portions, st.integers(0, 2))
def test_packed(portions, gpus):
    tried = PACKED().place(slots(1, gpus=gpus), portions)
    assert sorted(tried) == portions
    if not gpus:
        assert [free.gpus for free in tried] == sorted(free.gpus for free in tried)
    for free, after in pairwise(tried):
        assert free.cores <= after.cores or free.gpus < after.gpus


# -- overtaking ---------------------------------------------------------------------------------------


class Easy(Policy):
    """Backfill: a job may overtake when the first one that waits does not start later for it."""

    def plan(self, queue, pool, now):
        yield from super().plan(queue, pool, now)
        head, *others = queue.head(100) or [None]
        for job in others:
            before, after = self.forecast([head], pool, now), pool.copy()
            fits = isinstance(self.attempt(job, after, now), Start)
            if fits and self.forecast([head], after, now) == before:
                queue.pop(job.id)
                yield self.attempt(job, pool, now)


@given(entries=jobs)
def test_backfill_is_a_policy(entries):
    queue, pool = scene(Policy(), entries)
    first = list(Policy().plan(queue, pool, 10.0))
    expected = Policy().forecast(queue.head(1), pool, 10.0)
    queue, pool = scene(Easy(), entries)
    decisions = list(Easy().plan(queue, pool, 10.0))
    assert [decision.job.id for decision in decisions[: len(first)]] == [one.job.id for one in first]
    assert Easy().forecast(queue.head(1), pool, 10.0) == expected
    check(pool)


def test_backfill_overtakes():
    queue, pool = scene(Easy(), [(0, 3, 50.0, 0), (0, 4, 0.0, 0), (0, 1, 60.0, 0), (0, 1, 40.0, 0)])
    started = [decision.job.id for decision in Easy().plan(queue, pool, 10.0)]
    assert started == [0, 3]  # job 2 would hold job 1 up


class FairShare(Policy):
    """Owners of whom less runs come first."""

    def __init__(self, settings=None):
        super().__init__(settings)
        self.usage = {}

    def order(self, job):
        return (self.usage.get(job.userid, 0), job.id)

    def plan(self, queue, pool, now):
        self.usage = {}
        for allocation in pool.jobs.values():
            self.usage[allocation.userid] = self.usage.get(allocation.userid, 0) + allocation.nslots
        queue.reorder()
        yield from super().plan(queue, pool, now)


def test_fair_share_is_a_policy():
    policy = FairShare()
    queue, pool = scene(policy, [(0, 3, 0.0, 7)])
    assert [decision.job.id for decision in policy.plan(queue, pool, 1.0)] == [0]
    for jobid, userid in ((1, 7), (2, 8)):
        queue.add(PendingJob(jobid, 0, slots(1), userid))
    assert [decision.job.id for decision in policy.plan(queue, pool, 1.0)] == [2]
