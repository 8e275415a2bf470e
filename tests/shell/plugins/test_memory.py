# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the kernel counts of a job: the options oom and sysmon."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.process import cgroup
from rosin.rfc.message import Message
from rosin.shell.errors import ShellError
from rosin.shell.plugins import oom


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroup, "own", lambda: cgroup.Cgroup(str(tmp_path)))
    (tmp_path / "memory.events").write_text("oom_kill 2\n")
    (tmp_path / "memory.peak").write_text(f"{3 << 20}\n")
    (tmp_path / "memory.current").write_text("2048\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\n")
    return tmp_path


def notice(shell: FakeShell) -> None:
    """What the kernel does when the file changes."""
    ((_, callback),) = shell.h.watched.items()
    callback(select.POLLPRI)


def test_tasks_that_the_kernel_kills_are_told(group: Path) -> None:
    shell = FakeShell()
    plugin = shell.load("oom")
    plugin.shell_init()
    notice(shell)  # those before are not this job's
    assert shell.logged == []
    for count in (3, 5):
        (group / "memory.events").write_text(f"oom 9\noom_kill {count}\n")
        notice(shell)
    host = os.uname().nodename
    assert shell.logged == [
        (3, f"Memory cgroup out of memory: killed 1 task on {host}."),
        (3, "memory.peak = 3M"),
        (3, f"Memory cgroup out of memory: killed 2 tasks on {host}."),
        (3, "memory.peak = 3M"),
    ]
    (group / "memory.peak").unlink()
    (group / "memory.events").write_text("oom_kill 6\n")
    plugin.shell_exit()  # the last one may come with the end of the job
    plugin.shell_exit()
    assert shell.logged[4:] == [(3, f"Memory cgroup out of memory: killed 1 task on {host}.")]
    assert shell.h.watched == {}


def test_a_group_that_goes(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = FakeShell()
    plugin = shell.load("oom")
    plugin.shell_init()

    def gone(*_: Any) -> bytes:
        raise OSError(19, "No such device")

    monkeypatch.setattr(os, "pread", gone)
    notice(shell)
    plugin.shell_exit()
    assert shell.logged == [(3, "error reading memory.events: No such device")]
    assert shell.h.watched == {}


def test_no_group_that_counts_memory(group: Path) -> None:
    (group / "memory.events").unlink()
    shell = FakeShell()
    shell.log.verbose = 1
    plugin = shell.load("oom")
    plugin.shell_init()
    plugin.shell_exit()
    text = f"disabling oom detection: {group}/memory.events No such file or directory"
    assert shell.logged == [(6, text)]


@pytest.mark.parametrize("value", ["5", 1001, -1001, True, 1.5])
def test_a_score_that_means_nothing(value: Any) -> None:
    with pytest.raises(ShellError, match=f"oom.adjust={value}: expected a number from -1000 to 1000, as in"):
        FakeShell({"oom": {"adjust": value}}).load("oom")


def test_tasks_are_adjusted(run: Any, broker: Any) -> None:
    options = {"oom": {"adjust": 321}, "verbose": 1}
    assert run(["cat", "/proc/self/oom_score_adj"], ntasks=2, options=options) == 0
    assert broker.output() == b"321\n" * 2
    assert sum(text.endswith("->321") for text in broker.messages()) == 2


def test_what_cannot_be_adjusted_does_not_end_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oom, "_SCORE", str(tmp_path / "no" / "file"))
    shell = FakeShell({"oom": {"adjust": 1}})
    shell.log.verbose = 1
    task: Any = FakeTask()
    plugin = shell.load("oom")
    plugin.task_exec(task)
    plugin.task_fork(task)
    assert shell.logged == [(6, "pid 100 score_adj None->1: No such file or directory")]


def test_the_shell_itself_is_adjusted_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = tmp_path / "score"
    score.write_text("7\n")
    monkeypatch.setattr(oom, "_SCORE", str(score))
    plugin, task = FakeShell({"oom": {"adjust": 321}}).load("oom"), FakeTask()
    for _ in range(2):
        plugin.task_exec(task)
        assert score.read_text() == "321"
        plugin.task_fork(task)
        assert score.read_text() == "7"
    tried: list[int] = []
    monkeypatch.setattr(oom, "_adjust", lambda number: tried.append(number) or "no")
    plugin.task_exec(task)
    plugin.task_fork(task)
    assert tried == [321]  # what was not changed is not changed back


# --- sysmon


def test_use_is_told_at_the_end(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = FakeShell({"sysmon": 1})
    plugin = shell.load("sysmon")
    clock = iter((100.0, 100.0, 104.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    plugin.shell_init()
    plugin.shell_start()
    (group / "cpu.stat").write_text("usage_usec 7000000\n")
    plugin.shell_exit()
    assert shell.logged == [(5, "memory.peak=3M"), (5, "loadavg-overall=1.50")]
    assert shell.h.timers == []
    assert shell.h.subscribed == []


def test_use_that_nobody_asks_for(group: Path) -> None:
    shell = FakeShell({"sysmon": 0})
    plugin = shell.load("sysmon")
    plugin.shell_init()
    plugin.shell_start()
    plugin.shell_exit()
    assert shell.logged == []


@pytest.mark.parametrize("period", [None, "5s", 5])
def test_use_is_told_as_the_job_runs(group: Path, monkeypatch: pytest.MonkeyPatch, period: Any) -> None:
    shell = FakeShell({"sysmon": 1 if period is None else {"period": period}})
    shell.log.verbose = 2
    plugin = shell.load("sysmon")
    clock = iter((0.0, 0.0, 2.0, 3.0, 4.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    plugin.shell_init()
    plugin.shell_start()
    for usage in (2000000, 2500000):
        (group / "cpu.stat").write_text(f"usage_usec {usage}\n")
        if period is None:
            assert shell.h.subscribed == ["heartbeat.pulse"]
            shell.h.event(Message.event("heartbeat.pulse", {}))
        else:
            assert shell.h.timers[0].after == 5
            shell.h.timers[0].callback()
    assert shell.logged == [
        (7, "memory.current=2k"),
        (7, "loadavg=0.50"),
        (7, "memory.current=2k"),
        (7, "loadavg=0.50"),
    ]
    plugin.shell_exit()
    assert all(timer.cancelled for timer in shell.h.timers)


def test_what_is_not_counted_is_said_once(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("memory.peak", "cpu.stat"):
        (group / name).unlink()
    shell = FakeShell({"sysmon": 1})
    plugin = shell.load("sysmon")
    plugin.shell_init()
    plugin.shell_start()
    plugin.shell_exit()
    assert shell.logged == [
        (4, "no memory.peak/memory.current (disabled)"),
        (4, "no cpu.stat (disabled)"),
    ]

    def none() -> cgroup.Cgroup:
        raise OSError(2, "none")

    monkeypatch.setattr(cgroup, "own", none)
    shell = FakeShell({"sysmon": 1})
    plugin = shell.load("sysmon")
    plugin.shell_init()
    plugin.shell_start()
    plugin.shell_exit()
    assert shell.logged == [(4, "incompatible cgroup configuration (disabled)")]


@pytest.mark.parametrize("value", ["x", 0, -1, ["5s"], True])
def test_a_period_that_means_nothing(value: Any) -> None:
    with pytest.raises(ShellError, match="is not a valid FSD: expected a duration, as in 5s"):
        FakeShell({"sysmon": {"period": value}}).load("sysmon")
