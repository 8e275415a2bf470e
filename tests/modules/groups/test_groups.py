# SPDX-License-Identifier: LGPL-3.0-or-later
"""The groups service, as clients see it."""

from __future__ import annotations

import errno

import pytest

from rosin.constants import FLUX_ROLE_OWNER, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.testing.instance import Instance


async def test_join_get_leave() -> None:
    async with Instance(["groups"]) as inst:
        h = await inst.connect()
        assert await h.rpc("groups.get", {"name": "x"}) == {"members": ""}
        assert await h.rpc("groups.join", {"name": "x"}) is None
        await inst.settle()
        assert await h.rpc("groups.get", {"name": "x"}) == {"members": "0"}
        assert await h.rpc("groups.stats-get", {}) == {"subtree": {"x": "0"}}
        assert await h.rpc("groups.leave", {"name": "x"}) is None
        await inst.settle()
        assert await h.rpc("groups.get", {"name": "x"}) == {"members": ""}


async def test_errors() -> None:
    async with Instance(["groups"]) as inst:
        h = await inst.connect()
        await h.rpc("groups.join", {"name": "x"})
        with pytest.raises(FileExistsError, match="rank 0 is already a member of x"):
            await h.rpc("groups.join", {"name": "x"})
        with pytest.raises(FileNotFoundError, match="rank 0 is not a member of y"):
            await h.rpc("groups.leave", {"name": "y"})
        with pytest.raises(OSError, match="name") as error:
            await h.rpc("groups.get", {})
        assert error.value.errno == errno.EPROTO
        remote = await inst.connect(rolemask=FLUX_ROLE_OWNER)
        with pytest.raises(OSError, match="restricted to the local broker"):
            await remote.rpc("groups.join", {"name": "z"})
        guest = await inst.connect(userid=12345)
        with pytest.raises(PermissionError):
            await guest.rpc("groups.join", {"name": "z"})
        assert await guest.rpc("groups.get", {"name": "x"}) == {"members": "0"}


async def test_get_is_for_rank_0() -> None:
    async with Instance(["groups"], attrs={"rank": "1"}) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="only available on rank 0"):
            await h.rpc("groups.get", {"name": "x"})


async def test_stream_follows_changes_and_a_client_that_goes_leaves() -> None:
    async with Instance(["groups"]) as inst:
        watcher, member = await inst.connect(), await inst.connect()
        stream = watcher.rpc("groups.get", {"name": "x"}, flags=FLUX_RPC_STREAMING)
        seen = aiter(stream)
        assert await anext(seen) == {"members": ""}
        await member.rpc("groups.join", {"name": "x"})
        assert await anext(seen) == {"members": "0"}
        await member.close()
        assert await anext(seen) == {"members": ""}
        stream.cancel()
        assert [answer async for answer in seen] == []
        assert not inst.broker.modules["groups"].watchers  # type: ignore[attr-defined]


async def test_a_watcher_that_goes_is_forgotten() -> None:
    async with Instance(["groups"]) as inst:
        h = await inst.connect()
        await h.rpc("groups.get", {"name": "x"}, flags=FLUX_RPC_STREAMING)
        await h.rpc("groups.get", {"name": "y"}, flags=FLUX_RPC_STREAMING)
        module = inst.broker.modules["groups"]
        assert {waiter.key for waiter in module.watchers} == {"x", "y"}  # type: ignore[attr-defined]
        await h.close()
        await inst.settle()
        assert not module.watchers  # type: ignore[attr-defined]


async def test_update_from_below() -> None:
    async with Instance(["groups"], size=8) as inst:
        h = await inst.connect()
        update = {"x": [{"ranks": "4-7", "set": True}, {"ranks": "5", "set": False}]}
        h.rpc("groups.update", {"update": update}, flags=FLUX_RPC_NORESPONSE)
        await inst.settle()
        assert await h.rpc("groups.get", {"name": "x"}) == {"members": "4,6-7"}


async def test_the_end_of_the_service_ends_its_streams() -> None:
    async with Instance(["groups"]) as inst:
        h = await inst.connect()
        stream = aiter(h.rpc("groups.get", {"name": "g"}, flags=FLUX_RPC_STREAMING))
        assert await anext(stream) == {"members": ""}
        await h.rpc("module.remove", {"name": "groups"})
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
