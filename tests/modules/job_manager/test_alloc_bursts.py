# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27: a scheduler that comes to many jobs is told of them some at a time."""

import pytest

from rosin.job.pending import by_priority
from rosin.modules.job_manager import alloc

from .bench import Bench


def flushed(bench):
    bench.manager.flush()
    return sent(bench)


def sent(bench):
    return [request["id"] for request in bench.port.take("sched.alloc")]


@pytest.mark.parametrize("count", [3, 4, 6, 7])
def test_some_at_a_time(monkeypatch, count):
    monkeypatch.setattr(alloc, "_BURST", 3)
    bench = Bench()
    for _ in range(count):
        bench.submit()
    urgent = bench.submit(urgency=20)
    bench.settle()
    bench.online()
    woken = []
    monkeypatch.setattr(bench.port, "wake", lambda: woken.append(True))
    bench.manager.flush()
    assert sent(bench) == [urgent, 1, 2]
    told = 2
    while told < count:
        woken.clear()
        bench.port.advance(0.0)
        assert woken
        bench.manager.flush()
        assert sent(bench) == list(range(told + 1, min(told + 3, count) + 1))
        told += 3
    bench.port.advance(0.0)
    bench.manager.flush()
    assert sent(bench) == []


def test_a_limit_is_kept(monkeypatch):
    monkeypatch.setattr(alloc, "_BURST", 2)
    bench = Bench()
    for _ in range(6):
        bench.submit()
    bench.settle()
    bench.online("limited", 3)
    for expected in ([1, 2], [3], []):
        bench.manager.flush()
        assert sent(bench) == expected


@pytest.mark.parametrize("urgency", [16, 17])
def test_overtaking_is_decided_once_for_all_that_has_come(bench, monkeypatch, urgency):
    bench.online("limited", 50)
    for _ in range(50):
        bench.submit()
    assert flushed(bench) == [*range(1, 51)]
    looks = []
    monkeypatch.setattr(alloc, "by_priority", lambda job: looks.append(job) or by_priority(job))
    for _ in range(50):
        bench.submit(urgency=urgency)
    bench.manager.flush()
    assert len(bench.port.take("sched.cancel")) == (0 if urgency == 16 else 50)
    assert len(looks) <= (1 if urgency == 16 else 50 * 4)
    for _ in range(9):  # those that are leaving do not count any more
        bench.manager.flush()
    assert len(looks) <= (1 if urgency == 16 else 50 * 4)


def test_one_that_has_fallen_behind_is_overtaken(bench):
    bench.online("limited", 2)
    for _ in range(3):
        bench.submit()
    assert flushed(bench) == [1, 2]
    bench.manager.post(bench.job(1), "priority", {"priority": 9})
    bench.manager.post(bench.job(3), "priority", {"priority": 10})
    bench.manager.flush()
    assert bench.port.take("sched.cancel") == [{"id": 1}]
