# SPDX-License-Identifier: LGPL-3.0-or-later
"""content.mmap-add and mmap-remove: blobs that stay in their files (RFC 37)."""

import errno
import os

import pytest

from rosin.modules.content.mapped import MappedFile
from rosin.rfc import blobref
from rosin.testing import Instance

PIECE = 4096


async def fails(rpc):
    with pytest.raises(OSError) as info:
        await rpc
    return info.value.errno, info.value.strerror


def digest(data):
    return blobref.digest(data, "sha1")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a" * PIECE + b"b" * PIECE + b"c")
    return path


@pytest.mark.parametrize("modules", [["content"], ["content", "content-sqlite"]])
async def test_pieces_are_loaded_from_the_file(path, modules):
    async with Instance(modules) as inst:
        h = await inst.connect()
        await h.rpc("content.mmap-add", {"path": str(path), "chunksize": PIECE, "tag": "main"})
        for data in (b"a" * PIECE, b"b" * PIECE, b"c"):
            assert await h.rpc("content.load", digest(data)).raw() == data
        stats = await h.rpc("content.stats-get")
        assert stats["mmap"] == {"tags": {"main": [str(path)]}, "blobs": 3}
        assert stats["dirty"] == 0
        await h.rpc("content.dropcache")
        await h.rpc("content.mmap-remove", {"tag": "main"})
        await h.rpc("content.mmap-remove", {"tag": "nobody"})
        assert (await fails(h.rpc("content.load", digest(b"c")).raw()))[0] == errno.ENOENT
        assert (await h.rpc("content.stats-get"))["mmap"] == {"tags": {}, "blobs": 0}


async def test_a_piece_of_two_files_stays_with_the_other(path, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"c")
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        for tag, file in (("one", path), ("two", other)):
            await h.rpc("content.mmap-add", {"path": str(file), "chunksize": PIECE, "tag": tag})
        await h.rpc("content.mmap-remove", {"tag": "one"})
        assert await h.rpc("content.load", digest(b"c")).raw() == b"c"


async def test_a_file_that_has_changed_gives_wrong_data_to_nobody(path):
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        request = {"path": str(path), "chunksize": PIECE, "tag": "main"}
        await h.rpc("content.mmap-add", request)
        with open(path, "r+b") as stream:
            stream.write(b"x")
        assert await fails(h.rpc("content.load", digest(b"a" * PIECE)).raw()) == (
            errno.EINVAL,
            f"mapped file content has changed: {path}",
        )
        assert await h.rpc("content.load", digest(b"b" * PIECE)).raw() == b"b" * PIECE
        os.truncate(path, 10)
        assert (await fails(h.rpc("content.load", digest(b"b" * PIECE)).raw()))[0] == errno.EINVAL
        path.unlink()
        assert "No such file" in (await fails(h.rpc("content.load", digest(b"c")).raw()))[1]
        # A store of the same data is no matter of the file.
        assert await h.rpc("content.store", b"c").raw() == digest(b"c")
        assert await h.rpc("content.load", digest(b"c")).raw() == b"c"
        path.write_bytes(b"new")
        await h.rpc("content.mmap-add", request)
        assert await h.rpc("content.load", digest(b"new")).raw() == b"new"
        assert (await fails(h.rpc("content.load", digest(b"a" * PIECE)).raw()))[0] == errno.ENOENT


async def test_what_cannot_be_mapped(path, tmp_path):
    link, fifo, empty = tmp_path / "link", tmp_path / "fifo", tmp_path / "empty"
    link.symlink_to(path)
    os.mkfifo(fifo)
    empty.touch()
    request = {"path": str(path), "chunksize": PIECE, "tag": "main"}
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        for file in (link, fifo, empty, tmp_path):
            expected = (errno.EINVAL, f"{file}: not suitable for mapping")
            assert await fails(h.rpc("content.mmap-add", {**request, "path": str(file)})) == expected
        cases = [
            ({"path": "file"}, errno.EINVAL, "path must be fully qualified"),
            ({"path": "/nowhere"}, errno.ENOENT, "/nowhere: No such file or directory"),
            ({"path": "/a\0b"}, errno.EINVAL, "path must be fully qualified"),
            ({"chunksize": -1}, errno.EINVAL, "chunksize must be >= 0"),
            ({"tag": 3}, errno.EPROTO, "payload: field 'tag': expected a string, got 3"),
        ]
        for change, errnum, text in cases:
            assert await fails(h.rpc("content.mmap-add", {**request, **change})) == (errnum, text)  # type: ignore[dict-item]
        guest = await inst.connect(userid=4242)
        assert (await fails(guest.rpc("content.mmap-add", request)))[0] == errno.EPERM
        assert (await h.rpc("content.stats-get"))["mmap"] == {"tags": {}, "blobs": 0}


def test_holes_are_left_out_and_parts_may_be_one_piece(tmp_path):
    path = tmp_path / "sparse"
    block = os.statvfs(tmp_path).f_frsize
    with open(path, "wb") as stream:
        stream.write(b"a" * block)
        stream.seek(64 * block)
        stream.write(b"b" * block)
    sizes = [size for _, size in MappedFile.read(str(path), 0, "sha1", 1 << 30).pieces.values()]
    assert sum(sizes) in (2 * block, 65 * block)  # a file system need not know of holes
    with pytest.raises(OSError, match="the limit is 10"):
        MappedFile.read(str(path), 0, "sha1", 10)
