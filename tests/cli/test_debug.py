# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs whose tasks wait for a debugger: ``job attach --debug`` and ``--debug-emulate``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.shell.fakes import FakeHandle

from rosin.cli.job.debug import Debug
from rosin.job import proctable

TABLE = proctable.encode([(1, "b", "app", 20, 4), (0, "a", "app", 10, 3)])


def start(*, show: bool, sync: bool) -> tuple[Any, list[str]]:
    handle: Any = FakeHandle()
    said: list[str] = []
    debug = Debug(handle, 7, said.append, show=show)
    debug.shell_init("0-shell-f7", 3)
    debug.shell_start({"sync": True} if sync else {})
    return handle, said


def test_tasks_that_wait_go_on() -> None:
    handle, said = start(show=False, sync=True)
    assert handle.sent == [("job-manager.kill", {"id": 7, "signum": 18}, None)]
    handle.rpcs[0].answer(None)
    assert said == []


def test_where_they_are_is_told_before() -> None:
    handle, said = start(show=True, sync=True)
    assert handle.sent == [("0-shell-f7.proctable", None, 3)]
    handle.rpcs[0].answer(TABLE)
    assert said == ["task 0: a:10 app", "task 1: b:20 app"]
    assert handle.sent[1:] == [("job-manager.kill", {"id": 7, "signum": 18}, None)]
    handle.rpcs[1].answer(OSError(22, "the job is not running"))
    assert said[2:] == ["failed to send SIGCONT to the job: the job is not running"]


@pytest.mark.parametrize("answer", [OSError(38, "no service"), {}])
def test_tasks_go_on_whatever_is_known_of_them(answer: Any) -> None:
    handle, said = start(show=True, sync=True)
    handle.rpcs[0].answer(answer)
    assert said[0].startswith("failed to get MPIR_proctable from job shell: ")
    assert handle.sent[1][0] == "job-manager.kill"


@pytest.mark.parametrize("show", [True, False])
def test_tasks_that_do_not_wait_are_left_alone(show: bool) -> None:
    handle, _ = start(show=show, sync=False)
    for rpc in list(handle.rpcs):
        rpc.answer(TABLE)
    assert [topic for topic, _, _ in handle.sent] == ["0-shell-f7.proctable"] * show


@pytest.mark.system
@pytest.mark.parametrize(("option", "table"), [("--debug", True), ("--debug-emulate", False)])
def test_a_job_that_waits(rosin: Any, submit: Any, option: str, table: bool) -> None:
    jobid = submit("-n2", "-o", "stop-tasks-in-exec", "echo", "went on")
    code, out, err = rosin("job", "attach", option, jobid)
    assert (code, out) == (0, "went on\n" * 2)
    assert len(re.findall(r"rosin-job: task \d: \S+:\d+ echo\n", err)) == 2 * table


@pytest.mark.system
@pytest.mark.parametrize("option", ["--debug", "--debug-emulate"])
def test_a_job_that_is_over(rosin: Any, submit: Any, option: str) -> None:
    jobid = submit("echo", "over")
    assert rosin("job", "attach", jobid)[:2] == (0, "over\n")
    told = "rosin-job: cannot debug job that has finished running\n"
    assert rosin("job", "attach", option, jobid) == (1, "", told)
    code, out, err = rosin("job", "attach", option, "12345")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "12345" in err
