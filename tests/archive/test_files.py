# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: files into archives and out of them, and nowhere else."""

import errno
import hashlib
import os
import socket
import stat
from pathlib import Path

import pytest

from rosin.archive import create, extract
from rosin.errors import FormatError
from rosin.rfc import archive
from rosin.rfc.archive import Entry


class Store:
    """A content store."""

    def __init__(self):
        self.blobs = {}

    def store(self, data):
        ref = f"sha1-{hashlib.sha1(data).hexdigest()}"
        self.blobs[ref] = data
        return ref

    def load(self, ref):
        return self.blobs[ref]


@pytest.fixture
def tree(tmp_path):
    """A tree with everything that an archive can hold."""
    top = tmp_path / "tree"
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "text").write_text("héllo\n")
    (top / "binary").write_bytes(bytes(range(256)))
    (top / "large").write_bytes(bytes(range(256)) * 100)
    (top / "empty").touch()
    (top / "ünï").write_text("")
    with open(top / "sparse", "wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"x" * 5000)
        stream.truncate(3 << 20)
    with open(top / "hole", "wb") as stream:
        stream.truncate(1 << 20)
    (top / "sub" / "link").symlink_to("/etc/passwd")
    (top / "sub" / "deep" / "dangling").symlink_to("../../nowhere")
    (top / "text").chmod(0o640)
    (top / "sub" / "deep").chmod(0o500)
    os.utime(top / "text", (1_700_000_000, 1_700_000_000))
    os.utime(top / "sub", (1_600_000_000, 1_600_000_000))
    return top


def snapshot(top):
    """Path -> what an archive keeps of the object."""
    found = {}
    for parent, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(parent, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
                times = None
            else:
                content = Path(path).read_bytes() if stat.S_ISREG(info.st_mode) else None
                times = int(info.st_mtime)
            found[os.path.relpath(path, top)] = (info.st_mode, content, times)
    return found


@pytest.mark.rfc(37, "mode", "times", "directory", "symlink", "text-content", "binary-content", "sparse")
@pytest.mark.parametrize("blobs", [False, True])
def test_a_tree_comes_back(tree, tmp_path, blobs):
    store = Store()
    entries = create(str(tree), store=store.store if blobs else None, chunksize=4096)
    assert {entry.path: entry.encoding for entry in entries}["large"] == ("blobvec" if blobs else "base64")
    again = archive.decode(archive.encode(entries))
    out = tmp_path / "out"
    out.mkdir()
    extract(again, str(out), store.load if blobs else None)
    assert snapshot(out) == snapshot(tree)
    if blobs:
        assert (out / "sparse").stat().st_blocks < 100
        assert sum(map(len, store.blobs.values())) < 40_000
    assert (out / "hole").stat().st_blocks == 0


def test_some_paths_only(tree):
    assert [entry.path for entry in create(str(tree), ["./text", "sub//deep", "text"])] == [
        "text",
        "sub/deep",
        "sub/deep/dangling",
    ]
    with pytest.raises(FormatError, match="leads out"):
        create(str(tree), ["../tree"])
    with pytest.raises(FileNotFoundError):
        create(str(tree), ["nothing"])


def test_what_no_archive_holds(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="unsupported file type") as caught:
        create(str(tmp_path), ["fifo"])
    assert caught.value.errno == errno.ENOTSUP
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="unsupported file type"):
            create(str(tmp_path), ["socket"])


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.mark.rfc(37, "path-traversal")
def test_a_link_that_is_there_is_not_followed(tmp_path, out):
    outside = tmp_path / "outside"
    outside.mkdir()
    (out / "a").symlink_to(outside)
    for entry in (archive.file("a/evil", b"x"), archive.directory("a"), archive.directory("a/evil")):
        with pytest.raises(OSError, match="a"):
            extract([entry], str(out))
    (outside / "victim").write_text("safe")
    (out / "file").symlink_to(outside / "victim")
    with pytest.raises(FileExistsError):
        extract([archive.file("file", b"evil")], str(out))
    extract([archive.file("file", b"mine")], str(out), overwrite=True)
    assert (outside / "victim").read_text() == "safe"
    assert (out / "file").read_text() == "mine"
    assert not (out / "file").is_symlink()
    assert list(outside.iterdir()) == [outside / "victim"]


@pytest.mark.rfc(37, "path-traversal")
def test_a_link_of_the_same_archive_is_not_followed(tmp_path, out):
    outside = tmp_path / "outside"
    outside.mkdir()
    link, below = archive.symlink("a", str(outside)), Entry("a/evil", 0o100644, size=0)
    with pytest.raises(FormatError, match="below a, which is a symbolic link"):
        archive.encode([link, below])
    with pytest.raises(OSError, match="a/evil"):
        extract([link, below], str(out))  # unchecked
    assert list(outside.iterdir()) == []


def test_what_is_there_is_kept(out):
    extract([archive.file("a", b"1"), archive.symlink("l", "x")], str(out))
    for entry in (archive.file("a", b"2"), archive.symlink("l", "y"), archive.symlink("a", "y")):
        with pytest.raises(FileExistsError) as caught:
            extract([entry], str(out))
        assert caught.value.filename == entry.path
    assert (out / "a").read_text() == "1"
    extract([archive.symlink("a", "y"), archive.file("l", b"2")], str(out), overwrite=True)
    assert os.readlink(out / "a") == "y"
    with pytest.raises(OSError, match="a") as caught:  # type: ignore[assignment]
        extract([archive.file("a/b", b"")], str(out))
    assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP)


def test_bits_that_give_rights_are_not_restored(out):
    extract([archive.file("a", b"", 0o6755)], str(out))
    assert stat.S_IMODE((out / "a").stat().st_mode) == 0o755


def test_files_in_a_directory_without_write_permission(out):
    entries = [archive.directory("d", 0o500, mtime=7), archive.file("d/e/f", b"x")]
    extract(entries, str(out))
    assert (out / "d" / "e" / "f").read_bytes() == b"x"
    assert (stat.S_IMODE((out / "d").stat().st_mode), (out / "d").stat().st_mtime) == (0o500, 7)


def test_a_size_beyond_the_data_is_a_hole(out):
    (entry,) = archive.decode([{"path": "a", "mode": 33188, "encoding": "utf-8", "data": "xyz", "size": 9}])
    extract([entry], str(out))
    assert (out / "a").read_bytes() == b"xyz" + bytes(6)


def test_blobs_that_are_wrong(out):
    store = Store()
    entry = archive.blobvec("a", 9, [(0, 4, store.store(b"12345"))])
    with pytest.raises(OSError, match="5 bytes instead of 4") as caught:
        extract([entry], str(out), store.load)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, "a")
    with pytest.raises(OSError, match="content store"):
        extract([archive.blobvec("b", 9, entry.regions())], str(out))
