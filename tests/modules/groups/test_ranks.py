# SPDX-License-Identifier: LGPL-3.0-or-later
"""Groups over a tree of brokers: the reduction, and brokers that are lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.testing.tree import InstanceTree

ONLINE = {"name": "broker.online"}


@asynccontextmanager
async def online(size: int = 7, **options: Any) -> AsyncIterator[InstanceTree]:
    """A binary tree whose brokers are all in ``broker.online``."""
    async with InstanceTree(size, ["groups"], topo="kary:2", **options) as tree:
        for inst in tree:
            await (await inst.connect()).rpc("groups.join", ONLINE)
        await tree.advance(0.5)
        yield tree


async def members(tree: InstanceTree, name: str = "broker.online") -> str:
    answer = await (await tree.connect()).rpc("groups.get", {"name": name})
    return str(answer["members"])


async def subtree(tree: InstanceTree, rank: int) -> Any:
    return (await (await tree.connect(rank)).rpc("groups.stats-get"))["subtree"]


async def test_each_broker_knows_its_subtree_and_rank_0_all() -> None:
    async with online() as tree:
        assert await members(tree) == "0-6"
        assert await subtree(tree, 1) == {"broker.online": "1,3-4"}
        assert await subtree(tree, 6) == {"broker.online": "6"}
        h = await tree.connect(2)
        await h.rpc("groups.join", {"name": "x"})
        await tree.settle()
        assert await members(tree, "x") == "2"
        await h.close()
        await tree.advance(0.1)
        assert await members(tree, "x") == ""


async def test_the_first_change_goes_up_at_once_and_those_that_follow_go_together() -> None:
    async with InstanceTree(14, ["groups"], topo="kary:12") as tree:
        handles = [await tree.connect(rank) for rank in (1, 13)]
        before = tree.network.passed[1, 0]
        for number in range(10):
            await handles[1].rpc("groups.join", {"name": f"g{number}"})
            await tree.settle()
        assert await members(tree, "g0") == "13"
        assert await members(tree, "g1") == ""
        await tree.advance(0.3)
        assert [await members(tree, f"g{number}") for number in range(10)] == ["13"] * 10
        assert tree.network.passed[1, 0] - before == 2


@pytest.mark.parametrize("size", [100, 200])
async def test_updates_per_hop_do_not_grow_with_the_tree(size: int) -> None:
    async with InstanceTree(size, ["groups"], topo="kary:8") as tree:
        before = dict(tree.network.passed)
        for inst in tree:
            await (await inst.connect()).rpc("groups.join", ONLINE)
        await tree.advance(1)
        assert await members(tree) == f"0-{size - 1}"
        sent = [tree.network.passed[hop] - before.get(hop, 0) for hop in before if hop[0] > hop[1]]
        assert max(sent) <= 4


@pytest.mark.parametrize(("gone", "left"), [(6, "0-5"), (1, "0,2,5-6"), (2, "0-1,3-4")])
async def test_a_broker_that_is_lost_leaves_with_those_below_it(gone: int, left: str) -> None:
    async with online() as tree:
        watch = aiter((await tree.connect()).rpc("groups.get", ONLINE, flags=FLUX_RPC_STREAMING))
        assert await anext(watch) == {"members": "0-6"}
        await tree.kill(gone)
        await tree.advance(0.5)
        assert await anext(watch) == {"members": left}


async def test_a_broker_that_says_goodbye_leaves() -> None:
    async with online() as tree:
        await tree[5].stop()
        await tree.advance(0.5)
        assert await members(tree) == "0-4,6"


async def test_what_was_said_before_the_loss_counts_and_is_undone() -> None:
    async with online() as tree:
        await (await tree.connect(6)).rpc("groups.join", {"name": "x"})
        await tree.settle()
        await tree.kill(6)
        await tree.advance(0.5)
        assert await members(tree, "x") == ""
        assert await subtree(tree, 2) == {"broker.online": "2,5", "x": ""}


async def test_a_broker_that_comes_back_joins_again() -> None:
    async with online() as tree:
        await tree.restart(6)
        await (await tree.connect(6)).rpc("groups.join", ONLINE)
        await tree.advance(0.5)
        assert await members(tree) == "0-6"


async def test_silent_brokers_are_torpid_until_they_are_heard_or_lost() -> None:
    async with online(attrs={"tbon.torpid_max": "30s"}) as tree:
        tree.network.partition({2, 5, 6})
        await tree.advance(60)
        assert await members(tree, "broker.torpid") == "2"
        tree.network.heal()
        await tree.advance(60)
        assert await members(tree, "broker.torpid") == ""
        tree.network.partition({4})
        await tree.advance(60)
        assert await members(tree, "broker.torpid") == "4"
        await tree.kill(4)
        await tree.advance(1)
        assert await members(tree, "broker.torpid") == ""
