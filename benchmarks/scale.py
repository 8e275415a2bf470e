# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a tree of thousands of brokers costs in messages and memory: real brokers, in one process.

``python -m benchmarks.scale [--sizes 10 100 1000 10000] [--topo kary:32] [--svg FILE] [--page FILE]``. Each
message takes a millisecond from broker to broker on a virtual clock, so that a time is a number of hops. For
each thing that an instance does: all messages, those on the busiest link, those that rank 0 gets and sends,
and how long it takes; memory by broker. ``--page`` writes the tables into a page, between its marks.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import scale_plot
from rosin.content import load_async, store_async
from rosin.kvs import PRIMARY, KVSTxn, getroot_async
from rosin.testing.tree import InstanceTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.testing import MemoryFlux

HOP = 0.001
_MARK = "<!-- written by benchmarks/scale.py -->"
_MODULES = ("content", "kvs", "groups")
#: Seconds in which anything must be over.
_LIMIT = 30.0


class Cost(NamedTuple):
    """What one thing cost a tree."""

    what: str
    messages: int
    busiest: int
    root: int
    hops: int


class Scale:
    """Measures one tree; ``costs`` are what was found; ``memory`` and ``cpu`` bytes and seconds a broker."""

    def __init__(self, size: int, topo: str) -> None:
        self.size, self.topo = size, topo
        self.tree = InstanceTree(size, _MODULES, topo=topo)
        self.costs: list[Cost] = []
        self.memory = 0.0
        self.cpu = 0.0
        self.depth = 0

    async def run(self) -> None:
        """Start the tree, and do everything."""
        gc.collect()
        memory, began = _resident(), time.process_time()
        before = Counter(self.tree.network.passed)
        async with self.tree as tree:
            await tree.settle()
            self.cpu = (time.process_time() - began) / self.size
            self._note("hello, modules", before, 0.0)
            gc.collect()
            self.memory = (_resident() - memory) / self.size
            self.depth = tree[0].links.tree.depth
            tree.network.delay = (HOP, HOP)
            await self._all()

    async def _all(self) -> None:
        last = self.size - 1
        root, leaf = await self.tree.connect(0), await self.tree.connect(last)
        ping = {"seq": 0}
        await self._measure("RPC, root to last rank", root.rpc("broker.ping", ping, last).is_ready)
        await leaf.event_subscribe("scale")
        got: list[Any] = []
        leaf.on_event("scale", got.append)
        leaf.event_send("scale")
        await self._measure("event from last rank to all", lambda: bool(got))
        clients = [await self.tree.connect(rank) for rank in range(self.size)]
        await self._groups(clients)
        await self._faults(clients)
        await self._commit(clients)
        await self._health(root)
        await self._loss()

    async def _groups(self, clients: list[MemoryFlux]) -> None:
        """All join a group in the same moment, as after a start."""
        for h in clients:
            h.rpc("groups.join", {"name": "broker.online"})
        groups: Any = self.tree[0].broker.modules["groups"]
        await self._measure(
            "all join a group", lambda: len(groups.membership.members("broker.online")) == self.size
        )

    async def _faults(self, clients: list[MemoryFlux]) -> None:
        """All want the same blob, which rank 0 alone has."""
        digest = await self._answer(store_async(clients[0], b"scale" * 1000))
        loads = [load_async(h, digest) for h in clients]
        await self._measure("all load one blob", lambda: all(load.is_ready() for load in loads))

    async def _commit(self, clients: list[MemoryFlux]) -> None:
        """A commit on the last rank, until it is seen on every other."""
        for h in clients:
            getroot_async(h, PRIMARY)  # they follow the namespace from now on
        await self.tree.advance(1.0)
        txn = KVSTxn(clients[-1], namespace=PRIMARY)
        txn.put("scale", self.size)
        txn.commit_async()
        kvs: list[Any] = [self.tree[rank].broker.modules["kvs"] for rank in range(self.size)]
        version = kvs[0].namespaces[PRIMARY].seq + 1
        await self._measure(
            "KVS commit on last rank, seen by all",
            lambda: all(each.namespaces[PRIMARY].seq == version for each in kvs),
        )

    async def _health(self, root: MemoryFlux) -> None:
        """What `rosin overlay status` asks: each broker that has others below it."""
        ranks = self.tree[0].links.tree.internal()
        asked = [root.rpc("overlay.health", None, rank) for rank in ranks]
        await self._measure("health of all, from rank 0", lambda: all(rpc.is_ready() for rpc in asked))

    async def _loss(self) -> None:
        """The last rank is lost, until rank 0 knows: its status, and that the group is smaller."""
        groups: Any = self.tree[0].broker.modules["groups"]
        self.tree.network.kill(self.size - 1)
        await self._measure(
            "loss of last rank, known at rank 0",
            lambda: (
                self.tree[0].links.children.status == "degraded"
                and len(groups.membership.members("broker.online")) == self.size - 1
            ),
        )

    # -- how ----------------------------------------------------------------------------------------

    async def _answer(self, rpc: Any) -> Any:
        await self.tree.advance(1.0)
        return rpc.get_raw()

    async def _measure(self, what: str, done: Callable[[], bool]) -> None:
        """Let time pass hop by hop until something has happened."""
        before, clock = Counter(self.tree.network.passed), self.tree.clock
        began = clock.monotonic()
        while not done():
            if clock.monotonic() - began > _LIMIT:
                raise TimeoutError(f"{what}: not within {_LIMIT} s")
            await self.tree.advance(HOP)
        took = clock.monotonic() - began
        await self.tree.advance(1.0)  # what comes after it belongs to it
        self._note(what, before, took)

    def _note(self, what: str, before: Counter[tuple[int, int]], took: float) -> None:
        passed = self.tree.network.passed - before
        root = sum(count for link, count in passed.items() if 0 in link)
        self.costs.append(
            Cost(what, passed.total(), max(passed.values(), default=0), root, round(took / HOP))
        )


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _tables(found: list[dict[str, Any]]) -> str:
    lines = [
        "",
        "| brokers | depth | KiB by broker | CPU ms by broker at the start |",
        "|---:|---:|---:|---:|",
    ]
    for each in found:
        memory, cpu = each["memory"] / 1024, 1000 * each["cpu"]
        lines.append(f"| {each['size']} | {each['depth']} | {memory:.0f} | {cpu:.1f} |")
    sizes = [each["size"] for each in found]
    for column, title in ((1, "messages in all"), (2, "on the busiest link, one way"), (3, "of rank 0")):
        lines += ["", f"| {title} | " + " | ".join(map(str, sizes)) + " |", "|---|" + "---:|" * len(sizes)]
        lines += _rows(found, column, "d")
    lines += ["", "| time in hops | " + " | ".join(map(str, sizes)) + " |", "|---|" + "---:|" * len(sizes)]
    return "\n".join([*lines, *_rows(found, 4, "d"), ""])


def _rows(found: list[dict[str, Any]], column: int, form: str) -> list[str]:
    return [
        f"| {costs[0][0]} | " + " | ".join(format(cost[column], form) for cost in costs) + " |"
        for costs in zip(*(each["costs"] for each in found), strict=True)
        if column != 4 or costs[-1][4]
    ]


def main() -> int:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000, 10_000], help="brokers")
    parser.add_argument("--topo", default="kary:32", help="shape of the tree, as tbon.topo")
    parser.add_argument("--json", metavar="FILE", help="write the numbers")
    parser.add_argument("--svg", metavar="FILE", help="draw them")
    parser.add_argument("--page", metavar="FILE", help="write the tables into a page")
    args = parser.parse_args()
    found = []
    gc.disable()  # a collection looks at all brokers, as in no real instance
    for size in args.sizes:
        scale = Scale(size, args.topo)
        asyncio.run(scale.run())
        names = ("size", "topo", "depth", "memory", "cpu", "costs")
        found.append({name: getattr(scale, name) for name in names})
        del scale
        print(f"{size} brokers, {args.topo}", file=sys.stderr, flush=True)
    print(_tables(found))
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1))
    if args.svg:
        Path(args.svg).write_text(scale_plot.draw(found))
    if args.page:
        page = Path(args.page)
        before, _, rest = page.read_text().partition(_MARK)
        page.write_text(f"{before}{_MARK}\n{_tables(found)}\n{_MARK}{rest.partition(_MARK)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
