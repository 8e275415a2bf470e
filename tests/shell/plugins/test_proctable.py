# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process table of one shell and of several."""

import errno
import os
import signal
import socket
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.job.proctable import decode, encode


@pytest.fixture
def shell() -> FakeShell:
    """The leader of a job with two tasks on each of two nodes, dealt in turn."""
    shell = FakeShell({"taskmap": {"scheme": "cyclic"}}, ntasks=4)
    shell.load("proctable")
    shell.tasks = [FakeTask(0), FakeTask(2)]  # type: ignore[list-item]
    return shell


def ask(shell: FakeShell) -> Any:
    shell.request("proctable", None)
    return shell.h.find(f"{shell.service.name}.proctable")


def test_the_leader_asks_the_other_shells(shell: FakeShell) -> None:
    rpc = ask(shell)
    assert shell.held
    assert shell.h.sent == [(f"{shell.service.name}.proctable", {}, 7)]
    rpc.answer(encode([(1, "other", "prog", 20, 1), (3, "other", "prog", 21, 1)]))
    host = socket.gethostname()
    ((_, _, table),) = shell.h.responses
    assert decode(table) == [
        (0, host, "prog", 100, 3),
        (2, host, "prog", 102, 3),
        (1, "other", "prog", 20, 1),
        (3, "other", "prog", 21, 1),
    ]
    assert (shell.held, shell.released) == (False, 1)


@pytest.mark.parametrize("answer", [OSError(errno.ETIMEDOUT, "late"), {"ids": "x"}])
def test_a_shell_that_does_not_answer(shell: FakeShell, answer: Any) -> None:
    ask(shell).answer(answer)
    assert shell.h.responses[0][:2] == ("proctable", errno.ECANCELED)
    assert not shell.held


def test_the_shell_ends_before_the_others_answer(shell: FakeShell) -> None:
    rpc = ask(shell)
    next(iter(shell.stack)).shell_exit()
    rpc.answer(encode([]))
    assert [errnum for _, errnum, _ in shell.h.responses] == [errno.ECANCELED]


def test_tasks_that_have_not_been_started(shell: FakeShell) -> None:
    shell.tasks.pop()
    shell.request("proctable", None)
    assert shell.h.responses[0][1] == errno.EAGAIN


def test_another_shell_tells_of_its_own() -> None:
    shell = FakeShell(rank=7)
    shell.load("proctable")
    shell.tasks = [FakeTask(1)]  # type: ignore[list-item]
    shell.request("proctable", None)
    assert decode(shell.h.responses[0][2]) == [(1, socket.gethostname(), "prog", 101, 7)]


def test_the_table_of_one_shell(start, broker):
    job = start(["sh", "-c", "read x"], ntasks=2)
    broker.wait(lambda: "shell.start" in broker.names("exec.eventlog"))
    rows = decode(broker.request("proctable", None).data)
    assert [(rank, host, program, place) for rank, host, program, _, place in rows] == [
        (0, socket.gethostname(), "sh", 0),
        (1, socket.gethostname(), "sh", 0),
    ]
    for _, _, _, pid, _ in rows:
        os.kill(pid, signal.SIGKILL)
    assert job.wait() == 137
