# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directory of a launcher: which is made, which is kept, and who else may have it."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack

import pytest

from rosin.broker import rundir
from rosin.broker.directories import Directories
from rosin.launch.rundir import SharedDirectory, shared, temporary_statedir
from rosin.process import leftover


@pytest.mark.parametrize(("cleanup", "kept"), [(False, True), (True, False)])
def test_a_named_directory_is_kept_unless_it_is_to_be_cleaned_up(tmp_path, cleanup, kept):
    path = tmp_path / "mine"
    path.mkdir(0o700)
    with shared(str(path), cleanup) as directory:
        assert directory.path == str(path)
        (path / "local-0").touch()
    assert path.exists() is kept


def test_a_new_directory_is_made_and_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with shared(None, False) as directory, temporary_statedir() as state:
        assert os.path.dirname(directory.path) == os.path.dirname(state.path) == str(tmp_path)
        open(f"{directory.path}/left", "w").close()
        assert leftover.find([str(tmp_path)]) == []  # it lives
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "number"), [("none", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_a_directory_must_exist(tmp_path, name, number):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            OSError, match=f"--test-rundir: {tmp_path}/{name}: .*: name a directory that exists"
        ) as found,
        shared(str(tmp_path / name), False),
    ):
        pass
    assert found.value.errno == number


def test_brokers_share_it_and_nobody_else_has_it(tmp_path):
    with shared(str(tmp_path), False):
        os.close(rundir.lock(str(tmp_path), "rundir", shared=True))
        with pytest.raises(OSError, match="in use by another instance"):
            rundir.lock(str(tmp_path), "rundir")
        with pytest.raises(OSError, match="in use by another instance"), shared(str(tmp_path), False):
            pass


class Launched(Directories):
    """A broker's directories, in the process of its own that a launcher starts."""

    def __init__(self, directory, state, rank, size):
        given = {"rundir": directory.path}
        if not rank:
            given |= {"statedir": state.path, "statedir-cleanup": "1"}
        super().__init__(given, lambda *_: None, rank=rank, size=size)
        self.values = self.claim()


def of_one_to_be_killed(name):
    """A directory as the launcher has it, for a test that closes its claim, as the kernel does."""
    path = rundir.prepare(name, None).path
    claim = rundir.lock(path, name, shared=True)
    leftover.mark(path)
    return SharedDirectory(path, claim)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("killed", [True, False])
def test_the_last_broker_removes_what_a_killed_launcher_has_left(tmp_path, monkeypatch, size, killed):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    launcher = ExitStack()
    if killed:
        directory, state = of_one_to_be_killed("rundir"), of_one_to_be_killed("statedir")
    else:
        directory, state = map(launcher.enter_context, (shared(None, False), temporary_statedir()))
    monkeypatch.setenv("FLUX_START_URI", f"local://{directory.path}/start")
    brokers = [Launched(directory, state, rank, size) for rank in range(size)]
    if killed:
        for claim in (directory.claim, state.claim):
            os.close(claim)
    for broker in brokers:
        assert os.path.exists(directory.path)
        assert leftover.find([str(tmp_path)]) == []
        broker.release()
    assert os.path.exists(directory.path) is not killed
    assert not os.path.exists(state.path)
    if not killed:
        launcher.close()
    assert os.listdir(tmp_path) == []


def test_a_directory_that_was_named_stays(tmp_path, monkeypatch):
    with shared(str(tmp_path), False) as directory:
        monkeypatch.setenv("FLUX_START_URI", f"local://{directory.path}/start")
        broker = Launched(directory, None, 1, 2)
    broker.release()  # its launcher is gone
    assert tmp_path.exists()


def test_a_start_in_a_broker_of_a_launcher_is_another(tmp_path, monkeypatch):
    """It has the variable, too, but the directory is its own: nobody shares that."""
    monkeypatch.setenv("FLUX_START_URI", "local:///elsewhere/start")
    (tmp_path / "mine").mkdir(0o700)
    given = {"rundir": str(tmp_path / "mine"), "statedir": str(tmp_path / "mine")}
    directories = Directories(given, lambda *_: None)
    directories.claim()
    with pytest.raises(OSError, match="in use by another instance"):
        rundir.lock(given["rundir"], "rundir", shared=True)
    directories.release()
