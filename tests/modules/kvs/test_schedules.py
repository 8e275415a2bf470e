# SPDX-License-Identifier: LGPL-3.0-or-later
"""Stores and the KVS over a tree of brokers while links break, stand still and lose events, in any order.

What was acknowledged is there in the end, nobody waits for ever, and all ranks have the root of rank 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rosin import content, kvs
from rosin.constants import FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH, FLUX_RPC_STREAMING
from rosin.rfc import treeobj
from rosin.rfc.message import Message
from rosin.testing import Instance
from rosin.testing.tree import InstanceTree

from .test_kvs_service import create, get, put

#: 0 is above 1 and 2, 1 above 3 and 4.
SIZE = 5
BELOW = {1: (3, 4), 2: (), 3: (), 4: ()}
RANKS = st.integers(0, SIZE - 1)
LOWER = st.integers(1, SIZE - 1)
EVENTS = st.one_of(
    st.tuples(st.sampled_from(["commit", "commit", "watch", "version", "store", "namespace"]), RANKS),
    st.tuples(st.sampled_from(["cut", "restart", "deaf", "deaf", "hears"]), LOWER),
    st.tuples(st.just("partition"), st.frozensets(RANKS, min_size=1, max_size=2)),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("pass"), st.sampled_from([0.01, 0.1, 3.0])),
)
#: What happens, and how many turns of the loop pass then.
STEPS = st.tuples(EVENTS, st.sampled_from([0, 1, 4, 200]))


def modules(rank: int) -> list[str]:
    return ["content", *(() if rank else ("content-sqlite",)), "kvs", "kvs-watch"]


def nothing(msg: Any) -> None:
    """Lose an event."""


class Play:
    """A tree, what was asked of it, and what was answered."""

    def __init__(self, tree: InstanceTree) -> None:
        self.tree = tree
        self.asked: list[tuple[int, Any, Callable[[Any], None]]] = []
        #: Those that were cut off, and those below them.
        self.cut: set[int] = set()
        self.commits: dict[str, bytes] = {}
        self.blobs: list[bytes] = []
        self.watched: list[tuple[int, list[bytes | None]]] = []
        self.deaf: dict[int, Any] = {}
        self.count = 0

    def ask(self, rank: int, rpc: Any, answered: Callable[[Any], None] = lambda _: None) -> None:
        self.asked.append((rank, rpc, answered))

    async def step(self, what: str, arg: Any) -> None:
        await getattr(self, f"do_{what}")(arg)

    # -- what clients do ---------------------------------------------------------------------------------

    async def do_commit(self, rank: int) -> None:
        h = await self.tree.connect(rank)
        self.count += 1
        key, data = f"{'abc'[self.count % 3]}.k{self.count}", b"%d" % self.count * (self.count % 4 * 40 + 1)
        self.ask(rank, put(h, key, data), lambda _: self.commits.update({key: data}))
        self.ask(rank, put(h, "last", data))

    async def do_store(self, rank: int) -> None:
        h = await self.tree.connect(rank)
        self.count += 1
        blob = b"blob %d" % self.count
        self.ask(rank, content.store_async(h, blob), lambda _: self.blobs.append(blob))

    async def do_version(self, rank: int) -> None:
        h = await self.tree.connect(rank)
        self.ask(rank, kvs.wait_version_async(h, self.count + 1, kvs.PRIMARY))

    async def do_namespace(self, rank: int) -> None:
        h = await self.tree.connect(rank)
        self.count += 1
        name = f"n{self.count}"
        self.ask(rank, create(h, name))
        self.ask(rank, put(h, "a", b"1", namespace=name))
        self.ask(rank, h.rpc("kvs.namespace-remove", {"namespace": name}))

    async def do_watch(self, rank: int) -> None:
        h = await self.tree.connect(rank)
        request = {"namespace": "primary", "key": "last", "flags": FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE}
        stream = h.rpc("kvs-watch.lookup", request, flags=FLUX_RPC_STREAMING)
        seen: list[bytes | None] = []
        self.watched.append((rank, seen))

        def more(rpc: Any) -> None:
            try:
                seen.append(treeobj.val_data(rpc.get()["val"]))
                rpc.reset()
            except OSError:
                seen.append(None)

        stream.then(more)

    # -- what happens to the tree ------------------------------------------------------------------------

    async def do_cut(self, rank: int) -> None:
        self.tree.network.cut(rank, {1: 0, 2: 0, 3: 1, 4: 1}[rank])
        self.cut |= {rank, *BELOW[rank]}

    async def do_restart(self, rank: int) -> None:
        if rank in BELOW[1] and 1 in self.cut:
            rank = 1
        network, delay = self.tree.network, self.tree.network.delay
        network.heal()
        network.delay = (0.0, 0.0)
        for each in list(self.deaf):  # who joins gets all that comes from then on
            await self.do_hears(each)
        await self.tree.advance(1)
        self.check_cut()
        self.cut -= {rank, *BELOW[rank]}
        for each in (rank, *BELOW[rank]):  # who has lost its parent starts again, too
            await self.tree.restart(each)
            await self.tree.settle()
        await self.begin()
        network.delay = delay

    async def begin(self) -> None:
        """Let all ranks see an event: who has seen none does not know of any that it has missed."""
        for inst in self.tree:
            if inst.rank not in self.cut:
                await kvs.getroot_async(await inst.connect(), kvs.PRIMARY, inst.rank)
        self.tree[0].broker.publish(Message.event("pulse"))
        await self.tree.settle()

    async def do_deaf(self, rank: int) -> None:
        flow = self.tree[rank].broker.events
        if rank not in self.deaf:
            self.deaf[rank] = flow.accept
            flow.accept = nothing  # type: ignore[method-assign]

    async def do_hears(self, rank: int) -> None:
        if rank in self.deaf:
            self.tree[rank].broker.events.accept = self.deaf.pop(rank)  # type: ignore[method-assign]

    async def do_partition(self, ranks: frozenset[int]) -> None:
        self.tree.network.partition(ranks)

    async def do_heal(self, _arg: None) -> None:
        self.tree.network.heal()

    async def do_pass(self, seconds: float) -> None:
        await self.tree.advance(seconds)

    # -- the end -----------------------------------------------------------------------------------------

    async def check(self) -> None:
        tree = self.tree
        tree.network.heal()
        tree.network.delay = (0.0, 0.0)
        await tree.advance(1)
        for rank in list(self.deaf):
            await self.do_hears(rank)
        await tree.advance(3)
        self.check_cut()
        while self.cut:
            await self.do_restart(min(self.cut))
        tree[0].broker.publish(Message.event("pulse"))
        await tree.settle()
        up = await tree.connect()
        now = await kvs.getroot_async(up, kvs.PRIMARY)
        for inst in tree:
            await self.check_rank(inst, now)
        self.count += 1
        while True:  # enough roots for those who wait for a version
            answer = await put(up, "last", b"end")
            if answer["rootseq"] > self.count:
                break
        await tree.advance(3)
        for _, rpc, answered in self.asked:
            assert rpc.is_ready(), f"{rpc.topic} has no answer"
            try:
                result = rpc.get_raw()
            except OSError:
                continue
            answered(result)
        for inst in tree:
            await self.check_rank(inst, answer)
        for rank, seen in self.watched:
            assert seen[-1] in (None, b"end"), (rank, seen)

    def check_cut(self) -> None:
        """Nobody waits for an answer that cannot come."""
        for rank, rpc, _ in self.asked:
            assert rank not in self.cut or rpc.is_ready(), f"{rpc.topic} on rank {rank} has no answer"
        for rank, seen in self.watched:
            assert rank not in self.cut or seen[-1:] == [None], f"a watcher on rank {rank} waits"

    async def check_rank(self, inst: Instance, last: dict[str, Any]) -> None:
        h = await inst.connect()
        root = await kvs.getroot_async(h, kvs.PRIMARY, inst.rank)
        assert (root["rootseq"], root["rootref"]) == (last["rootseq"], last["rootref"])
        for key, data in self.commits.items():
            assert await get(h, key) == data
        for blob in self.blobs:
            digest = await content.store_async(h, blob).raw()
            assert await content.load_async(h, digest).raw() == blob
        stats = await h.rpc("kvs.stats-get")
        assert sum(ns["#transactions"] for ns in stats["namespace"].values()) == 0


async def play(steps: list[tuple[tuple[str, Any], int]], delay: float) -> None:
    async with InstanceTree(SIZE, modules, topo="kary:2") as tree:
        run = Play(tree)
        await run.begin()
        tree.network.delay = (0.0, delay)
        for (what, arg), turns in steps:
            await run.step(what, arg)
            await tree.settle(turns)
        await run.check()


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=30), st.sampled_from([0.0, 0.05]))
def test_any_course(steps: list[tuple[tuple[str, Any], int]], delay: float) -> None:
    asyncio.run(play(steps, delay))
