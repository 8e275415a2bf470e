# SPDX-License-Identifier: LGPL-3.0-or-later
"""The heartbeat over a tree: it comes everywhere, and its absence is told and ends the connection."""

from __future__ import annotations

from rosin.testing.tree import InstanceTree


async def count(tree: InstanceTree, rank: int) -> int:
    return int((await (await tree.connect(rank)).rpc("heartbeat.stats-get"))["count"])


async def test_a_pulse_comes_to_every_rank_once() -> None:
    async with InstanceTree(7, ["heartbeat"], topo="kary:2") as tree:
        await tree.advance(1)
        counts = [await count(tree, rank) for rank in range(7)]
        passed = tree.network.passed.copy()
        await tree.advance(20)
        assert [await count(tree, rank) - before for rank, before in enumerate(counts)] == [10] * 7
        hops = [(parent, child) for parent, child in passed if parent < child]
        assert len(hops) == 6
        assert {tree.network.passed[hop] - passed[hop] for hop in hops} == {10}


async def test_silence_is_told_on_both_sides_of_its_end() -> None:
    async with InstanceTree(3, ["heartbeat"], topo="kary:1") as tree:
        await tree.advance(5)
        tree.network.partition({1, 2})
        await tree.advance(10)
        for rank in (1, 2):
            assert len(tree.logged(rank, "heartbeat overdue")) == 1
        assert not tree.logged(0, "heartbeat")
        tree.network.heal()
        await tree.advance(5)
        for rank in (1, 2):
            assert len(tree.logged(rank, "heartbeat received")) == 1


async def test_who_hears_nothing_for_too_long_leaves() -> None:
    async with InstanceTree(3, ["heartbeat"], topo="kary:1", config={"heartbeat": {"timeout": "1m"}}) as tree:
        await tree.advance(5)
        tree.network.partition({1, 2})
        await tree.advance(55)
        assert tree[1].broker.router.parent is not None
        await tree.advance(20)
        assert tree.logged(1, "no heartbeat for 1")
        assert tree[1].broker.router.parent is None
