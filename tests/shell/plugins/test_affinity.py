# SPDX-License-Identifier: LGPL-3.0-or-later
"""Binding of a shell and its tasks."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.shell import affinity
from rosin.shell.errors import ShellError


class Cpus:
    """A node of two cores with two processors each; what this process is bound to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bound = [{0, 1, 2, 3}]
        self.refused: type[Exception] | None = None
        monkeypatch.setattr(affinity, "topology", lambda: [frozenset({0, 2}), frozenset({1, 3})])
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: self.bound[-1])
        monkeypatch.setattr(os, "sched_setaffinity", self._set)

    def _set(self, pid: int, cpus: set[int]) -> None:
        if self.refused is not None:
            raise self.refused(22, "Invalid argument")
        self.bound.append(set(cpus))


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> Cpus:
    return Cpus(monkeypatch)


def bind(mode: str | None, ntasks: int = 2) -> tuple[FakeShell, Any]:
    shell = FakeShell({} if mode is None else {"cpu-affinity": mode}, size=1, ntasks=ntasks)
    plugin = shell.load("cpu-affinity")
    plugin.shell_post_init()
    return shell, plugin


def start(plugin: Any, localid: int) -> None:
    task = FakeTask(localid, localid)
    plugin.task_exec(task)
    plugin.task_fork(task)


def test_a_shell_is_bound_to_the_cores_of_its_job(cpus: Cpus) -> None:
    _, plugin = bind(None, ntasks=1)
    assert cpus.bound[1:] == [{0, 2}]
    start(plugin, 0)
    assert len(cpus.bound) == 2


def test_a_binding_that_is_there_is_left(cpus: Cpus) -> None:
    bind(None)
    assert len(cpus.bound) == 1


def test_each_task_gets_its_share_and_the_shell_is_as_before(cpus: Cpus) -> None:
    _, plugin = bind("per-task")
    start(plugin, 0)
    start(plugin, 1)
    assert cpus.bound[1:] == [{0, 2}, {0, 1, 2, 3}, {1, 3}, {0, 1, 2, 3}]


@pytest.mark.parametrize("mode", ["off", "dry-run,per-task"])
def test_no_binding(cpus: Cpus, mode: str) -> None:
    _, plugin = bind(mode)
    start(plugin, 0)
    assert len(cpus.bound) == 1


def test_it_says_what_it_does(cpus: Cpus) -> None:
    shell, _ = bind("verbose,map:0;1")
    assert [text for _, text in shell.logged] == ["cpus: 0-3", "task 0: cpus: 0", "task 1: cpus: 1"]


def test_a_node_without_these_cores(cpus: Cpus) -> None:
    shell, plugin = bind(None, ntasks=3)
    assert shell.logged == [(4, "unable to get cpuset for cores 0-2. Disabling affinity")]
    start(plugin, 0)
    assert len(cpus.bound) == 1


def test_processors_of_another(cpus: Cpus) -> None:
    _, plugin = bind("map:7")
    cpus.refused = OSError
    with pytest.raises(ShellError, match="cpu-affinity: cpus 7 are none of the job's, which are 0-3"):
        start(plugin, 0)


def test_a_shell_that_cannot_be_bound(cpus: Cpus) -> None:
    cpus.refused = OSError
    with pytest.raises(ShellError, match="cannot bind to cpus 0,2: Invalid argument"):
        bind(None, ntasks=1)


@pytest.mark.parametrize(
    ("mode", "everyone", "task"),
    [("on", "-1", None), ("map:1;2,3", "-1", "2,3"), ("per-task", "-1", ""), ("off", None, None)],
)
def test_gpus(mode: str, everyone: str | None, task: str | None) -> None:
    shell = FakeShell({"gpu-affinity": mode}, size=1, ntasks=2)
    plugin, second = shell.load("gpu-affinity"), FakeTask(1, 1)
    plugin.shell_post_init()
    plugin.task_init(second)
    assert shell.environment.get("CUDA_VISIBLE_DEVICES") == everyone
    assert ("CUDA_DEVICE_ORDER" in shell.environment) == (mode != "off")
    assert second.env.get("CUDA_VISIBLE_DEVICES") == task
