# SPDX-License-Identifier: LGPL-3.0-or-later
"""A tree of brokers to which everything happens that can happen to hosts and networks, by seed.

Each round gives the tree work from any of its brokers, does something to it, heals what can heal, starts
again who had to end, and looks whether anything is lost, twice, stuck or held on to. Time is virtual, so that
a minute of silence takes a millisecond. The brokers are those of a real instance, on
:class:`rosin.testing.network.MemoryNetwork`; jobs are mock jobs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from rosin.testing.chaos.checks import ChaosChecks
from rosin.testing.chaos.faults import FAULTS as FAULTS
from rosin.testing.chaos.world import REST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class ChaosTree(ChaosChecks):
    """A tree that lives through rounds."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.check_survivors()
        self.pending = {rank: self.tree[rank].links.pending() for rank in self.live}
        return self

    async def round(self) -> None:
        """Work, a fault, healing, and whether all is well."""
        self.did = []
        self.work()
        if self.random.random() < 0.5:
            await self.tree.settle(self.random.randint(0, 30))
        (kind,) = self.random.choices(self.kinds, [FAULTS[kind] for kind in self.kinds])
        self.faults[kind] += 1
        await self.fault(kind)
        self.work()
        await self.reap()
        self.work()
        await self.until(lambda: all(call.future.is_ready() for call in self.living()), REST)
        self.collect(stuck=True)
        await self.check_survivors()
        dead = [rank for rank in range(self.size) if rank not in self.clients]
        if self.random.random() < 0.7:
            await self.restart(dead)


async def live(
    seed: int, rounds: int, size: int = 7, topo: str = "kary:2", kinds: Sequence[str] = tuple(FAULTS)
) -> ChaosTree:
    """Let a tree live through some rounds, or up to the first in which something is wrong."""
    directory = tempfile.mkdtemp(prefix="rosin-chaos-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    state = os.path.join(directory, "state")
    os.mkdir(state)
    try:
        async with ChaosTree(seed, state, size, topo, kinds) as tree:
            for number in range(1, rounds + 1):
                await tree.round()
                if tree.problems:
                    tree.did.insert(0, f"round {number}")
                    return tree
            tree.did = [f"after round {rounds}"]
            await tree.finish()
            return tree
    finally:
        shutil.rmtree(directory)
