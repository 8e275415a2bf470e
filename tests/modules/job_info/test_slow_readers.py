# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who follows a large log and does not read has a piece of it kept, not all of it."""

import asyncio
import json
from typing import Any

import pytest

from rosin.constants import FLUX_KVS_APPEND, FLUX_RPC_STREAMING
from rosin.modules.kvs_watch.watcher import WINDOW
from rosin.rfc import jobpath, treeobj
from rosin.testing import Instance
from rosin.testing.instance import MemoryFlux

ID = 0x1234
PIECES = 60
LINE = json.dumps({"timestamp": 1.0, "name": "x", "context": {"pad": "x" * (1 << 20)}}) + "\n"


class Reader:
    """A client that does not read until it is told to."""

    def __init__(self, h: MemoryFlux) -> None:
        self.reading = asyncio.Event()
        client: Any = h.client
        client.backlog = lambda: 0 if self.reading.is_set() else 1 << 30
        client.drained = self.reading.wait


def entry(name: str, **context: Any) -> str:
    return json.dumps({"timestamp": 1.0, "name": name, "context": context}) + "\n"


async def put(h: MemoryFlux, text: str, flags: int = FLUX_KVS_APPEND) -> None:
    op = {"key": jobpath.job_key(ID, "log"), "flags": flags, "dirent": treeobj.val(text.encode())}
    await h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]})


@pytest.mark.parametrize("late", [False, True], ids=["a log that exists", "a log that grows"])
async def test_a_log_is_kept_in_part_and_delivered_whole(late: bool) -> None:
    async with Instance(["content", "content-sqlite", "kvs", "kvs-watch", "job-info"]) as inst:
        h, follower = await inst.connect(), await inst.connect()
        reader = Reader(follower)
        await put(h, entry("first"))
        watch_now = asyncio.Event()

        async def follow() -> int:
            await watch_now.wait()
            request = {"id": ID, "path": "log", "flags": 0}
            rpc = follower.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
            size = 0
            async for msg in rpc.amessages():
                for event in (
                    msg.data["event"] if isinstance(msg.data["event"], list) else [msg.data["event"]]
                ):
                    size += len(event)
                if "last" in msg.text:
                    break
            return size

        task = asyncio.create_task(follow())
        if late:
            watch_now.set()
            await inst.settle()
        for _ in range(PIECES):
            await put(h, LINE)
            await inst.settle()
        await put(h, entry("last"))
        watch_now.set()
        await inst.settle(500)
        watch: Any = inst.broker.modules["kvs-watch"]
        (watcher,) = watch.watchers
        assert watcher.stalled
        assert watcher.unread == WINDOW
        assert watcher.offset < (WINDOW + 1) * (len(LINE) + 100)
        reader.reading.set()
        assert await task >= PIECES * (1 << 20)
        assert not watcher.stalled


async def test_what_is_replaced_meanwhile_is_told() -> None:
    async with Instance(["content", "content-sqlite", "kvs", "kvs-watch", "job-info"]) as inst:
        h, follower = await inst.connect(), await inst.connect()
        reader = Reader(follower)
        await put(h, entry("first"))
        request = {"id": ID, "path": "log", "flags": 0}
        rpc = follower.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
        await inst.settle()
        for _ in range(WINDOW + 4):
            await put(h, LINE)
            await inst.settle()
        await put(h, LINE * (WINDOW + 9), flags=0)
        await inst.settle()
        await put(h, entry("more"))
        await inst.settle()
        reader.reading.set()
        with pytest.raises(OSError, match="overwritten"):
            async for _ in rpc.amessages():
                pass
