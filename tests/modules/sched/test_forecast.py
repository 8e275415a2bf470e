# SPDX-License-Identifier: LGPL-3.0-or-later
"""Estimates of start times."""

import pytest

from rosin.modules.sched import forecast as module
from rosin.modules.sched.forecast import MAX_ENDINGS
from rosin.modules.sched.job import PendingJob
from rosin.modules.sched.policy import Policy
from rosin.modules.sched.simple import Simple
from rosin.modules.sched.steps import finish
from rosin.resource.allocator.request import ResourceRequest
from rosin.rfc.count import Count

from ...resource.allocator.resources import inventory_of, like_nodes


def forecast(pool, jobs, now):
    return finish(module.forecast(pool, jobs, now))


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


@pytest.mark.parametrize("policy", [Policy, Simple])
def test_a_step_is_one_look_at_one_job(policy, monkeypatch):
    """However many jobs are asked about and end before, others get their turn between two looks."""
    pool = a_pool(2, 8)
    for jobid in range(16):
        run(pool, jobid, 1, until=100.0 + jobid)
    looks = []
    alloc = type(pool).alloc
    monkeypatch.setattr(type(pool), "alloc", lambda *args: looks.append(1) or alloc(*args))
    steps = policy().forecasting([job(20 + n, 16, 5.0) for n in range(3)], pool, 10.0)
    most = 0
    for _ in steps:
        most, looks[:] = max(most, len(looks)), []
    assert most == 1


def test_a_policy_with_a_forecast_of_its_own():
    class Mine(Policy):
        def forecast(self, jobs, pool, now):
            return {jobs[0].id: 7.0}

    assert finish(Mine().forecasting([job(1, 1)], a_pool(), 0.0)) == {1: 7.0}
