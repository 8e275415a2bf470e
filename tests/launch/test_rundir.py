# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directory of a launcher: which is made, which is kept, and who else may have it."""

from __future__ import annotations

import errno
import os

import pytest

from rosin.broker import rundir
from rosin.launch.rundir import shared


@pytest.mark.parametrize(("cleanup", "kept"), [(False, True), (True, False)])
def test_a_named_directory_is_kept_unless_it_is_to_be_cleaned_up(tmp_path, cleanup, kept):
    path = tmp_path / "mine"
    path.mkdir(0o700)
    with shared(str(path), 2, cleanup) as directory:
        assert directory == str(path)
        (path / "local-0").touch()
    assert path.exists() is kept


def test_a_new_directory_is_made_and_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with shared(None, 2, False) as directory:
        assert os.path.dirname(directory) == str(tmp_path)
        open(f"{directory}/left", "w").close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "number"), [("none", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_a_directory_must_exist(tmp_path, name, number):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            OSError, match=f"--test-rundir: {tmp_path}/{name}: .*: name a directory that exists"
        ) as found,
        shared(str(tmp_path / name), 2, False),
    ):
        pass
    assert found.value.errno == number


def test_brokers_share_it_and_nobody_else_has_it(tmp_path):
    with shared(str(tmp_path), 2, False):
        os.close(rundir.lock(str(tmp_path), "rundir", shared=True))
        with pytest.raises(OSError, match="in use by another instance"):
            rundir.lock(str(tmp_path), "rundir")
        with pytest.raises(OSError, match="in use by another instance"), shared(str(tmp_path), 2, False):
            pass


def test_a_single_broker_claims_it_alone(tmp_path):
    with shared(str(tmp_path), 1, False):
        os.close(rundir.lock(str(tmp_path), "rundir"))
