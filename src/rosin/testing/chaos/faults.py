# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done to a tree of brokers."""

from __future__ import annotations

import os
import shutil

from rosin.broker.clock import VirtualClock
from rosin.rfc.idset import Idset
from rosin.testing.chaos.world import ChaosWorld

#: The faults, and how often each is in comparison.
FAULTS = {
    "leaf": 4,
    "interior": 3,
    "root": 1,
    "cut": 3,
    "half-open": 2,
    "partition": 3,
    "delay": 3,
    "clock": 1,
    "nothing": 1,
}
#: Seconds after which a connection on which nothing is acknowledged is given up (``tbon.tcp_user_timeout``).
TCP_TIMEOUT = 20.0


class ChaosFaults(ChaosWorld):
    """A world, and what can happen to it."""

    async def fault(self, kind: str) -> None:
        """Do one of :data:`FAULTS`."""
        await getattr(self, f"_do_{kind.replace('-', '_')}")()

    def _pick(self, interior: bool) -> int | None:
        ranks = [rank for rank in self.live if rank and (len(self.subtree(rank)) > 1) == interior]
        return self.random.choice(ranks) if ranks else None

    async def _do_nothing(self) -> None:
        """A round like any other day."""

    async def _do_leaf(self) -> None:
        await self._kill(self._pick(False))

    async def _do_interior(self) -> None:
        await self._kill(self._pick(True))

    async def _kill(self, rank: int | None) -> None:
        if rank is not None:
            self.did.append(f"kill {rank}")
            await self.gone(rank)

    async def _do_root(self) -> None:
        """kill -9 of rank 0: its database is as it was at that moment, whatever its orderly end would do."""
        self.did.append("kill 0")
        self.collect(stuck=False)
        saved = f"{self.directory}.saved"
        shutil.copytree(self.directory, saved)
        for rank in self.live:
            await self.gone(rank)
        shutil.rmtree(self.directory)
        os.rename(saved, self.directory)
        await self.start(0)

    async def _do_cut(self) -> None:
        """A connection breaks, and both ends notice it."""
        rank = self._lower()
        if rank is not None:
            self.did.append(f"cut {rank}")
            self.tree.network.cut(rank, self._above(rank))

    async def _do_half_open(self) -> None:
        """A connection breaks, and one end notices it later than the other."""
        rank = self._lower()
        if rank is None:
            return
        above = self._above(rank)
        first = self.random.choice((rank, above))
        self.did.append(f"half-open {rank}-{above}, noticed by {first}")
        notice = self.tree.network.half_open(rank, above, first)
        self.work()
        await self.tree.advance(self.random.uniform(0, TCP_TIMEOUT))
        notice()

    async def _do_partition(self) -> None:
        """Nothing passes between some and the others; if it lasts the connections are given up."""
        some = self.random.sample(range(self.size), self.random.randint(1, self.size - 1))
        seconds = self.random.choice((0.1, 3.0, 10.0, 40.0, 90.0))
        self.did.append(f"partition {Idset(sorted(some))} for {seconds} s")
        self.tree.network.partition(some)
        self.work()
        await self.tree.advance(min(seconds, TCP_TIMEOUT))
        if seconds > TCP_TIMEOUT:
            for rank in self.live:
                if rank and self.tree.network.stands(rank, self._above(rank)):
                    self.tree.network.cut(rank, self._above(rank))
            await self.tree.advance(seconds - TCP_TIMEOUT)
        self.tree.network.heal()

    async def _do_delay(self) -> None:
        """Every message takes its time, and somebody is killed meanwhile, perhaps."""
        longest = self.random.choice((0.001, 0.2, 2.0))
        self.did.append(f"delay {longest} s")
        self.tree.network.delay = (0.0, longest)
        self.work()
        await self.tree.advance(self.random.uniform(0, 3 * longest))
        if self.random.random() < 0.5:
            await self._kill(self._pick(self.random.random() < 0.5))
        self.work()
        await self.tree.advance(10 * longest)
        self.tree.network.delay = (0.0, 0.0)
        await self.tree.advance(2 * longest)

    async def _do_clock(self) -> None:
        """The wall clock steps, an hour at most."""
        seconds = self.random.uniform(-3600, 3600)
        self.did.append(f"clock {seconds:+.0f} s")
        assert isinstance(self.tree.clock, VirtualClock)
        self.tree.clock.set_wall(seconds)

    def _lower(self) -> int | None:
        ranks = [rank for rank in self.live if rank]
        return self.random.choice(ranks) if ranks else None

    def _above(self, rank: int) -> int:
        above = self.tree[0].links.tree.parent(rank)
        assert above is not None
        return above
