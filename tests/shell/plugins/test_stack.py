# SPDX-License-Identifier: LGPL-3.0-or-later
"""Calling plugins at the points of a shell's life, and which of them a job needs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.shell.fakes import FakeShell

from rosin.shell import vocabulary
from rosin.shell.plugins import api, table
from rosin.shell.plugins.api import ShellPlugin
from rosin.shell.plugins.stack import ShellStack


class Recorder(ShellPlugin):
    """Notes what it is called for."""

    def __init__(self, name: str, calls: list[Any]) -> None:
        super().__init__(FakeShell())
        self.name = name
        self.calls = calls

    def shell_init(self) -> None:
        self.calls.append(self.name)

    def shell_kill(self, signum: int) -> None:
        self.calls.append((self.name, signum))


class Quiet(Recorder):
    """Has nothing to do at one of the points."""

    shell_init = ShellPlugin.shell_init


def test_a_plugin_is_called_where_it_has_something_to_do() -> None:
    stack, calls = ShellStack(), list[Any]()
    for plugin in (Recorder("a", calls), Quiet("b", calls), Recorder("c", calls)):
        stack.push(plugin)
    stack.call(ShellPlugin.shell_init)
    stack.call(ShellPlugin.shell_kill, 9)
    stack.call(ShellPlugin.shell_exit)
    assert calls == ["a", "c", ("a", 9), ("b", 9), ("c", 9)]
    assert len(stack.handlers(ShellPlugin.shell_init)) == 2
    assert stack.handlers(ShellPlugin.shell_exit) == []


def test_the_last_one_of_a_name_counts_in_the_place_of_the_first() -> None:
    stack, calls = ShellStack(), list[Any]()
    for plugin in (Recorder("a", calls), Recorder("b", calls), Quiet("a", calls)):
        stack.push(plugin)
    stack.call(ShellPlugin.shell_init)
    stack.call(ShellPlugin.shell_kill, 1)
    assert calls == ["b", ("a", 1), ("b", 1)]
    assert [plugin.name for plugin in stack] == ["a", "b"]


def test_the_points_are_those_of_the_base_class() -> None:
    assert ShellPlugin.points == ()
    assert api.Plugin is ShellPlugin  # for those that import it so
    assert set(Recorder.points) == {"shell_init", "shell_kill"}
    assert set(Quiet.points) == {"shell_kill"}


@pytest.fixture(autouse=True)
def _no_unified_control_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_UNIFIED", "/nonexistent")


ALWAYS = ["tmpdir", "input", "output", "doom", "tasks-complete", "gpu-affinity", "cpu-affinity", "pmi"]


def needed(options: dict[str, Any] | None = None, **kwargs: Any) -> set[str]:
    return set(table.needed(FakeShell(options, **{"size": 1, **kwargs}).info)) - set(ALWAYS)


def test_a_plain_job_needs_few(monkeypatch: pytest.MonkeyPatch) -> None:
    assert table.needed(FakeShell(size=1).info) == ALWAYS
    monkeypatch.setattr(table, "_UNIFIED", "/")
    assert needed() == {"oom"}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"umask": "022", "verbose": 1, "output": {"mode": "append"}}, {"umask"}),
        ({"rlimit": {"core": 0}, "env-expand": {"A": "b"}}, {"rlimit", "env-expand"}),
        ({"signal": 1}, {"signal"}),
        ({"pty": 1, "rexec-shutdown-timeout": 1}, {"pty", "rexec"}),
        ({"mpi": "none", "stage-in": 1, "sysmon": 1}, {"unsupported", "stage-in", "sysmon"}),
    ],
)
def test_an_option_asks_for_its_plugin(options: dict[str, Any], names: set[str]) -> None:
    assert needed(options) == names


def test_so_does_an_attribute() -> None:
    assert needed(files={"a": {}}, batch={"script": ""}) == {"files", "batch"}
    assert needed(files={}) == set()
    assert needed(size=2) == {"exception"}


def test_a_client_asks_for_the_rest() -> None:
    shell = FakeShell(size=1)
    table.load_all(shell)
    assert [plugin.name for plugin in shell.stack] == ALWAYS
    assert set(shell.service.families) == {"terminus", "proctable", "rexec"}
    shell.request("proctable", None)
    shell.request("terminus.list", None)
    assert [plugin.name for plugin in shell.stack] == [*ALWAYS, "proctable", "pty"]
    asked = FakeShell({"pty": 1}, size=1)
    table.load_all(asked)
    assert set(asked.service.families) == {"proctable", "rexec"}


def test_every_plugin_of_the_vocabulary_is_there_and_has_its_name() -> None:
    assert set(vocabulary.owners().values()) <= {"shell", *table.PLUGINS}
    table.warm()
    for name in table.PLUGINS:
        shell = FakeShell(files={"a": {}}, batch={"script": ""})
        table.load(shell, name)
        assert [plugin.name for plugin in shell.stack] == [name]
