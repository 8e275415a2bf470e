# SPDX-License-Identifier: LGPL-3.0-or-later
"""Drained and excluded nodes, and what is recorded of them."""

import asyncio
import errno

import pytest

from rosin.rfc import eventlog
from rosin.testing import Instance

from .test_service import FOUR, fails, four_nodes


async def test_drain_errors(kvs, groups):
    async with four_nodes(kvs, groups, exclude="3") as inst:
        h = await inst.connect()

        async def refused(errnum, topic="drain", **args):
            return await fails(errnum, h.rpc(f"resource.{topic}", args))

        assert "out of range" in await refused(errno.EINVAL, targets="9")
        assert await refused(errno.EINVAL, targets="") == "idset is empty"
        assert await refused(errno.EINVAL, targets="x[0-1]") == "invalid targets: invalid hosts: x[0-1]"
        assert "Invalid mode" in await refused(errno.EINVAL, targets="0", mode="zz")
        assert await refused(errno.EEXIST, "undrain", targets="0-1") == "ranks 0-1 not drained"
        assert await refused(errno.EINVAL, targets="3") == "rank 3 excluded"
        await refused(errno.EPROTO)
        await h.rpc("resource.drain", {"targets": "0"})
        await h.rpc("resource.drain", {"targets": "0", "reason": "x"})  # gives the missing reason
        assert await refused(errno.EEXIST, targets="0-1", reason="y") == "rank 0 already drained"
        assert (await h.rpc("resource.status"))["drain"]["0"]["reason"] == "x"
        guest = await inst.connect(userid=1234, rolemask=2)
        await fails(errno.EPERM, guest.rpc("resource.drain", {"targets": "1"}))
        assert (await guest.rpc("resource.status"))["drain"].keys() == {"0"}


@pytest.mark.rfc(44, "overwrite")
async def test_what_a_second_drain_changes(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        modes = {"0": "update", "1": "overwrite", "2": "force-overwrite"}
        await h.rpc("resource.drain", {"targets": "0-2", "reason": "old"})
        await inst.advance(5.0)
        for target, mode in modes.items():
            await h.rpc("resource.drain", {"targets": target, "mode": mode, "reason": "new"})
        drained = (await h.rpc("resource.status"))["drain"]
        assert [drained[target]["reason"] for target in modes] == ["old", "new", "new"]
        since = [drained[target]["timestamp"] for target in modes]
        assert [since[1] - since[0], since[2] - since[0]] == [0.0, 5.0]


async def test_failed_commit_changes_nothing(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        kvs.fail = (errno.ENOSPC, "No space left on device")
        assert await fails(errno.ENOSPC, h.rpc("resource.drain", {"targets": "0"})) == kvs.fail[1]
        kvs.fail = None
        assert (await h.rpc("resource.status"))["drain"] == {}
        await h.rpc("resource.drain", {"targets": "0"})


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.rfc(44, "kept", "remap")
async def test_drain_survives_restart_on_its_host(kvs, groups, clean):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        await h.rpc("resource.drain", {"targets": "1,3", "reason": "fan"})
        await h.rpc("resource.undrain", {"targets": "3"})
    if not clean:  # as after kill -9: no checkpoint was written
        del kvs.data["checkpoint.resource"]
    config = {"resource": {**FOUR, "config": [{"hosts": "node1,node0,node[2-3]", "cores": "0-3"}]}}
    attrs = {"size": "4", "hostlist": "node1,node0,node[2-3]"}
    async with Instance(modules=[kvs, groups, "resource"], config=config, attrs=attrs) as inst:
        h = await inst.connect()
        (item,) = (await h.rpc("resource.status"))["drain"].items()
        assert (item[0], item[1]["reason"]) == ("0", "fan")


async def test_excluded_ranks_are_undrained(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        await (await inst.connect()).rpc("resource.drain", {"targets": "2", "reason": "x"})
    async with four_nodes(kvs, groups, exclude="2") as inst:
        h = await inst.connect()
        assert (await h.rpc("resource.status"))["drain"] == {}
        assert eventlog.decode(kvs.data["resource.eventlog"])[-1].name == "undrain"


async def test_ranks_that_are_drained_at_once_share_a_commit(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        before = len(kvs.commits)
        requests = [{"targets": str(rank), "reason": "less", "mode": "update"} for rank in range(4)]
        await asyncio.gather(*(h.rpc("resource.drain", request) for request in requests))
        assert kvs.commits[before:] == [["resource.eventlog"]]
        assert [*(await h.rpc("resource.status"))["drain"]] == ["0-3"]
        # What fails when a rank is drained already waits for what was asked for before.
        requests = [{"targets": "0", "reason": "x"}] * 2
        await h.rpc("resource.undrain", {"targets": "0"})
        done = await asyncio.gather(
            *(h.rpc("resource.drain", request) for request in requests), return_exceptions=True
        )
        assert [type(each) for each in done] == [type(None), FileExistsError]
