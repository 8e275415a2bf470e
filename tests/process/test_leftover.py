# SPDX-License-Identifier: LGPL-3.0-or-later
"""What killed instances have left is found, and nothing else is."""

import fcntl
import os
from pathlib import Path

import pytest

from rosin.broker import rundir
from rosin.broker.directories import Directories
from rosin.process import leftover


@pytest.fixture
def left(tmp_path):
    """A directory that a killed instance has left, with something in it."""
    path = tmp_path / "flux-left"
    path.mkdir(0o700)
    (path / "deep").mkdir()
    (path / "deep" / "file").touch()
    (path / "local-0").symlink_to("/etc")
    leftover.mark(str(path))
    return path


def swept(base: Path) -> list[str]:
    found = leftover.find([str(base)])
    leftover.remove(found)
    return [os.path.basename(one.path) for one in found]


def test_what_is_left_is_removed(left):
    assert swept(left.parent) == [left.name]
    assert os.listdir(left.parent) == []
    assert os.path.isdir("/etc")


def test_while_one_removes_it_no_other_does(left):
    found = leftover.find([str(left.parent)])
    assert swept(left.parent) == []
    leftover.remove(found)
    assert not left.exists()


@pytest.mark.parametrize("how", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_what_somebody_has_stays(left, how):
    claim = rundir.lock(str(left), "rundir")
    fcntl.flock(claim, how)
    assert swept(left.parent) == []
    os.close(claim)
    assert swept(left.parent) == [left.name]


def unmarked(path):
    (path / ".rosin").unlink()


def of_another_boot(path):
    (path / ".rosin").write_text("another")


def mark_is_a_link(path):
    (path / ".rosin").rename(path / "real")
    (path / ".rosin").symlink_to(path / "real")


def mark_is_a_fifo(path):
    (path / ".rosin").unlink()
    os.mkfifo(path / ".rosin")


def mark_is_a_directory(path):
    (path / ".rosin").unlink()
    (path / ".rosin").mkdir()


def open_to_others(path):
    path.chmod(0o777)


def another_name(path):
    path.rename(path.parent / "mine")


def only_a_link(path):
    path.rename(path.parent / "mine")
    path.symlink_to(path.parent / "mine")


def only_a_file(path):
    path.rename(path.parent / "mine")
    path.touch()


def only_a_fifo(path):
    path.rename(path.parent / "mine")
    os.mkfifo(path)


def of_another_user(path):
    if os.getuid():
        pytest.skip("only root can give a directory away")
    os.chown(path, 4242, -1)


def mark_of_another_user(path):
    of_another_user(path / ".rosin")


@pytest.mark.parametrize(
    "change",
    [
        unmarked,
        of_another_boot,
        mark_is_a_link,
        mark_is_a_fifo,
        mark_is_a_directory,
        open_to_others,
        another_name,
        only_a_link,
        only_a_file,
        only_a_fifo,
        of_another_user,
        mark_of_another_user,
    ],
)
def test_what_may_be_somebodys_stays(left, change):
    change(left)
    before = sorted(str(path) for path in left.parent.rglob("*"))
    assert swept(left.parent) == []
    assert sorted(str(path) for path in left.parent.rglob("*")) == before


def test_where_there_is_nothing(tmp_path):
    assert leftover.find([str(tmp_path / "none"), "/dev/null"]) == []


def test_a_claim_between_two_looks_is_seen(left, monkeypatch):
    """Who names it for his own takes the mark away under his claim, and may be gone before ours."""

    def free(claim: int) -> bool:
        leftover.unmark(str(left))
        return True

    monkeypatch.setattr(leftover, "_is_free", free)
    assert swept(left.parent) == []
    assert left.exists()


def test_one_that_begins_does_not_find_its_directory_claimed(left, monkeypatch):
    """It claims first, and then marks."""
    leftover.unmark(str(left))
    monkeypatch.delattr(leftover, "_is_free")
    assert swept(left.parent) == []


def test_what_a_program_needs_for_a_while(tmp_path, monkeypatch):
    """As a proxy does for its socket; a killed one leaves it to the next start."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with leftover.temporary("proxy") as path:
        assert os.path.basename(path).startswith("flux-proxy-")
        assert os.stat(path).st_mode & 0o777 == 0o700
        (Path(path) / "local").touch()
        assert swept(tmp_path) == []
    assert os.listdir(tmp_path) == []
    context = leftover.temporary("proxy")
    path = context.__enter__()
    monkeypatch.setattr(leftover, "remove", lambda found: [os.close(one.fd) for one in found])
    context.__exit__(None, None, None)  # killed
    monkeypatch.undo()
    assert swept(tmp_path) == [os.path.basename(path)]


def test_where_it_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert rundir.bases() == [str(tmp_path)]
    monkeypatch.delenv("TMPDIR")
    assert rundir.bases() == ["/tmp", "/var/tmp"]


@pytest.mark.parametrize("name", ["rundir", "statedir"])
def test_what_is_named_is_kept_from_then_on(left, monkeypatch, name):
    """As by somebody who looks at what a killed instance has left."""
    monkeypatch.setenv("TMPDIR", str(left.parent))
    directories = Directories({name: str(left)}, lambda *_: None)
    directories.claim()
    assert swept(left.parent) == []
    directories.release()
    assert swept(left.parent) == []
    assert (left / "deep" / "file").exists()


@pytest.mark.parametrize("name", ["rundir", "statedir"])
def test_what_was_named_is_nobodys_to_remove(tmp_path, monkeypatch, name):
    """Even if it is new, and goes at the end: after a kill its state may be wanted."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    directories = Directories({name: str(tmp_path / "flux-mine")}, lambda *_: None)
    directories.claim()
    for claim in directories._locks.values():  # it is killed
        os.close(claim)
    assert "flux-mine" not in swept(tmp_path)
    assert os.listdir(tmp_path) == ["flux-mine"]


def test_one_that_is_made_in_a_directory_for_all_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tmp_path.chmod(0o1777)
    directories = Directories({"statedir": str(tmp_path)}, lambda *_: None)
    directories.claim()
    for claim in directories._locks.values():
        os.close(claim)
    assert len(swept(tmp_path)) == 2


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        leftover.mark(str(tmp_path / "none"))


def test_what_goes_is_marked(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    directories = Directories({}, lambda *_: None)
    paths = [path for name, path in directories.claim().items() if not name.endswith("cleanup")]
    assert len(paths) == 2
    assert leftover.find([str(tmp_path)]) == []
    for claim in directories._locks.values():  # it is killed
        os.close(claim)
    assert set(swept(tmp_path)) == {os.path.basename(path) for path in paths}
