# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content cache above rank 0."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
            assert await content.store_async(down, blob).raw() == known
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
