# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content cache above rank 0."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rosin import content
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.rfc import blobref
from rosin.testing import Instance


@asynccontextmanager
async def two(top: list[Any]) -> AsyncIterator[tuple[Instance, Instance]]:
    """Rank 0 and rank 1 below it."""
    async with (
        Instance(top, size=2) as upper,
        Instance(["content"], rank=1, size=2, parent=upper) as lower,
    ):
        yield upper, lower


async def failure(rpc: Any) -> int | None:
    with pytest.raises(OSError) as caught:
        await rpc
    return caught.value.errno


async def test_blobs_are_stored_above_and_kept_below() -> None:
    async with two(["content", "content-sqlite"]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        digest = await content.store_async(down, b"from below").raw()
        await up.rpc("content-backing.validate", digest)
        other = await content.store_async(up, b"from above").raw()
        assert await content.load_async(down, other).raw() == b"from above"
        assert lower.link is not None
        lower.link.cut()
        for blob, known in ((b"from below", digest), (b"from above", other)):
            assert await content.load_async(down, known).raw() == blob
            assert await failure(content.store_async(down, blob).raw()) == errno.EHOSTUNREACH
        assert await failure(content.store_async(down, b"new").raw()) == errno.EHOSTUNREACH
        unknown = blobref.digest(b"unknown")
        assert await failure(content.load_async(down, unknown).raw()) == errno.EHOSTUNREACH


async def test_a_blob_that_is_nowhere() -> None:
    async with two(["content"]) as (_upper, lower):
        down = await lower.connect()
        assert await failure(content.load_async(down, blobref.digest(b"x")).raw()) == errno.ENOENT


class Content(BrokerModule):
    """Rank 0's; it answers when it is told to."""

    name = "content"

    async def start(self) -> None:
        self.asked: list[Any] = []

    @request_handler("load")
    def load(self, msg: Any) -> Any:
        self.asked.append(msg)
        return DEFERRED

    @request_handler("store")
    def store(self, msg: Any) -> Any:
        self.asked.append(msg)
        return DEFERRED


async def test_those_who_want_the_same_share_one_request() -> None:
    async with two([Content]) as (upper, lower):
        down = await lower.connect()
        above: Any = upper.broker.modules["content"]
        digest = blobref.digest(b"blob")
        loads = [content.load_async(down, digest) for _ in range(3)]
        await lower.settle()
        (asked,) = above.asked
        above.respond(asked, b"blob")
        assert [await load.raw() for load in loads] == [b"blob"] * 3
        above.asked.clear()
        stores = [content.store_async(down, b"more") for _ in range(3)]
        await lower.settle()
        (asked,) = above.asked
        above.respond_error(asked, errno.ENOSPC)
        assert [await failure(store.raw()) for store in stores] == [errno.ENOSPC] * 3


async def test_checkpoints_are_rank_0s() -> None:
    async with two(["content", "content-sqlite"]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        value = {"version": 1, "rootref": blobref.blobref(b"root"), "timestamp": 1.0, "sequence": 7}
        await down.rpc("content.checkpoint-put", {"value": value})
        assert await down.rpc("content.checkpoint-get") == await up.rpc("content.checkpoint-get")
        request = {"name": "other"}
        assert await failure(down.rpc("content.register-backing", request)) == errno.EINVAL


async def test_what_is_known_is_stored_again_all_the_same() -> None:
    """Above it may be no more than in a file, or about to be collected as garbage."""
    async with two([Content]) as (upper, lower):
        down = await lower.connect()
        above: Any = upper.broker.modules["content"]
        digest = blobref.digest(b"blob")
        load = content.load_async(down, digest)
        await lower.settle()
        above.respond(above.asked.pop(), b"blob")
        await load.raw()
        for _ in range(2):
            storing = content.store_async(down, b"blob")
            await lower.settle()
            asked = above.asked.pop()
            assert asked.topic == "content.store"
            assert not storing.is_ready()
            above.respond(asked, digest)
            await storing.raw()


async def test_what_is_stored_need_not_be_loaded() -> None:
    async with two([Content]) as (_upper, lower):
        down = await lower.connect()
        load = content.load_async(down, blobref.digest(b"blob"))
        content.store_async(down, b"blob").then(lambda _: None)
        assert await load.raw() == b"blob"


async def test_a_blob_is_dirty_until_it_is_stored_above() -> None:
    async with two([Content]) as (upper, lower):
        down = await lower.connect()
        above: Any = upper.broker.modules["content"]
        await down.rpc("content.flush")
        storing = content.store_async(down, b"blob")
        await lower.settle()
        flush, load = down.rpc("content.flush"), content.load_async(down, blobref.digest(b"blob"))
        assert await load.raw() == b"blob"
        await down.rpc("content.dropcache")
        stats = await down.rpc("content.stats-get")
        assert stats == {"count": 1, "valid": 1, "dirty": 1, "size": 4, "flush-batch-count": 1, "mmap": None}
        assert not storing.is_ready()
        assert not flush.is_ready()
        above.respond(above.asked.pop(), blobref.digest(b"blob"))
        await storing.raw()
        await flush
        stats = await down.rpc("content.stats-get")
        assert stats == {"count": 1, "valid": 1, "dirty": 0, "size": 4, "flush-batch-count": 0, "mmap": None}
        await down.rpc("content.dropcache")
        assert (await down.rpc("content.stats-get"))["count"] == 0


@pytest.mark.parametrize("how", [errno.ENOSPC, "other digest", "link", "unload"])
async def test_a_blob_that_is_not_stored_leaves_nothing_behind(how: int | str) -> None:
    async with two([Content]) as (upper, lower):
        down = await lower.connect()
        above: Any = upper.broker.modules["content"]
        waits = [content.store_async(down, b"blob").raw(), down.rpc("content.flush")]
        await lower.settle()
        if how == "link":
            assert lower.link is not None
            lower.link.cut()
            expected = errno.EHOSTUNREACH
        elif how == "unload":
            await lower.broker.modules.remove("content")
            expected = errno.ENOSYS
        elif isinstance(how, int):
            above.respond_error(above.asked.pop(), how, "no space")
            expected = how
        else:
            above.respond(above.asked.pop(), blobref.digest(b"other"))
            expected = errno.EIO
        assert [await failure(wait) for wait in waits] == [expected] * 2
        if how != "unload":
            assert (await down.rpc("content.stats-get"))["count"] == 0


async def test_what_is_kept_is_bounded_and_large_blobs_pass() -> None:
    async with (
        Instance(["content"], size=2) as upper,
        Instance(rank=1, size=2, parent=upper) as lower,
    ):
        await lower.load("content", ["purge-target-size=10000", "blob-size-limit=3000000"])
        down = await lower.connect()
        blobs = [bytes([number]) * size for number, size in enumerate([*[3000] * 9, 3_000_000])]
        digests = [await content.store_async(down, blob).raw() for blob in blobs]
        assert await failure(content.store_async(down, bytes(3_000_001)).raw()) == errno.EFBIG
        for digest, blob in zip(digests, blobs, strict=True):
            assert await content.load_async(down, digest).raw() == blob
            assert (await down.rpc("content.stats-get"))["size"] <= 10000


async def test_a_mapped_file_is_loaded_through_the_tree_and_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content of a file")
    async with (
        Instance(["content", "content-sqlite"], size=3) as top,
        Instance(["content"], rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(["content"], rank=2, size=3, parent=middle) as end,
    ):
        up, down = await top.connect(), await end.connect()
        digest = blobref.digest(b"content of a file")
        await up.rpc("content.mmap-add", {"path": str(tmp_path / "f"), "chunksize": 0, "tag": "main"})
        assert await content.load_async(down, digest).raw() == b"content of a file"
        assert await failure(up.rpc("content-backing.validate", digest)) == errno.ENOENT
        await content.store_async(down, b"content of a file").raw()
        await up.rpc("content-backing.validate", digest)
        for topic, request in (
            ("mmap-add", {"path": "/x", "chunksize": 0, "tag": "x"}),
            ("mmap-remove", {"tag": "x"}),
            ("unregister-backing", None),
        ):
            assert await failure(down.rpc(f"content.{topic}", request)) == errno.EINVAL


class Store(BrokerModule):
    """A backing store without any blob."""

    name = "content-backing"

    async def start(self) -> None:
        self.loads = 0

    @request_handler("load")
    def load(self, _msg: Any) -> None:
        self.loads += 1
        raise OSError(errno.ENOENT, "unknown")


class Fresh(BrokerModule):
    """A KVS with a blob that is not stored yet."""

    name = "kvs"

    @request_handler("fresh-load")
    def fresh_load(self, msg: Any) -> bytes:
        if msg.raw != blobref.digest(b"fresh"):
            raise OSError(errno.ENOENT, "unknown")
        return b"fresh"


async def test_what_the_store_has_not_is_looked_for_once_and_then_in_the_kvs() -> None:
    async with two(["content", Store, Fresh]) as (upper, lower):
        up, down = await upper.connect(), await lower.connect()
        await up.rpc("content.register-backing", {"name": "content-backing"})
        assert await content.load_async(down, blobref.digest(b"fresh")).raw() == b"fresh"
        store: Any = upper.broker.modules["content-backing"]
        assert store.loads == 1
        load = content.load_async(down, blobref.digest(b"none"))
        with pytest.raises(FileNotFoundError, match="unknown blob sha1-"):
            await load.raw()
        assert store.loads == 2
