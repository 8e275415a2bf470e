# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals for the tasks: none is lost before the shell listens, none counts twice."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from rosin.rfc.message import Message
from rosin.shell.kills import KillEvents
from rosin.shell.log import ShellLog


class FakeHandle:
    """Keeps what is asked of it; the answer to a request is given by hand."""

    def __init__(self) -> None:
        self.order: list[Any] = []

    def on_event(self, prefix: str, callback: Any) -> None:
        self.event = callback

    def event_subscribe(self, topic: str) -> None:
        self.order.append(topic)

    def rpc(self, topic: str, payload: Any) -> FakeHandle:
        self.order.append((topic, payload))
        return self

    def then(self, callback: Any) -> None:
        self.callback = callback

    def get(self) -> Any:
        if isinstance(self.result, OSError):
            raise self.result
        return self.result

    def answer(self, result: Any) -> None:
        self.result = result
        self.callback(self)

    def kill(self, seq: int, signum: int) -> None:
        self.event(Message.event("shell-7.kill", {"signum": signum}, seq=seq))


class Fixture:
    def __init__(self) -> None:
        self.h = FakeHandle()
        self.sent: list[int] = []
        self.kills = KillEvents(self.h, 7, ShellLog(), self.sent.append)
        self.kills.subscribe()
        self.kills.catch_up(3)


@pytest.fixture
def shell() -> Fixture:
    return Fixture()


def test_it_asks_behind_its_subscription(shell: Fixture) -> None:
    assert shell.h.order == ["shell-7.", ("job-exec.shell-ready", {"id": 7, "rank": 3})]


def test_signals_before_the_subscription(shell: Fixture) -> None:
    shell.h.answer({"signals": [[4, 15], [6, 10]]})
    assert shell.sent == [15, 10]


@pytest.mark.parametrize("late", [False, True])
def test_a_signal_on_both_ways_counts_once(shell: Fixture, late: bool) -> None:
    if not late:
        shell.h.kill(6, 10)
    shell.h.answer({"signals": [[4, 15], [6, 10]]})
    shell.h.kill(6, 10)
    assert sorted(shell.sent) == [10, 15]
    shell.h.kill(7, 10)
    shell.h.kill(8, 10)
    assert sorted(shell.sent) == [10, 10, 10, 15]


@pytest.mark.parametrize("answer", [OSError(errno.ENOSYS, "Function not implemented"), None, {"signals": 1}])
def test_an_execution_service_without_the_method(shell: Fixture, answer: Any) -> None:
    shell.h.kill(6, 10)
    shell.h.answer(answer)
    shell.h.kill(7, 12)
    assert shell.sent == [10, 12]
