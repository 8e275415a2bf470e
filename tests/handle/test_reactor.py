# SPDX-License-Identifier: LGPL-3.0-or-later
"""The small event loop: order, timers, descriptors, signals, phases, and when it ends."""

import os
import select
import signal

import pytest

from rosin.handle import reactor as module
from rosin.handle.reactor import Reactor


class Clock:
    """Time that passes while the reactor waits and at no other moment."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def loop(clock, monkeypatch):
    loop = Reactor()
    real = loop._poll

    class Poll:
        register, unregister = real.register, real.unregister

        @staticmethod
        def poll(timeout):
            ready = real.poll(0)
            if not ready and timeout:
                clock.now += timeout / 1000
            return ready

    monkeypatch.setattr(loop, "_poll", Poll)
    yield loop
    loop.close()


def test_it_ends_when_nothing_is_left(loop):
    assert loop.run() == 0
    got = []
    loop.defer(lambda: got.append(1))
    assert loop.run() == 0
    assert got == [1]


def test_timers_in_their_order(loop, clock):
    got = []
    for after in (0.3, 0.1, 0.2):
        loop.timer(after, lambda after=after: got.append((after, round(clock.now - 100, 3))))
    loop.timer(0.15, lambda: got.append("never")).cancel()
    assert loop.run() == 0
    assert got == [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)]


def test_a_repeating_timer_repeats_until_it_is_cancelled(loop, clock):
    got = []

    def fire() -> None:
        got.append(round(clock.now - 100, 3))
        if len(got) == 4:
            timer.cancel()

    timer = loop.timer(0.5, fire, repeat=0.25)
    assert loop.run() == 0
    assert got == [0.5, 0.75, 1.0, 1.25]


def test_a_passive_timer_keeps_nothing_running(loop):
    got = []
    loop.timer(1.0, lambda: got.append("passive"), passive=True)
    assert loop.run() == 0
    assert got == []
    loop.timer(2.0, lambda: got.append("active"))
    assert loop.run() == 0
    assert got == ["passive", "active"]


def test_stop_and_its_result(loop):
    got = []
    loop.defer(lambda: loop.stop(-1))
    loop.defer(lambda: got.append("later"))
    assert loop.run() == -1
    assert got == []
    assert loop.run() == 0
    assert got == ["later"]
    for stop in (
        lambda: loop.timer(0.1, lambda: loop.stop(7)),
        lambda: loop.add_phase("check", lambda: loop.stop(7)),
    ):
        stop()
        assert loop.run() == 7
        loop._phases.clear()
        loop.timer(3600, lambda: None)


def test_one_turn(loop):
    got = []
    loop.timer(5.0, lambda: got.append("timer"))
    assert loop.run_once(0.0) is None
    assert got == []
    loop.defer(lambda: loop.stop(3))
    assert loop.run_once(0.0) == 3


def test_descriptors(loop):
    got: list[object] = []
    read, write = os.pipe()

    def readable(revents: int) -> None:
        got.append((revents, os.read(read, 10)))
        loop.remove_fd(read)
        loop.remove_fd(read)

    loop.add_fd(read, readable)
    os.write(write, b"x")
    assert loop.run() == 0
    assert got == [(select.POLLIN, b"x")]
    loop.add_fd(write, lambda revents: (got.append(revents), loop.remove_fd(write)), select.POLLOUT)
    assert loop.run() == 0
    assert got[1:] == [select.POLLOUT]
    loop.add_fd(read, got.append, passive=True)
    assert loop.run() == 0  # nothing to wait for
    os.close(read)
    os.close(write)


def test_signals(loop):
    got = []

    def arrived(signum: int) -> None:
        got.append(signum)
        loop.remove_signal(signum)

    before = signal.getsignal(signal.SIGUSR1)
    loop.add_signal(signal.SIGUSR1, arrived)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert loop.run() == 0
    assert got == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before
    loop.add_signal(signal.SIGUSR1, arrived, passive=True)
    assert loop.run() == 0
    loop.add_signal(signal.SIGUSR1, arrived)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_reactors_share_the_wakeup_descriptor():
    before = signal.set_wakeup_fd(-1)
    try:
        first, second = Reactor(), Reactor()
        first.add_signal(signal.SIGUSR1, lambda _num: None)
        of_first = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(of_first)
        second.add_signal(signal.SIGUSR2, lambda _num: None)
        second.close()
        assert signal.set_wakeup_fd(of_first) == of_first
        first.close()
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.set_wakeup_fd(before)


def test_phases(loop):
    got = []

    def check() -> None:
        got.append("check")
        if len(got) > 5:
            for phase, callback in (("prepare", prepare), ("check", check), ("idle", idle), ("idle", idle)):
                loop.remove_phase(phase, callback)

    def prepare() -> None:
        got.append("prepare")

    def idle() -> None:
        got.append("idle")

    for phase, callback in (("prepare", prepare), ("check", check), ("idle", idle)):
        loop.add_phase(phase, callback)
    assert loop.run() == 0
    assert got == ["prepare", "idle", "check"] * 2
    loop.add_phase("prepare", prepare, passive=True)
    assert loop.run() == 0


def test_somebody_else_may_need_it(loop):
    turns = []
    loop.busy = lambda: len(turns) < 3
    loop.add_phase("idle", lambda: turns.append(1), passive=True)
    assert loop.run() == 0
    assert len(turns) == 3


@pytest.mark.parametrize("after", [float("inf"), 1e9])
def test_a_timer_may_be_further_away_than_poll_can_wait(after):
    reactor = Reactor()
    reader, writer = os.pipe()
    timer = reactor.timer(after, lambda: pytest.fail("it is not due"))
    reactor.add_fd(reader, lambda _revents: reactor.stop(7))
    os.write(writer, b"x")
    assert reactor.run() == 7
    timer.cancel()
    os.close(reader)
    os.close(writer)
