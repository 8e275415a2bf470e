# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27: a scheduler that comes to many jobs is told of them some at a time."""

import pytest

from rosin.modules.job_manager import alloc

from .bench import Bench


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
