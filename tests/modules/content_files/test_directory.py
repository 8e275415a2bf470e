# SPDX-License-Identifier: LGPL-3.0-or-later
"""A directory of blobs: names, modes, damage, full disks, and what is missing."""

import contextlib
import errno
import os
import resource
import stat

import pytest

from rosin.modules.content_files.directory import StoreDirectory
from rosin.rfc import blobref

BLOB = b"foo\n"
DIGEST = blobref.digest(BLOB)
NAME = "sha1-f1d2d2f924e986ac86fdf7b36c94bcdf32beec15"
CHECKPOINT = {"version": 1, "rootref": NAME, "sequence": 3, "timestamp": 1.0}


def names(path):
    return {entry.name for entry in os.scandir(path)}


def modes(path):
    found = {stat.S_IMODE(os.stat(path).st_mode)}
    return found | {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(path)}


@contextlib.contextmanager
def file_size_limit(size):
    """As on a full disk: a write stops in the middle (EFBIG instead of ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def store(tmp_path):
    store = StoreDirectory(str(tmp_path / "content.files"), "sha1")
    yield store
    store.close()


def error(action, *args):
    with pytest.raises(OSError) as info:
        action(*args)
    return info.value.errno, str(info.value.strerror)


def test_files_have_flux_cores_names(store):
    store.store(DIGEST, BLOB)
    store.checkpoint_put(CHECKPOINT)
    assert names(store.path) == {NAME, "kvs-primary", ".journal"}
    with open(f"{store.path}/{NAME}", "rb") as stream:
        assert stream.read() == BLOB
    with open(f"{store.path}/kvs-primary") as stream:
        assert stream.read() == f'{{"version":1,"rootref":"{NAME}","sequence":3,"timestamp":1.0}}'
    assert store.load(DIGEST) == BLOB
    assert store.contains(DIGEST)
    assert not store.contains(bytes(20))
    assert store.count() == 1
    assert store.checkpoint() == CHECKPOINT


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_blobs_of_any_size(store, size):
    blob = b"x" * size
    store.store(blobref.digest(blob), blob)
    assert store.load(blobref.digest(blob)) == blob


def test_the_other_hash(tmp_path):
    store = StoreDirectory(str(tmp_path / "content.files"), "sha256")
    digest = blobref.digest(BLOB, "sha256")
    store.store(digest, BLOB)
    assert f"sha256-{digest.hex()}" in names(store.path)
    assert store.load(digest) == BLOB
    store.close()


def test_all_is_private_whatever_umask_and_mode_were(tmp_path):
    path = tmp_path / "content.files"
    mask = os.umask(0)
    try:
        path.mkdir(0o777)
        store = StoreDirectory(str(path), "sha1")
        store.store(DIGEST, BLOB)
        store.checkpoint_put(CHECKPOINT)
        assert modes(path) == {0o700, 0o600}
        assert stat.S_IMODE(os.stat(f"{path}.state").st_mode) == 0o600
        store.close()
    finally:
        os.umask(mask)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_directory_is_not_followed(tmp_path, kind):
    path = tmp_path / "content.files"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.touch()
    number, text = error(StoreDirectory, str(path), "sha1")
    assert number == errno.ENOTDIR
    assert text == f"content-files: cannot open {path}: Not a directory"


def test_an_unknown_blob(store):
    assert error(store.load, bytes(20)) == (
        errno.ENOENT,
        f"No such file or directory: unknown blob sha1-{'0' * 40}",
    )


@pytest.mark.parametrize("how", ["changed", "cut", "empty"])
def test_a_damaged_blob_is_told_and_mended_by_storing_it_again(store, how):
    store.store(DIGEST, BLOB)
    with open(f"{store.path}/{NAME}", "r+b") as stream:
        stream.truncate({"changed": 4, "cut": 2, "empty": 0}[how])
        stream.write(b"F" if how == "changed" else b"")
    number, text = error(store.load, DIGEST)
    assert number == errno.EIO
    assert text.startswith(f"Input/output error: content-files: {store.path}/{NAME} is damaged")
    store.store(DIGEST, BLOB)
    assert store.load(DIGEST) == BLOB


@pytest.mark.parametrize("kind", ["fifo", "directory", "link"])
def test_a_blob_that_is_no_file_keeps_nobody_waiting(store, kind):
    path = f"{store.path}/{NAME}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        os.mkdir(path)
    else:
        os.symlink("/etc/passwd", path)
    number, text = error(store.load, DIGEST)
    assert number in (errno.EIO, errno.ELOOP)
    assert text.startswith(f"content-files: cannot read {path}: ")


@pytest.mark.parametrize("what", ["blob", "checkpoint"])
def test_a_write_that_fails_leaves_what_was_there(store, what):
    store.store(DIGEST, BLOB)
    store.checkpoint_put(CHECKPOINT)
    before = names(store.path)
    large = b"y" * 100_000
    with file_size_limit(10_000):
        if what == "blob":
            number, text = error(store.store, blobref.digest(large), large)
        else:
            number, text = error(store.checkpoint_put, {**CHECKPOINT, "x": "y" * 100_000})
    assert number == errno.EFBIG
    assert text.startswith(f"content-files: cannot write {store.path}/")
    assert names(store.path) == before
    assert store.checkpoint() == CHECKPOINT
    store.store(blobref.digest(large), large)


@pytest.mark.parametrize("text", ["", "{", "[]", "sha1-" + "0" * 40])
def test_an_unreadable_checkpoint(store, text):
    with open(f"{store.path}/kvs-primary", "w") as stream:
        stream.write(text)
    number, message = error(store.checkpoint)
    assert number == errno.EIO
    assert f"{store.path}/kvs-primary: unreadable checkpoint: " in message


@pytest.mark.parametrize("missing", ["content.files", "content.files/.journal"])
def test_a_store_that_is_missing_is_told_with_the_remedy(tmp_path, missing):
    path = tmp_path / "content.files"
    StoreDirectory(str(path), "sha1").close()
    (tmp_path / missing).rename(tmp_path / "away")
    number, text = error(StoreDirectory, str(path), "sha1")
    assert number == errno.ENOENT
    assert f"{tmp_path / missing} is missing" in text
    assert f"remove {path}.state to go on without it" in text
    os.unlink(f"{path}.state")
    StoreDirectory(str(path), "sha1").close()


def test_a_directory_of_flux_core_is_opened(tmp_path):
    path = tmp_path / "content.files"
    path.mkdir()
    (path / NAME).write_bytes(BLOB)
    (path / "kvs-primary").write_text('{"rootref":"r","version":1}')
    store = StoreDirectory(str(path), "sha1")
    assert store.load(DIGEST) == BLOB
    assert store.checkpoint() == {"rootref": "r", "version": 1}
    store.close()


def test_a_temporary_store_is_not_recorded(tmp_path):
    store = StoreDirectory(str(tmp_path / "content.files"), "sha1", temporary=True)
    store.store(DIGEST, BLOB)
    store.sync()
    store.close()
    assert names(tmp_path) == {"content.files"}


def test_remove(tmp_path):
    path = str(tmp_path / "content.files")
    StoreDirectory(path, "sha1").close()
    StoreDirectory.remove(path)
    assert names(tmp_path) == set()
    StoreDirectory.remove(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's directory")
def test_another_users_directory(tmp_path):
    path = tmp_path / "content.files"
    path.mkdir()
    os.chown(path, 12345, -1)
    number, text = error(StoreDirectory, str(path), "sha1")
    assert number == errno.EPERM
    assert text == f"content-files: cannot open {path}: it belongs to another user"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("1\n", None),
        ("2\n", None),
        ("3\n", r"was written by a newer Rosin \(format 3, this one knows 2\): use that one, or move it and"),
        ("x\n", "expected a number, got 'x'"),
    ],
)
def test_directories_of_other_versions(tmp_path, text, expected):
    path = tmp_path / "content.files"
    StoreDirectory(str(path), "sha1").close()
    state = tmp_path / "content.files.state"
    state.write_text(text)
    if expected is None:
        StoreDirectory(str(path), "sha1").close()
        assert state.read_text() == "2\n"
    else:
        with pytest.raises(OSError, match=expected):
            StoreDirectory(str(path), "sha1")
        assert state.read_text() == text
