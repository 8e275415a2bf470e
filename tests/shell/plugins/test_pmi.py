# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13 in a shell: channels of tasks, keys of the job, and the exchange between shells."""

from __future__ import annotations

from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.shell.errors import ShellError
from rosin.shell.plugins.pmi import enabled

INIT = "cmd=init pmi_version=1 pmi_subversion=1"


def made(options: dict[str, Any] | None = None, **kwargs: Any) -> tuple[FakeShell, FakeTask]:
    """A shell and its first task, which has spoken its first line."""
    shell = FakeShell(options, **kwargs)
    task = FakeTask(shell.info.local_tasks[0])
    shell.tasks = [task]  # type: ignore[list-item]
    shell.load("pmi").task_init(task)
    if task.on_pmi is not None:
        say(task, INIT)
    return shell, task


def say(task: FakeTask, line: str) -> str:
    """Say a line; returns the answer, if one has come."""
    before = len(task.said)
    task.on_pmi(task, line)
    return "".join(task.said[before:]).strip()


def get(task: FakeTask, key: str) -> str:
    return say(task, f"cmd=get kvsname=x key={key}")


def test_a_task_has_a_channel() -> None:
    _, task = made(size=1)
    assert task.env == {"PMI_RANK": "0", "PMI_SIZE": "1"}
    assert task.pmi
    assert task.said == ["cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n"]


@pytest.mark.parametrize(
    ("option", "wanted"), [(None, True), ("off", False), ("pmix,simple", True), ("none", False)]
)
def test_who_wants_one(option: str | None, wanted: bool) -> None:
    assert enabled(option) == wanted


def test_a_server_that_nobody_knows() -> None:
    with pytest.raises(ShellError, match="pmi=simple,pmi3: unknown server 'pmi3': expected simple or off"):
        enabled("simple,pmi3")


@pytest.mark.parametrize(
    ("option", "who"), [("pmix", "PMIx server, which Open MPI needs"), ("cray-pals,off", "PALS server")]
)
def test_a_server_that_is_not_here_is_one_line(option: str, who: str) -> None:
    with pytest.raises(
        ShellError, match=f"pmi={option}: this job shell has no {who}.*: expected simple or off"
    ):
        enabled(option)


def test_without_a_server_there_is_no_channel() -> None:
    _, task = made({"pmi": "off"}, size=1)
    assert (task.env, task.pmi) == ({}, False)


def test_what_programs_look_for() -> None:
    shell = FakeShell(size=1)
    shell.startup._known |= {"instance-level": "2", "tbon.interface-hint": "eth0"}
    task = FakeTask()
    shell.tasks = [task]  # type: ignore[list-item]
    shell.load("pmi").task_init(task)
    say(task, INIT)
    assert get(task, "PMI_process_mapping").endswith("value=(vector,(0,1,1))")
    assert get(task, "flux.taskmap").endswith('value={"version":1,"map":[[0,1,1,1]]}')
    assert get(task, "flux.instance-level").endswith("value=3")
    assert get(task, "flux.tbon-interface-hint").endswith("value=eth0")


def test_a_map_that_is_not_told() -> None:
    _, task = made({"pmi-simple": {"nomap": 1}}, size=1)
    assert get(task, "PMI_process_mapping") == "cmd=get_result rc=4"


def test_an_abort_ends_the_job() -> None:
    _, task = made(size=1)
    with pytest.raises(ShellError, match="PMI_Abort: ") as raised:
        say(task, "cmd=abort exitcode=7")
    assert raised.value.code == 7


def test_a_line_that_is_none() -> None:
    _, task = made(size=1)
    with pytest.raises(ShellError, match="PMI-1 wire protocol error: "):
        say(task, "nonsense")


def test_what_is_said_is_traced() -> None:
    shell, _ = made({"verbose": 2}, size=1)
    shell.log.verbose = 2
    task: Any = shell.tasks[0]
    say(task, "cmd=get_appnum")
    assert shell.logged[-2:] == [(7, "0: C: cmd=get_appnum"), (7, "0: S: cmd=appnum rc=0 appnum=0")]


def test_a_program_of_version_2() -> None:
    shell = made({"verbose": 2}, size=1)[0]
    second: Any = FakeTask(1)
    shell.tasks.append(second)
    frames: list[Any] = []
    second.pmi_frames = frames.append
    shell.load("pmi").task_init(second)
    assert say(second, "cmd=init pmi_version=2 pmi_subversion=0").endswith("pmi_version=2 pmi_subversion=0")
    (cutter,) = frames
    (message,) = cutter.feed(b"    14cmd=job-getid;")
    assert say(second, message).endswith(f"cmd=job-getid-response;jobid={shell.info.f58};rc=0;")
