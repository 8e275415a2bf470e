# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done to brokers that are processes, to their hosts and to the network between these."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rosin.handle import Flux
from rosin.rfc.idset import Idset
from rosin.testing.chaos.hostworld import HostWorld

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

#: What a broker says that must start again before it may join.
_SENT_AWAY, _LOST = "sent disconnect control message", "lost connection to"
_REFUSED = "does not accept the key of this broker"
_AGAIN = "reconnected after crash, dropping old connection state"


class HostFaults(HostWorld):
    """A world, and what can happen to it."""

    def fault(self, kind: str) -> None:
        """Do one of the faults."""
        getattr(self, f"_do_{kind.replace('-', '_')}")()

    def _some(self, interior: bool) -> int:
        ranks = [rank for rank in self.all if rank and bool(self.cluster.children(rank)) == interior]
        return self.random.choice(ranks)

    def _do_nothing(self) -> None:
        """A round like any other day."""

    # -- brokers are killed or stopped --------------------------------------------------------------

    def _kill(self, rank: int) -> None:
        self.did += f" {rank}"
        time.sleep(self.random.uniform(0, 0.3))
        if rank in self.cluster.live:
            self.cluster.kill(rank)

    def _do_leaf(self) -> None:
        self._kill(self._some(False))

    def _do_interior(self) -> None:
        self._kill(self._some(True))

    def _do_root(self) -> None:
        self._kill(0)

    def _do_stopped(self) -> None:
        """Its kernel goes on acknowledging what comes; it is told of as torpid when that lasts."""
        rank = self.random.choice(self.all)
        long = rank > 0 and self.random.random() < 0.5
        self.did += f" {rank}{' until somebody notices' if long else ''}"
        self.cluster.pause(rank)
        for each in {0, self._some(False)} - {rank}:
            self.ask(each, 2)
        if long:
            self.until(f"rank {rank} is torpid", lambda: rank in self.cluster.group("broker.torpid"))
        else:
            time.sleep(0.2)
        self.cluster.resume(rank)

    # -- the disk, the clock, the keys ---------------------------------------------------------------

    def _do_full_disk(self) -> None:
        assert self.disk is not None
        ballast = os.path.join(self.disk, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass  # it is full now
        self.ask(0, 3)
        self.ask(self._some(False), 2)
        self.collect()
        os.unlink(ballast)

    def _do_clock(self) -> None:
        """The wall clocks of some hosts step, and perhaps the root dies in the wrong time."""
        ranks = self.random.sample(self.all, self.random.randint(1, len(self.all)))
        for rank in ranks:
            strings = self.cluster.strings[rank]
            strings.step(
                self.random.choice((0.0, 1.0, 60.0, 3600.0)) * self.random.uniform(-1, 1) - strings.offset
            )
        self.did += " of " + ", ".join(f"{rank} {self.cluster.strings[rank].offset:+.1f} s" for rank in ranks)
        self.ask(0, 2)
        self.ask(self.random.choice(self.all), 2)
        if self.random.random() < 0.3:
            self.did += ", killed"
            self._kill(0)

    def _do_revoked(self) -> None:
        """The brokers below one are let in no longer: they end, and say so when they come again."""
        rank = self.random.choice([rank for rank in self.all if self.cluster.children(rank)])
        below = self.cluster.children(rank)
        self.did += f" below {rank}"
        pid = self.cluster.processes[rank].pid
        self.cluster.strings[rank].trust(pid, False)
        for each in below:
            self._ends(each, self.cluster.processes[each], 0, _LOST)
        self.cluster.reap()
        self.ask(0, 2)
        said = {each: len(self.cluster.said(each)) for each in below}
        self.cluster.revive(below)
        for each in below:
            self._ends(each, self.cluster.processes[each], said[each], _REFUSED)
        self.cluster.strings[rank].trust(pid, True)

    def _ends(self, rank: int, process: subprocess.Popen[bytes], said: int, why: str) -> None:
        """A broker ends, and has said why, after so much."""
        if not self.until(f"rank {rank} ends", lambda: process.poll() is not None):
            process.kill()
            process.wait()
        elif why not in self.cluster.said(rank)[said:]:
            self.problem(f"{self.did}: rank {rank} ends and does not say: {why}")

    # -- who comes again -----------------------------------------------------------------------------

    def _do_rejoin(self) -> None:
        """A leaf that has lost its place must start again before it may join, and says why."""
        rank = self._some(False)
        way: Callable[[int], None]
        name, way = self.random.choice(
            (
                ("sent away", self._send_away),
                ("twice", self._start_twice),
                ("back at once", self._bring_back),
                ("left alone", self._replace_above),
            )
        )
        self.did += f" {rank} {name}"
        way(rank)

    def _send_away(self, rank: int) -> None:
        above, process = self.cluster.above(rank), self.cluster.processes[rank]
        said = len(self.cluster.said(rank))
        with Flux(self.cluster.uri()) as h:
            h.rpc("overlay.disconnect-subtree", {"rank": rank}, above).get()
        self._ends(rank, process, said, _SENT_AWAY)

    def _start_twice(self, rank: int) -> None:
        """The newer one is let in; the older one is to notice, and to end."""
        older, said = self.cluster.processes.pop(rank), len(self.cluster.said(rank))
        heard = len(self.cluster.said(0))
        self.cluster.start([rank])
        self._ends(rank, older, said, _SENT_AWAY)
        self.until("the root is told", lambda: _AGAIN in self.cluster.said(0)[heard:])

    def _bring_back(self, rank: int) -> None:
        self.cluster.kill(rank)
        self.cluster.start([rank])

    def _replace_above(self, rank: int) -> None:
        """The broker above dies and is there again before the leaf can know."""
        above, process = self.cluster.above(rank), self.cluster.processes[rank]
        said = len(self.cluster.said(rank))
        self._part({rank})
        self.cluster.kill(above)
        self.cluster.revive([above])
        if above:
            self.until(f"rank {above} is back", lambda: above in self.cluster.group("broker.online"))
        assert self.network is not None
        self.network.heal()
        self._ends(rank, process, said, _LOST)

    # -- the network ---------------------------------------------------------------------------------

    def _links(self, one: set[int]) -> list[tuple[int, int]]:
        return [(a, b) for a in self.all for b in self.all if (a in one) != (b in one)]

    def _part(self, some: set[int]) -> None:
        assert self.network is not None
        self.network.loss = dict.fromkeys(self._links(some), 1.0)

    def _until_noticed(self) -> None:
        """For an instant, or until the root has lost somebody."""
        self.ask(0, 2)
        if self.random.random() < 0.5:
            self.did += " until somebody notices"
            everybody = Idset(list(self.all))
            self.until("somebody is lost", lambda: self.cluster.group("broker.online") != everybody)
        else:
            time.sleep(self.random.choice((0.1, 0.5)))

    def _do_partition(self) -> None:
        some = set(self.random.sample(self.all, self.random.randint(1, len(self.all) - 1)))
        self.did += f" {Idset(sorted(some))}"
        self._part(some)
        self._until_noticed()

    def _do_one_way(self) -> None:
        assert self.network is not None
        rank = self.random.choice(self.all[1:])
        up = self.random.random() < 0.5
        self.did += f" {'from' if up else 'to'} {rank}"
        links = self._links({rank})
        self.network.loss = {link: 1.0 for link in links if (link[0] == rank) == up}
        self._until_noticed()

    def _everywhere(self, what: float) -> dict[tuple[int, int], float]:
        return {(a, b): what for a in self.all for b in self.all if a != b}

    def _do_slow(self) -> None:
        assert self.network is not None
        self.network.delay = self._everywhere(0.2)
        self.ask(self.random.choice(self.all), 3)
        self.collect()

    def _do_lossy(self) -> None:
        assert self.network is not None
        self.network.loss = self._everywhere(0.2)
        self.ask(self.random.choice(self.all), 3)
        self.collect()
