# SPDX-License-Identifier: LGPL-3.0-or-later
"""The first task to end, and what it means for the others."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.shell.errors import ShellError
from rosin.shell.plugins.doom import parse_timeout


def end(rank: int, status: int) -> dict[str, Any]:
    return {"localid": 0, "rank": rank, "state": "Exited", "pid": 1, "wait_status": status}


def own_end(shell: FakeShell, status: int) -> None:
    task: Any = FakeTask()
    task.status = status
    shell.load("doom").task_exit(task)


def test_the_context_of_the_event() -> None:
    shell = FakeShell(size=1)
    own_end(shell, 11 | 0x80)
    ((key, name, context),) = shell.guest.entries
    assert (key, name) == ("exec.eventlog", "shell.task-exit")
    assert context == {
        "localid": 0,
        "rank": 0,
        "state": "Exited",
        "pid": 100,
        "wait_status": 139,
        "signaled": 11,
        "exitcode": 139,
    }


def test_only_the_first_end_is_recorded() -> None:
    shell = FakeShell()
    plugin = shell.load("doom")
    shell.request("doom", end(1, 256))
    plugin.task_exit(FakeTask())
    assert shell.guest.entries == [("exec.eventlog", "shell.task-exit", end(1, 256))]
    assert shell.h.responses == []
    (timer,) = shell.h.timers
    assert timer.after == 30.0
    text = r"prog: task rank 1 on host n7 exited \(Exit 1\) and exit-timeout=30s"
    with pytest.raises(ShellError, match=text) as caught:
        timer.callback()
    assert (caught.value.code, caught.value.wait_status) == (1, 256)
    plugin.shell_tasks_complete()
    assert timer.cancelled


@pytest.mark.parametrize(("value", "timers"), [("none", []), ("0.5s", [0.5]), (3, [3.0])])
def test_how_long_the_others_have(value: Any, timers: list[float]) -> None:
    shell = FakeShell({"exit-timeout": value}, size=1)
    plugin = shell.load("doom")
    plugin.task_exit(FakeTask())
    plugin.shell_tasks_complete()
    assert [timer.after for timer in shell.h.timers] == timers


@pytest.mark.parametrize("value", ["soon", -1, True, "-3s", {}])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ShellError, match="exit-timeout is not a valid Flux Standard Duration: "):
        parse_timeout(value)


def test_exit_on_error() -> None:
    shell = FakeShell({"exit-on-error": 1})
    shell.load("doom")
    with pytest.raises(ShellError, match=r"failed \(Segmentation fault\) and exit-on-error is set") as caught:
        shell.request("doom", end(1, 11))
    assert (caught.value.code, caught.value.wait_status) == (139, 11)


def test_a_success_is_no_error() -> None:
    shell = FakeShell({"exit-on-error": 1})
    own_end(shell, 0)
    assert len(shell.guest.entries) == 1


def test_another_shell_tells_the_leader_once() -> None:
    shell = FakeShell(rank=7)
    plugin = shell.load("doom")
    plugin.task_exit(FakeTask(1))
    plugin.task_exit(FakeTask(2))
    plugin.shell_tasks_complete()
    ((topic, payload, rank),) = shell.h.sent
    assert (topic, payload["rank"], rank) == (f"{shell.service.name}.doom", 1, 3)
    assert shell.guest.entries == []


def test_a_request_of_a_wrong_form() -> None:
    shell = FakeShell()
    shell.load("doom")
    shell.request("doom", {"rank": 1})
    assert shell.h.responses[0][:2] == ("doom", errno.EPROTO)


def test_a_lost_shell_dooms_the_others_after_a_while() -> None:
    shell = FakeShell()
    plugin = shell.load("doom")
    plugin.shell_lost(1)
    plugin.shell_lost(1)
    (timer,) = shell.h.timers
    assert timer.after == 30.0
    with pytest.raises(ShellError) as caught:
        timer.callback()
    assert str(caught.value) == "prog: shell rank 1 on host n7 exited and exit-timeout=30s has expired"
    assert (caught.value.code, caught.value.wait_status) == (1, None)
    assert shell.guest.entries == []


def test_a_lost_shell_after_a_task_has_ended() -> None:
    shell = FakeShell()
    plugin = shell.load("doom")
    shell.request("doom", end(0, 0))
    plugin.shell_lost(1)
    (timer,) = shell.h.timers
    with pytest.raises(ShellError, match=r"prog: shell rank 1 on host n7 exited \(Exit 0\) and exit-timeout"):
        timer.callback()


def test_a_lost_shell_and_exit_on_error() -> None:
    shell = FakeShell({"exit-on-error": 1})
    text = "^prog: shell rank 1 on host n7 failed and exit-on-error is set$"
    with pytest.raises(ShellError, match=text) as caught:
        shell.load("doom").shell_lost(1)
    assert caught.value.code == 1


def test_a_shell_that_the_job_does_not_have_is_not_lost() -> None:
    shell = FakeShell()
    shell.load("doom").shell_lost(2)
    assert shell.h.timers == []


def test_nobody_waits_for_ever_for_a_lost_shell_unless_told() -> None:
    shell = FakeShell({"exit-timeout": "none"})
    shell.load("doom").shell_lost(1)
    assert shell.h.timers == []
