# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals for the tasks: none is lost before the shell listens, none counts twice."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from tests.shell.fakes import JOBID, FakeShell

from rosin.rfc.message import Message
from rosin.shell.plugins.kill import Kill

READY = "job-exec.shell-ready"


@pytest.fixture
def shell() -> FakeShell:
    shell = FakeShell()
    kill = Kill(shell)
    kill.shell_connect()
    assert shell.h.subscribed == [f"shell-{JOBID}."]
    kill.shell_begin()
    return shell


def kill(shell: FakeShell, seq: int, signum: Any) -> None:
    shell.h.event(Message.event(f"shell-{JOBID}.kill", {"signum": signum}, seq=seq))


def test_it_asks_with_the_rank_of_its_broker(shell: FakeShell) -> None:
    assert shell.h.sent == [(READY, {"id": JOBID, "rank": 3}, None)]


def test_signals_before_the_subscription(shell: FakeShell) -> None:
    shell.h.find(READY).answer({"signals": [[4, 15], [6, 10]]})
    assert shell.signals == [15, 10]


@pytest.mark.parametrize("late", [False, True])
def test_a_signal_on_both_ways_counts_once(shell: FakeShell, late: bool) -> None:
    if not late:
        kill(shell, 6, 10)
    shell.h.find(READY).answer({"signals": [[4, 15], [6, 10]]})
    kill(shell, 6, 10)
    assert sorted(shell.signals) == [10, 15]
    kill(shell, 7, 10)
    kill(shell, 8, 10)
    assert sorted(shell.signals) == [10, 10, 10, 15]


@pytest.mark.parametrize("answer", [OSError(errno.ENOSYS, "Function not implemented"), None, {"signals": 1}])
def test_an_execution_service_without_the_method(shell: FakeShell, answer: Any) -> None:
    kill(shell, 6, 10)
    shell.h.find(READY).answer(answer)
    kill(shell, 7, 12)
    assert shell.signals == [10, 12]


@pytest.mark.parametrize("signum", ["TERM", 1000, None])
def test_a_malformed_event_is_ignored(shell: FakeShell, signum: Any) -> None:
    kill(shell, 6, signum)
    assert shell.signals == []
    assert shell.logged == [(4, "kill: ignoring malformed event")]
