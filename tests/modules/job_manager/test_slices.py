# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that concern very many jobs leave the broker time for others."""

import pytest

from rosin.modules.job_manager import control, slices

EVERYBODY = 0xFFFFFFFF
PENDING = 14


@pytest.fixture(autouse=True)
def three(monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 3)


def raise_all(bench, **more):
    args = {"dry_run": False, "userid": EVERYBODY, "states": PENDING, "severity": 0, "type": "cancel", **more}
    msg = bench.request(payload=args)
    control.raiseall(bench.manager, msg)
    return msg


def excepted(bench):
    return [event["id"] for topic, event, *_ in bench.port.published if topic == "job-exception"]


def test_exceptions_are_raised_on_some_at_a_time(bench):
    ids = [bench.submit() for _ in range(8)]
    bench.settle()
    msg = raise_all(bench)
    for count in (3, 6, 8):
        assert excepted(bench) == ids[:count]
        bench.settle()
        assert (msg in [request for request, *_ in bench.port.replies]) == (count == 8)
        bench.port.advance(0.0)
    assert not bench.manager.active


def test_jobs_that_wait_are_not_given_what_others_leave(bench):
    ids = [bench.submit() for _ in range(5)]
    bench.online()
    bench.settle()
    bench.alloc(ids[0])
    bench.settle()
    raise_all(bench, states=PENDING | 48)
    bench.settle()
    assert excepted(bench) == ids[1:4]
    bench.port.advance(0.0)
    assert excepted(bench) == [*ids[1:], ids[0]]


def test_jobs_that_are_over_meanwhile_are_left_alone(bench):
    ids = [bench.submit() for _ in range(5)]
    bench.settle()
    raise_all(bench)
    bench.manager.except_(bench.job(ids[4]), "cancel", 0)
    bench.settle()
    bench.port.advance(0.0)
    assert excepted(bench) == [*ids[:3], ids[4], ids[3]]


def test_none_are_concerned_by_a_question(bench):
    bench.submit()
    bench.settle()
    raise_all(bench, dry_run=True)
    bench.settle()
    assert excepted(bench) == []


def test_priorities_are_asked_for_some_at_a_time_and_all_anew(bench, monkeypatch):
    ids = [bench.submit() for _ in range(5)]
    bench.settle()
    asked = []
    monkeypatch.setattr(bench.manager.jobtap, "priority", lambda job, topic: asked.append(job.id))
    bench.manager.reprioritize_all()
    assert asked == ids[:3]
    bench.manager.reprioritize_all()  # something has changed again: those that were asked are asked again
    bench.port.advance(0.0)
    assert asked == [*ids[:3], *ids]
    bench.port.advance(0.0)
    assert len(asked) == 8


def test_a_queue_is_stopped_when_all_its_jobs_are_out_of_it(bench):
    for _ in range(5):
        bench.submit()
    bench.online()
    bench.settle()
    stopped = []
    bench.manager.queues.request_start({"start": False, "all": True, "reason": "r"})
    bench.manager.requeue_all(lambda: stopped.append(True))
    assert not stopped
    bench.port.advance(0.0)
    assert stopped
    assert len(bench.port.take("sched.cancel")) == 5
