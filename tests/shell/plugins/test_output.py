# SPDX-License-Identifier: LGPL-3.0-or-later
"""Output on its way into the job's log, and flow control."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.errors import FormatError
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin

DATA = {"stream": "stdout", "rank": "1", "data": "x\n"}


def write(shell: FakeShell, context: Any, name: str = "data") -> None:
    shell.request("write", {"name": name, "shell_rank": 1, "context": context})


def test_the_log_begins_with_its_header() -> None:
    shell = FakeShell()
    shell.load("output").shell_begin()
    ((key, name, context),) = shell.guest.entries
    assert (key, name, context["count"]) == ("output", "header", {"stdout": 2, "stderr": 2})


def test_output_of_a_task() -> None:
    shell = FakeShell()
    plugin, task = shell.load("output"), FakeTask()
    plugin.task_init(task)
    assert task.line == {"stdout": True, "stderr": False}
    task.on_output(task, "stdout", b"a\nb\n", False)
    task.on_output(task, "stdout", b"", True)
    assert [context for _, _, context in shell.guest.entries] == [
        {"stream": "stdout", "rank": "0", "data": "a\n"},
        {"stream": "stdout", "rank": "0", "data": "b\n"},
        {"stream": "stdout", "rank": "0", "eof": True},
    ]


def test_output_of_another_shell_is_recorded() -> None:
    shell = FakeShell()
    shell.load("output")
    write(shell, DATA)
    assert shell.guest.entries == [("output", "data", DATA)]
    assert shell.h.responses == []


def test_credit_waits_for_the_log() -> None:
    shell = FakeShell()
    shell.load("output")
    shell.request("write-getcredit", {"credits": 5})
    assert shell.h.responses == [("write-getcredit", 0, {"credits": 5})]
    shell.guest.backlog = 1 << 30
    shell.request("write-getcredit", {"credits": 6})
    assert len(shell.h.responses) == 1
    shell.guest.backlog = 0
    shell.guest.on_progress()
    assert shell.h.responses[1] == ("write-getcredit", 0, {"credits": 6})


@pytest.mark.parametrize("other", [False, True])
def test_tasks_wait_for_the_log(other: bool) -> None:
    shell = FakeShell()
    plugin, task = shell.load("output"), FakeTask()
    plugin.task_init(task)
    shell.tasks = [task]  # type: ignore[list-item]
    shell.guest.backlog = 1 << 30
    if other:
        write(shell, DATA)
    else:
        task.on_output(task, "stdout", b"x\n", False)
    assert task.paused == [True]
    shell.guest.on_progress()
    assert task.paused == [True]
    shell.guest.backlog = 0
    shell.guest.on_progress()
    assert task.paused == [True, False]


def test_limits_hold_for_all_shells() -> None:
    shell = FakeShell({"output": {"limit": 3}})
    plugin = shell.load("output")
    for data in ("ab", "cd"):
        write(shell, {"stream": "stdout", "rank": "1", "data": data})
    assert [context["data"] for _, _, context in shell.guest.entries] == ["ab"]
    with pytest.raises(FormatError):
        plugin.output.remote("data", {"stream": "stdout"})
    plugin.shell_exit()
    assert shell.logged == [
        (4, "stdout will be truncated, 3 limit exceeded"),
        (4, "stdout: 1 of 4 bytes truncated"),
    ]


def test_credits_stop_and_restart_another_shell() -> None:
    shell = FakeShell(rank=7)
    plugin, task = shell.load("output"), FakeTask(1)
    plugin.task_init(task)
    shell.tasks = [task]  # type: ignore[list-item]
    plugin.shell_begin()
    for _ in range(1000):
        task.on_output(task, "stdout", b"x\n", False)
    assert shell.h.sent[0] == (
        f"{shell.service.name}.write",
        {"name": "data", "shell_rank": 1, "context": DATA},
        3,
    )
    asked = [rpc for rpc in shell.h.rpcs if rpc.topic.endswith(".write-getcredit")]
    assert len(asked) == 1
    assert task.paused == [True]
    asked[0].answer({"credits": 1000})
    assert task.paused == [True, False]
    for _ in range(1000):
        task.on_output(task, "stdout", b"x\n", False)
    assert len([rpc for rpc in shell.h.rpcs if rpc.topic.endswith(".write-getcredit")]) == 2
    assert task.paused == [True, False, True]
    assert shell.guest.entries == []


def flood(shell: FakeShell, count: int) -> FakeTask:
    """A task that has written so many lines."""
    plugin, task = shell.load("output"), FakeTask(1)
    plugin.task_init(task)
    shell.tasks = [task]  # type: ignore[list-item]
    for _ in range(count):
        task.on_output(task, "stdout", b"x\n", False)
    return task


@pytest.mark.parametrize("rank", [3, 7])
@pytest.mark.parametrize("client", [{"hwm": 5, "lwm": 5}, {"lwm": 1000}, {"lwm": -1}, {"hwm": 100}])
def test_marks_that_do_not_fit(rank: int, client: dict[str, int]) -> None:
    with pytest.raises(ShellError, match=r"invalid client\.lwm and/or client\.hwm specified: output\.cl"):
        FakeShell({"output": {"client": client}}, rank=rank).load("output")


def test_credits_by_option() -> None:
    shell = FakeShell({"output": {"client": {"hwm": 3, "lwm": 1}}}, rank=7)
    task = flood(shell, 2)
    asked = [payload for topic, payload, _ in shell.h.sent if topic.endswith(".write-getcredit")]
    assert asked == [{"credits": 3}]
    assert task.paused == []


def test_credit_that_is_refused() -> None:
    """The leader is gone: what the tasks go on writing is read, as they must end, and dropped."""
    shell = FakeShell(rank=7)
    task = flood(shell, 1000)
    assert task.paused == [True]
    shell.h.find(f"{shell.service.name}.write-getcredit").answer(OSError(errno.ENOSYS, "gone"))
    assert shell.logged == [(3, f"output is lost from here on: [Errno {errno.ENOSYS}] gone")]
    assert task.paused == [True, False]
    sent = len(shell.h.sent)
    task.on_output(task, "stdout", b"x\n", False)
    assert len(shell.h.sent) == sent
    assert task.paused == [True, False]


@pytest.mark.parametrize("count", [1, 899])
def test_the_end_of_a_task_whose_broker_is_lost(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Nobody can be told of it, and nothing may keep the task from being over."""
    shell = FakeShell(rank=7)
    task = flood(shell, count)

    def lost(*_args: Any) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Lost connection to Flux")

    monkeypatch.setattr(shell.h, "rpc", lost)
    task.on_output(task, "stdout", b"x\n", True)


def test_tasks_that_are_killed_wait_for_no_credit() -> None:
    shell = FakeShell(rank=7)
    task = flood(shell, 1000)
    shell.stack.call(ShellPlugin.shell_kill, signal.SIGTERM)
    assert task.paused == [True]
    shell.stack.call(ShellPlugin.shell_kill, signal.SIGKILL)
    task.on_output(task, "stdout", b"x\n", False)
    assert task.paused == [True, False]


def test_a_file_is_opened_before_clients_hear_of_the_job(tmp_path: Path) -> None:
    path = tmp_path / "out-{{id}}"
    shell = FakeShell({"output": {"stderr": {"path": str(path)}}}, size=1)
    plugin, task = shell.load("output"), FakeTask()
    assert plugin.prepares
    plugin.shell_begin()
    assert [name for _, name, _ in shell.guest.entries] == ["header", "redirect"]
    plugin.task_init(task)
    task.on_output(task, "stderr", b"oops\n", True)
    shell.log.warn("from the shell")
    plugin.shell_exit()
    assert (tmp_path / f"out-{shell.info.f58}").read_text() == "oops\nflux-shell:  WARN: from the shell\n"
    assert shell.exit_code == 0


def test_lost_output_is_a_failure() -> None:
    shell = FakeShell({"output": {"stdout": {"path": "/dev/full"}}}, size=1)
    plugin = shell.load("output")
    plugin.shell_begin()
    plugin.output.write("stdout", "0", b"x\n")
    plugin.shell_exit()
    assert shell.exit_code == 1
    (text,) = (context["message"] for _, name, context in shell.guest.entries if name == "log")
    assert text == "write stdout task 0 to /dev/full: No space left on device"


def test_a_log_needs_no_preparation() -> None:
    assert not FakeShell().load("output").prepares


@pytest.mark.parametrize(
    ("method", "payload"), [("write", {"name": 1}), ("write-getcredit", {"credits": "x"})]
)
def test_requests_of_a_wrong_form(method: str, payload: Any) -> None:
    shell = FakeShell()
    shell.load("output")
    shell.request(method, payload)
    assert shell.h.responses[0][:2] == (method, errno.EPROTO)
