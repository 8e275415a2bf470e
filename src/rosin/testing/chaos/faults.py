# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done to a tree of brokers."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from rosin.broker.clock import VirtualClock
from rosin.rfc.idset import Idset
from rosin.testing.chaos.world import REST, ChaosWorld

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from rosin.modules.content_sqlite.module import ContentSqlite
    from rosin.testing import Instance

#: The faults, and how often each is in comparison.
FAULTS = {
    "leaf": 4,
    "interior": 3,
    "root": 1,
    "cut": 3,
    "half-open": 2,
    "partition": 3,
    "one-way": 2,
    "delay": 3,
    "stopped": 2,
    "lost-event": 3,
    "rejoin": 2,
    "revoked": 2,
    "full-disk": 1,
    "clock": 1,
    "nothing": 1,
}
#: Seconds after which a connection on which nothing is acknowledged is given up (``tbon.tcp_user_timeout``).
TCP_TIMEOUT = 20.0


class ChaosFaults(ChaosWorld):
    """A world, and what can happen to it: ``kinds``, those of :data:`FAULTS` if nothing is said."""

    def __init__(
        self,
        seed: int,
        directory: str,
        size: int = 7,
        topo: str = "kary:2",
        kinds: Sequence[str] = tuple(FAULTS),
    ) -> None:
        super().__init__(seed, directory, size, topo)
        self.kinds = kinds

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
        self.did.append(f"partition {Idset(sorted(some))}")
        self.tree.network.partition(some)
        await self._until_healed()

    async def _do_one_way(self) -> None:
        """One rank is not heard, or hears nothing; if it lasts its connections are given up."""
        rank, outward = self.random.choice(self.live), self.random.random() < 0.5
        self.did.append(f"nothing passes {'from' if outward else 'to'} {rank}")
        self.tree.network.partition([rank], outward=outward, inward=not outward)
        await self._until_healed()

    async def _until_healed(self) -> None:
        seconds = self.random.choice((0.1, 3.0, 10.0, 40.0, 90.0))
        self.did.append(f"for {seconds} s")
        self.work()
        await self.tree.advance(min(seconds, TCP_TIMEOUT))
        if seconds > TCP_TIMEOUT:
            for rank in self.live:
                if rank and self.tree.network.stands(rank, self._above(rank)):
                    self.tree.network.cut(rank, self._above(rank))
            await self.tree.advance(seconds - TCP_TIMEOUT)
        self.tree.network.heal()

    async def _do_stopped(self) -> None:
        """A broker does nothing for a while; its kernel acknowledges what comes."""
        rank, seconds = self.random.choice(self.live), self.random.choice((1.0, 10.0, 60.0))
        self.did.append(f"stop {rank} for {seconds} s")
        self.tree.network.partition([rank])
        self.work()
        await self.tree.advance(seconds)
        self.tree.network.heal()

    async def _do_lost_event(self) -> None:
        """Events do not arrive at some ranks; the next one that does shows it."""
        ranks = [rank for rank in self.live if rank]
        for rank in self.random.sample(ranks, min(len(ranks), self.random.randint(1, 3))):
            self.tree.network.loss[rank] = self.random.choice((0.2, 0.5, 1.0))
        self.did.append(f"lose events to {self.tree.network.loss}")
        self.work()
        await self.tree.advance(self.random.choice((0.0, 0.1, 5.0)))
        self.work()
        await self.tree.settle()
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

    async def _do_full_disk(self) -> None:
        """The database of rank 0 cannot grow for a while."""
        module: ContentSqlite = self.tree[0].broker.modules["content-sqlite"]  # type: ignore[assignment]
        seconds = self.random.choice((0.0, 1.0, 10.0))
        self.did.append(f"full disk for {seconds} s")
        db = module.db._db
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")
        self.work()
        await self.tree.advance(seconds)
        self.work()
        await self.tree.settle()
        db.execute("PRAGMA max_page_count=1073741823")

    # -- who may not join, or must start again first -------------------------------------------------

    async def _do_revoked(self) -> None:
        """The keys of those below a broker are struck off its list: they end, and are refused."""
        above = self.random.choice([rank for rank in self.live if len(self.subtree(rank)) > 1])
        self.did.append(f"refuse all below {above}")
        self.tree.network.strike(above)
        self.work()
        await self.reap()
        below = [rank for rank in self.subtree(above) if rank != above and self._above(rank) == above]
        rank = self.random.choice(below)
        if rank in self.clients:
            self.problem(f"rank {rank} stays below {above}, where its key is not known any more")
        else:
            await self._refused(rank, "the broker above has ended the connection")
        self.tree.network.heal()

    async def _done(self, what: str, coming: Coroutine[object, object, object]) -> asyncio.Future[object]:
        task = asyncio.ensure_future(coming)
        if not await self.until(task.done, REST):
            self.problem(f"{what} takes more than {REST} s")
            task.cancel()
            await asyncio.wait([task])
        return task

    async def _refused(self, rank: int, why: str) -> None:
        task = await self._done(f"the refusal of rank {rank}", self.tree.restart(rank))
        exc = None if task.cancelled() else task.exception()
        if not isinstance(exc, OSError) or exc.strerror != why:
            self.problem(f"rank {rank} is to be refused, because {why}: {exc!r}")

    async def _do_rejoin(self) -> None:
        """A leaf has lost its place: it ends and says why, and one that starts again may join."""
        rank = self._pick(False)
        if rank is None:
            return
        way = self.random.choice(("send away", "start twice", "unnoticed"))
        self.did.append(f"{way} {rank}")
        self.work()
        if way == "send away":
            h = self.clients[self._above(rank)]
            await self.wait(way, h.rpc("overlay.disconnect-subtree", {"rank": rank}))
            await self.tree.settle()
            self._check_sent_away(rank, self.tree[rank])
        elif way == "start twice":
            await self._start_twice(rank)
        else:  # the one above learns of its end when it has another one already
            notice = self.tree.network.half_open(rank, self._above(rank), rank)
            await self.gone(rank)
            await self.start(rank)
            notice()

    async def _start_twice(self, rank: int) -> None:
        """The newer one is let in; the older one learns of it with its next message."""
        del self.clients[rank]
        older = self.tree[rank]
        task = await self._done(f"another rank {rank}", self.tree.replace(rank))
        if task.cancelled() or task.exception() is not None:
            self.problem(f"another rank {rank} does not come up")
            return
        await self._online(rank)
        await self.tree.advance(10.0)  # signs of life are some of its messages
        self._check_sent_away(rank, older)
        await older.stop()

    def _check_sent_away(self, rank: int, broker: Instance) -> None:
        above = broker.links.above
        if above is None or above.parent is not None:
            self.problem(f"rank {rank} has not ended, though its place was taken from it")
        elif not any("sent disconnect control message" in line for line in broker.logged()):
            self.problem(f"rank {rank} does not say why it ends")

    def _lower(self) -> int | None:
        ranks = [rank for rank in self.live if rank]
        return self.random.choice(ranks) if ranks else None

    def _above(self, rank: int) -> int:
        above = self.tree[0].links.tree.parent(rank)
        assert above is not None
        return above
