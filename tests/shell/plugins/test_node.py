# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is prepared on a node: the job's directory, files, the batch script, limits, the mask, variables."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.shell.errors import ShellError
from rosin.shell.plugins import rlimit, umask


def test_the_jobs_directory_comes_and_goes(tmp_path: Path) -> None:
    shell = FakeShell(size=1, environment={"TMPDIR": str(tmp_path / "tmp")})
    plugin = shell.load("tmpdir")
    plugin.close()  # a shell that ends early has none
    plugin.shell_init()
    path = tmp_path / "tmp" / f"jobtmp-0-{shell.info.f58}"
    assert shell.info.tmpdir == str(path)
    assert path.stat().st_mode & 0o777 == 0o700
    (path / "left").write_text("x")
    plugin.close()
    assert os.listdir(tmp_path / "tmp") == []


def test_the_run_directory_of_the_broker_is_the_place(tmp_path: Path) -> None:
    shell = FakeShell(size=1)
    shell.startup._known["rundir"] = str(tmp_path)
    plugin = shell.load("tmpdir")
    plugin.shell_init()
    plugin.shell_init()  # one of that name, and that user's, is taken over
    assert shell.info.tmpdir == str(tmp_path / f"jobtmp-0-{shell.info.f58}")


def test_a_tmpdir_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shell = FakeShell(size=1, environment={"TMPDIR": str(tmp_path / "file" / "x")})
    shell.startup._known["rundir"] = str(tmp_path)
    shell.load("tmpdir").shell_init()
    assert shell.info.spec.environment["TMPDIR"] == "/tmp"
    text = f"Unable to create TMPDIR={tmp_path / 'file' / 'x'}, resetting TMPDIR=/tmp"
    assert shell.logged == [(4, text)]


def test_no_place_for_the_jobs_directory(tmp_path: Path) -> None:
    shell = FakeShell(size=1, environment={"TMPDIR": str(tmp_path)})
    (tmp_path / f"jobtmp-0-{shell.info.f58}").touch()
    with pytest.raises(ShellError, match="error creating FLUX_JOB_TMPDIR: "):
        shell.load("tmpdir").shell_init()


FILE = {"mode": 0o100600, "encoding": "utf-8", "data": "hello\n"}


def test_files_are_written(tmp_path: Path) -> None:
    shell = FakeShell(size=1, files={"a/b": FILE})
    plugin = shell.load("files")
    shell.info.tmpdir = str(tmp_path)
    plugin.shell_init()
    assert (tmp_path / "a" / "b").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("files", "fault"), [({"../x": FILE}, "leads out"), ({"a": {"mode": "x"}}, "files: "), ([1], "files: ")]
)
def test_files_that_are_none(tmp_path: Path, files: Any, fault: str) -> None:
    shell = FakeShell(size=1, files=files)
    plugin = shell.load("files")
    shell.info.tmpdir = str(tmp_path)
    with pytest.raises(ShellError, match=fault):
        plugin.shell_init()


def test_a_file_where_a_directory_is(tmp_path: Path) -> None:
    shell = FakeShell(size=1, files={"a": FILE})
    (tmp_path / "a" / "b").mkdir(parents=True)
    plugin = shell.load("files")
    shell.info.tmpdir = str(tmp_path)
    with pytest.raises(ShellError, match=r"attributes.system.files: .*: "):
        plugin.shell_init()


def batch(tmp_path: Path, value: Any, rank: int = 3) -> Any:
    shell = FakeShell(batch=value, rank=rank)
    plugin = shell.load("batch")
    shell.info.tmpdir = str(tmp_path)
    plugin.shell_post_init()
    return plugin


def test_a_script_is_run_by_the_first_task_of_an_instance(tmp_path: Path) -> None:
    plugin = batch(tmp_path, {"script": "#!/bin/sh\n", "broker-opts": ["-v"]})
    script = tmp_path / "script"
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("#!/bin/sh\n", 0o700)
    first, second = FakeTask(0, argv=["script", "x"]), FakeTask(1, argv=["script", "x"])
    own = FakeTask(0, argv=["/usr/bin/flux", "broker", "x"])
    for task in (first, second, own):
        plugin.task_init(task)
    assert first.argv == ["flux", "broker", "-v", str(script), "x"]
    assert second.argv == ["flux", "broker", "-v"]
    assert own.argv == ["/usr/bin/flux", "broker", "x"]


def test_only_the_leader_writes_it(tmp_path: Path) -> None:
    batch(tmp_path, {"script": "x"}, rank=7)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [1, {}, {"script": 3}])
def test_a_batch_without_a_script(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ShellError, match="failed to unpack batch info: script is not a string"):
        batch(tmp_path, value)


def test_a_script_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "script").touch()
    with pytest.raises(ShellError, match="script: File exists"):
        batch(tmp_path, {"script": "x"})


def test_options_that_are_none(tmp_path: Path) -> None:
    plugin = batch(tmp_path, {"script": "x", "broker-opts": "-v"})
    with pytest.raises(ShellError, match=r"batch.broker-opts attribute must be an array"):
        plugin.task_init(FakeTask())


class Limits:
    """Those of this process, which stay."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
        self.set: list[tuple[int, tuple[int, int]]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda number: (0, hard))
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, number: int, limits: tuple[int, int]) -> None:
        if limits[0] < -1:
            raise ValueError("current limit exceeds maximum limit")
        self.set.append((number, limits))


@pytest.mark.parametrize(
    ("hard", "value", "soft"), [(-1, 5, 5), (-1, -1, -1), (10, 10, 10), (10, 11, 10), (10, -1, 10)]
)
def test_limits(monkeypatch: pytest.MonkeyPatch, hard: int, value: int, soft: int) -> None:
    limits = Limits(monkeypatch, hard)
    shell = FakeShell({"rlimit": {"nofile": value}})
    shell.load("rlimit").shell_init()
    assert limits.set == [(resource.RLIMIT_NOFILE, (soft, hard))]
    warned = [(4, "nofile exceeds current max, raising value to hard limit")] if soft != value else []
    assert shell.logged == warned


def test_a_limit_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    Limits(monkeypatch, -1)
    said: list[str] = []
    rlimit.apply({"core": -5}, said.append)
    assert said == ["setrlimit core: current limit exceeds maximum limit"]


@pytest.mark.parametrize("limits", [{"moonlight": 1}, {"core": "x"}, {"core": True}])
def test_what_is_no_limit(limits: dict[str, Any]) -> None:
    with pytest.raises(ShellError, match=r"invalid shell option rlimit\."):
        rlimit.apply(limits, lambda text: None)


def test_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[int] = []
    monkeypatch.setattr(os, "umask", masks.append)
    for value in ("027", 77, "0"):
        FakeShell({"umask": value}).load("umask").shell_init()
    umask.apply(None)
    assert masks == [0o027, 0o077, 0]


@pytest.mark.parametrize("value", ["1000", "8", "", True, "00777", -1, "0o22", "٢"])
def test_what_is_no_mask(value: Any) -> None:
    with pytest.raises(ShellError, match="expected octal digits up to 777, as in 022"):
        umask.apply(value)


def test_variables_with_tags() -> None:
    shell = FakeShell({"env-expand": {"ALL": "{{size}} of {{id.dec}}", "EACH": "{{task.rank}}"}})
    plugin, task = shell.load("env-expand"), FakeTask(1)
    plugin.shell_post_init()
    plugin.task_init(task)
    assert shell.environment == {"ALL": "2 of 1234"}
    assert task.env == {"ALL": "2 of 1234", "EACH": "1"}
