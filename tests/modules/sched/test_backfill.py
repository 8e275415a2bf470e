# SPDX-License-Identifier: LGPL-3.0-or-later
"""Backfill: promises are kept, whatever overtakes. Days of jobs are played and looked at from outside."""

from heapq import heapify, heappop, heappush
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.job.pending import PendingQueue
from rosin.modules.sched import Deny, PendingJob, ResourceRequest
from rosin.modules.sched.backfill import POLICIES, Backfill
from rosin.modules.sched.timeline import Timeline, UnknownEndError
from rosin.rfc.count import Count

from ...resource.allocator.resources import inventory_of, like_nodes
from ...resource.allocator.test_pool import check

NODES, CORES = 3, 4


def count(number):
    return Count(number, number)


def slots(number, duration=0.0):
    return ResourceRequest(None, count(number), 1, duration=duration)


def nodes(number, cores, duration=0.0):
    return ResourceRequest(count(number), count(1), cores, duration=duration)


def whole(number, duration=0.0):
    return ResourceRequest(count(number), count(1), 1, exclusive=True, duration=duration)


def policy(name, **settings):
    return Backfill({"queue-policy": name, **settings})


class Day:
    """Jobs come, run and end; resources are counted apart from the pool."""

    def __init__(self, policy, jobs, nnodes=NODES, ncores=CORES):
        """jobs: (arrival, request, share of its duration that it runs for)."""
        jobs = sorted(jobs, key=lambda job: job[0])  # ids ascend
        self.policy = policy
        self.queue = PendingQueue(policy.order)
        self.pool = inventory_of(like_nodes(nnodes, ncores), place=policy.place).pool
        self.free = dict.fromkeys((i, core) for i in range(nnodes) for core in range(ncores))
        self.events = [(arrival, 1, jobid) for jobid, (arrival, _, _) in enumerate(jobs)]
        heapify(self.events)
        self.jobs = [PendingJob(jobid, 0, request) for jobid, (_, request, _) in enumerate(jobs)]
        self.share = [share for _, _, share in jobs]
        self.started = {}
        self.promises = {}  # to the first job that waits, when it became that
        self.watch = 1

    def play(self):
        while self.events:
            now, comes, jobid = heappop(self.events)
            if comes:
                self.queue.add(self.jobs[jobid])
            else:
                self.end(jobid)
            if not self.events or self.events[0][0] > now:
                self.make_pass(now)
        assert not self.queue
        assert len(self.free) == NODES * CORES
        check(self.pool)
        return self.started

    def make_pass(self, now):
        for decision in self.policy.plan(self.queue, self.pool, now):
            if decision is None:
                continue
            assert not isinstance(decision, Deny)
            self.begin(decision, now)
        waiting = self.queue.head(self.watch)
        timeline = Timeline(self.pool, now)
        for job in waiting:
            for _ in timeline.reserve(job):
                pass
        for reservation in timeline.reservations:
            before = self.promises.setdefault(reservation.id, reservation.start)
            assert reservation.start <= before

    def begin(self, decision, now):
        job = decision.job
        for i, (cores, _) in decision.allocation.nodes.items():
            for core in range(CORES):
                if cores >> core & 1:
                    del self.free[i, core]  # KeyError: somebody else has it
        self.started[job.id] = now
        assert self.promises.get(job.id, now) >= now
        ends = now + job.request.duration * self.share[job.id]
        heappush(self.events, (ends, 0, job.id))

    def end(self, jobid):
        for i, (cores, _) in self.pool.release(jobid).nodes.items():
            self.free |= {(i, core): None for core in range(CORES) if cores >> core & 1}


times = st.integers(0, 20).map(float)
lengths = st.integers(1, 10).map(float)
requests = st.one_of(
    st.builds(slots, st.integers(1, NODES * CORES), lengths),
    st.builds(nodes, st.integers(1, NODES), st.integers(1, CORES), lengths),
    st.builds(whole, st.integers(1, NODES), lengths),
)
days = st.lists(st.tuples(times, requests, st.sampled_from([1.0, 0.5, 0.01])), max_size=12)
exact = st.lists(
    st.tuples(times, st.builds(slots, st.integers(1, NODES * CORES), lengths), st.just(1.0)), max_size=12
)


@settings(max_examples=60)
@given(days)
def test_easy_keeps_its_promise_to_the_first(jobs):
    """It starts when it was promised, or sooner, of whatever form jobs are and however long they run."""
    Day(policy("easy"), jobs).play()


@settings(max_examples=40)
@given(exact)
def test_conservative_keeps_all_promises(jobs):
    """When jobs take as long as they say, and any core is as good as another."""
    day = Day(policy("conservative"), jobs)
    day.watch = 30
    day.play()


@settings(max_examples=40)
@given(days, st.sampled_from(sorted(POLICIES)), st.sampled_from([1, 2, 5]))
def test_nothing_is_lost_or_given_twice(jobs, name, depth):
    given = {"reservation-depth": depth, "backfill-depth": depth - 1}
    day = Day(policy(name, **given), jobs)
    day.watch = 0
    started = day.play()
    assert len(started) == len(jobs)
    assert all(started[jobid] >= arrival for jobid, arrival in enumerate(sorted(job[0] for job in jobs)))


@given(days)
def test_fcfs_keeps_the_order(jobs):
    day = Day(policy("fcfs"), jobs)
    day.watch = 0
    started = day.play()
    assert all(started[jobid] <= started[after] for jobid, after in pairwise(range(len(jobs))))


def overtaken(policy, waiting, running=((3, 50.0),), nnodes=1, ncores=4):
    """The ids of jobs that start in one pass at 0.0, in the order in which they do."""
    queue, pool = PendingQueue(policy.order), inventory_of(like_nodes(nnodes, ncores)).pool
    for jobid, (number, until) in enumerate(running):
        assert pool.alloc(-1 - jobid, slots(number), until)
    for jobid, request in enumerate(waiting):
        queue.add(PendingJob(jobid, 0, request))
    started = [decision.job.id for decision in policy.plan(queue, pool, 0.0) if decision is not None]
    check(pool)
    return started


@pytest.mark.parametrize(
    ("name", "started"), [("fcfs", []), ("easy", [2]), ("hybrid", [3]), ("conservative", [3])]
)
def test_policies_differ(name, started):
    """A core is free until 50, then job 0 runs until 60: job 2 would delay job 1, which is second."""
    waiting = [slots(3, 10.0), slots(4, 20.0), slots(1, 65.0), slots(1, 60.0)]
    assert overtaken(policy(name), waiting) == started


def test_what_ends_in_time_may_use_what_is_promised():
    assert overtaken(policy("easy"), [slots(4, 1.0), slots(1, 51.0), slots(1, 50.0)]) == [2]


def test_what_the_first_does_not_need_is_for_anybody():
    """Also for jobs without a limit."""
    assert overtaken(policy("easy"), [slots(3, 1.0), slots(1)]) == [1]


def test_nobody_overtakes_when_the_end_of_a_job_is_unknown():
    waiting = [slots(4, 1.0), slots(1, 1.0)]
    assert overtaken(policy("easy"), waiting, running=((3, 0.0),)) == []
    assert overtaken(policy("easy"), waiting, running=((1, 0.0), (2, 5.0))) == []


def test_nodes_that_are_down_hold_nobody_up():
    easy = policy("easy")
    queue, pool = PendingQueue(easy.order), inventory_of(like_nodes(2, 2)).pool
    pool.mark_down(1)
    for jobid, request in enumerate([slots(4, 1.0), slots(3, 1.0), slots(2, 1.0), slots(1, 1.0)]):
        queue.add(PendingJob(jobid, 0, request))
    assert [decision.job.id for decision in easy.plan(queue, pool, 0.0) if decision] == [2]
    assert easy.forecast(queue.head(3), pool, 0.0) == {0: None, 1: None, 3: 1.0}


def test_jobs_that_never_fit_are_denied_or_passed_over():
    easy = policy("easy")
    queue, pool = PendingQueue(easy.order), inventory_of(like_nodes(1, 2)).pool
    assert pool.alloc(-1, slots(1), 10.0)
    broken = ResourceRequest(None, count(1), 1, constraint={"nonsense": []})
    for jobid, request in enumerate([slots(2, 1.0), slots(3, 1.0), broken, slots(1, 1.0)]):
        queue.add(PendingJob(jobid, 0, request))
    decisions = [decision for decision in easy.plan(queue, pool, 0.0) if decision]
    assert [(type(decision).__name__, decision.job.id) for decision in decisions] == [
        ("Deny", 1),
        ("Deny", 2),
        ("Start", 3),
    ]
    assert easy.forecast([PendingJob(1, 0, slots(3)), PendingJob(2, 0, slots(1))], pool, 0.0) == {
        1: None,
        2: 1.0,
    }


def test_resources_that_end_are_promised_until_then():
    easy = policy("easy")
    pool = inventory_of(like_nodes(1, 2)).pool
    pool.expiration = 30.0
    timeline = Timeline(pool, 0.0)
    assert (timeline.end(slots(1), 5.0), timeline.end(slots(1, 7.0), 5.0)) == (30.0, 12.0)
    assert easy.forecast([PendingJob(1, 0, slots(2)), PendingJob(2, 0, slots(1))], pool, 0.0) == {
        1: 0.0,
        2: None,
    }


@pytest.mark.parametrize("name", ["fcfs", "easy"])
def test_no_promise_is_made_for_when_the_resources_are_gone(name):
    policy_, pool = policy(name), inventory_of(like_nodes(1, 2)).pool
    assert pool.alloc(-1, slots(2), 30.0)
    waiting = [PendingJob(1, 0, slots(2, 9.0))]
    pool.expiration = 31.0
    assert policy_.forecast(waiting, pool, 0.0) == {1: 30.0}
    pool.expiration = 30.0
    assert policy_.forecast(waiting, pool, 0.0) == {1: None}


def test_jobs_that_overrun_are_expected_to_end_at_once():
    easy, pool = policy("easy"), inventory_of(like_nodes(1, 2)).pool
    assert pool.alloc(-1, slots(2), 10.0)
    assert easy.forecast([PendingJob(1, 0, slots(2))], pool, 15.0) == {1: 15.0}


def test_gaps_between_promises_are_found():
    """A promise is as early as no other suffers, before those that were made first."""
    pool = inventory_of(like_nodes(1, 4)).pool
    assert pool.alloc(-1, slots(2), 10.0)
    timeline = Timeline(pool, 0.0)
    for jobid, request in enumerate([slots(4, 5.0), slots(2, 10.0), slots(2, 11.0), slots(4)]):
        assert set(timeline.reserve(PendingJob(jobid, 0, request))) == {None}
    with pytest.raises(UnknownEndError):  # job 3 has none
        list(timeline.reserve(PendingJob(4, 0, slots(1, 30.0))))
    starts = {reservation.id: reservation.start for reservation in timeline.reservations}
    assert starts == {0: 10.0, 1: 0.0, 2: 15.0, 3: 26.0}


def test_the_depth_of_a_look_is_bounded():
    waiting = [slots(4, 1.0), *[slots(2, 90.0)] * 5, slots(1, 1.0)]
    assert overtaken(policy("easy"), waiting) == [6]
    assert overtaken(policy("easy", **{"backfill-depth": 6}), waiting) == [6]
    assert overtaken(policy("easy", **{"backfill-depth": 5}), waiting) == []
    assert overtaken(policy("easy", **{"backfill-depth": 0}), waiting) == [6]


def test_others_get_their_turn():
    """A plan pauses while it looks at many jobs, and on the way through many endings."""
    easy = policy("easy")
    queue, pool = PendingQueue(easy.order), inventory_of(like_nodes(1, 300)).pool
    for jobid in range(299):
        assert pool.alloc(-1 - jobid, slots(1), 50.0 + jobid)
    for jobid in range(100):
        queue.add(PendingJob(jobid, 0, slots({0: 300, 99: 1}.get(jobid, 2), 1e9)))
    assert list(easy.plan(queue, pool, 0.0)).count(None) >= 3


def test_what_was_found_holds_until_something_changes():
    """A second look is only at jobs that have come since, and finds what a look at all would find."""
    policy_ = policy("conservative")
    queue, pool = PendingQueue(policy_.order), inventory_of(like_nodes(1, 4)).pool
    assert pool.alloc(-1, slots(3), 50.0)
    started = []
    for jobid, request in enumerate(
        [slots(4, 9.0), slots(1, 60.0), slots(1, 59.0), slots(2, 5.0), slots(1, 40.0), slots(1, 45.0)]
    ):
        queue.add(PendingJob(jobid, 0, request))
        other = policy("conservative")
        expected = [step.job.id for step in other.plan(queue_of(queue), pool.copy(), float(jobid)) if step]
        found = [step.job.id for step in policy_.plan(queue, pool, float(jobid)) if step]
        assert found == expected
        started += found
    assert started == [4]
    assert policy_._look.seen == [0, 1, 2, 3]  # no core is free for the last
    pool.release(-1)
    assert [step.job.id for step in policy_.plan(queue, pool, 9.0) if step] == [3]


@pytest.mark.parametrize("name", ["easy", "conservative"])
def test_the_cost_of_a_pass_does_not_grow_with_the_queue(name):
    """Jobs are tried by what they ask for: of many that are alike, one, and nobody where nothing is free."""
    tried = []
    for number in (50, 5000):
        policy_ = policy(name, **{"backfill-depth": 0, "reservation-depth": 4})
        policy_.attempt = lambda *args, _attempt=policy_.attempt: tried[-1].append(args) or _attempt(*args)
        queue, pool = PendingQueue(policy_.order), inventory_of(like_nodes(4, 4)).pool
        assert pool.alloc(-1, slots(14), 50.0)
        queue.add(PendingJob(0, 0, whole(4, 10.0)))
        for jobid in range(1, number):
            queue.add(PendingJob(jobid, 0, slots(1 + jobid % 5, 60.0 + jobid % 3)))
        tried.append([])
        list(policy_.plan(queue, pool, 0.0))
    assert len(tried[0]) == len(tried[1]) < 20
    assert pool.alloc(-2, slots(pool.free_cores()), 50.0)
    tried.append([])
    list(policy_.plan(queue, pool, 0.0))
    assert len(tried[2]) == 1  # the first


def test_an_order_of_ones_own_with_backfill():
    class Easily(Backfill):
        def order(self, job):
            return (job.request.slots.min, job.id)

    assert overtaken(Easily(), [slots(4, 9.0), slots(2, 9.0), slots(1, 99.0), slots(3, 9.0)]) == [2]
    assert overtaken(Easily(), [slots(4, 9.0), slots(3, 9.0), slots(2, 9.0)], running=((3, 50.0),)) == []


def test_jobs_that_end_while_a_promise_is_worked_out():
    pool = inventory_of(like_nodes(1, 4)).pool
    for jobid in range(4):
        assert pool.alloc(jobid, slots(1), 10.0 * (1 + jobid))
    timeline = Timeline(pool, 0.0)
    steps = timeline.reserve(PendingJob(9, 0, slots(4, 1.0)))
    next(steps)
    for jobid in range(4):
        pool.release(jobid)
    assert list(steps) == []
    assert [promise.start for promise in timeline.reservations] == [40.0]
    assert [promise.start for promise in forecast_of(pool, slots(4, 1.0))] == [0.0]


def forecast_of(pool, request):
    timeline = Timeline(pool, 0.0)
    list(timeline.reserve(PendingJob(8, 0, request)))
    return timeline.reservations


def queue_of(jobs):
    queue = PendingQueue()
    for job in jobs:
        queue.add(job)
    return queue


def test_a_plan_goes_on_while_the_world_changes():
    """Between two steps jobs leave and resources come back: nothing is given twice."""
    hybrid = policy("hybrid", **{"reservation-depth": 3})
    queue, pool = PendingQueue(hybrid.order), inventory_of(like_nodes(4, 4)).pool
    for jobid in range(12):
        assert pool.alloc(-1 - jobid, slots(1), 50.0 + jobid)
    for jobid in range(200):
        queue.add(PendingJob(jobid, 0, slots(10 if jobid < 2 else 1 + jobid % 2, 1.0 + jobid * 3 % 200)))
    held = []
    for step, decision in enumerate(hybrid.plan(queue, pool, 0.0)):
        if decision is not None:
            held.append(decision)
        if step < 12:
            pool.release(-1 - step)
        queue.pop(3 * step)
        check(pool)
    cores = [(i, mask) for decision in held for i, (mask, _) in decision.allocation.nodes.items()]
    for i in range(4):
        masks = [mask for node, mask in cores if node == i]
        assert sum(mask.bit_count() for mask in masks) == sum(masks).bit_count()
