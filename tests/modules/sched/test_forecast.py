# SPDX-License-Identifier: LGPL-3.0-or-later
"""Estimates of start times."""

from rosin.modules.sched.forecast import MAX_ENDINGS, forecast
from rosin.modules.sched.job import PendingJob
from rosin.resource.allocator.request import ResourceRequest
from rosin.rfc.count import Count

from ...resource.allocator.resources import inventory_of, like_nodes


def a_pool(nnodes=2, ncores=2):
    return inventory_of(like_nodes(nnodes, ncores)).pool


def job(jobid, slots, duration=0.0):
    return PendingJob(jobid, 16, ResourceRequest(None, Count(slots, slots), 1, duration=duration))


def run(pool, jobid, slots, until=0.0):
    assert pool.alloc(jobid, ResourceRequest(None, Count(slots, slots), 1), until)


def test_in_order_of_endings():
    pool = a_pool()
    run(pool, 1, 2, until=30.0)
    run(pool, 2, 2, until=20.0)
    jobs = [job(3, 1, 100.0), job(4, 2, 5.0), job(5, 1, 1.0)]
    assert forecast(pool, jobs, 10.0) == {3: 20.0, 4: 30.0, 5: 30.0}
    assert sorted(pool.jobs) == [1, 2]
    assert not pool.alloc(9, jobs[0].request)  # the pool itself is as it was


def test_what_cannot_be_known():
    pool = a_pool()
    run(pool, 1, 3)  # has no limit
    assert forecast(pool, [job(3, 2, 5.0)], 10.0) == {3: None}
    assert forecast(pool, [job(3, 1), job(4, 1, 5.0)], 10.0) == {3: 10.0, 4: None}


def test_infeasible_jobs_hold_nobody_up():
    pool = a_pool()
    run(pool, 1, 4, until=20.0)
    assert forecast(pool, [job(2, 5, 1.0), job(3, 4, 1.0)], 10.0) == {2: None, 3: 20.0}


def test_an_ending_in_the_past_is_now():
    pool = a_pool()
    run(pool, 1, 4, until=5.0)
    assert forecast(pool, [job(2, 1, 1.0)], 10.0) == {2: 10.0}


def test_cost_is_bounded():
    pool = a_pool(2, MAX_ENDINGS)
    for jobid in range(2 * MAX_ENDINGS):
        run(pool, jobid, 1, until=100.0 + jobid)
    assert forecast(pool, [job(-1, 2 * MAX_ENDINGS, 1.0)], 10.0) == {-1: None}
