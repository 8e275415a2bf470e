# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker with all services, that is reloaded, restarted, killed and cut off from power, and its clients."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.broker import rctable
from rosin.broker.clock import VirtualClock
from rosin.testing.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.testing.instance import MemoryFlux

#: Hosts, cores of each, and the ranks with the property that a queue asks for.
HOSTS, CORES = 3, 2
QUEUES = ("batch", "wide")
GUESTS = (1001, 1002)
CONFIG: dict[str, Any] = {
    "resource": {
        "noverify": True,
        "norestrict": True,
        "config": [
            {"hosts": f"host[0-{HOSTS - 1}]", "cores": f"0-{CORES - 1}"},
            {"hosts": f"host[1-{HOSTS - 1}]", "properties": ["wide"]},
        ],
    },
    "queues": {"batch": {}, "wide": {"requires": ["wide"], "policy": {"limits": {"duration": "10m"}}}},
    "policy": {"jobspec": {"defaults": {"system": {"queue": "batch"}}}},
    "exec": {"testexec": {"allow-guests": True}},
}
#: Arguments of modules.
ARGUMENTS = {"resource": ["monitor-force-up"]}
#: What can be replaced while it runs, with all that follows it.
RELOADED = (
    *("job-manager", "sched-simple", "job-exec", "job-list", "job-info", "job-ingest"),
    *("kvs-watch", "resource", "kvs"),
)
#: Seconds in which a request is answered that waits for nothing but services.
ANSWER = 60.0


class Asked:
    """A request: ``taken`` notes that it was done; with ``waits`` its answer may take any time."""

    __slots__ = ("future", "sent", "taken", "waits", "what")

    def __init__(
        self, what: str, future: Future, taken: Callable[[Any], None], waits: bool, sent: float
    ) -> None:
        self.what = what
        self.future = future
        self.taken = taken
        self.waits = waits
        self.sent = sent


class BrokerWorld:
    """The broker of now, and those before it: each on the database that the one before has left.

    ``problems`` says what was wrong, ``answers`` counts how requests ended, by what was asked and the errno.
    """

    def __init__(self, scheduler: tuple[str, ...] = ()) -> None:
        self.base = tempfile.mkdtemp(
            prefix="rosin-jobs-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        )
        self.state = os.path.join(self.base, "state")
        os.mkdir(self.state)
        self.arguments = {**ARGUMENTS, "sched-simple": list(scheduler)}
        self.problems: list[str] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        self.calls: list[Asked] = []
        self.clients: dict[int, MemoryFlux] = {}
        self._now = 1_700_000_000.0
        self._floor = (b"", 0)
        self.instance: Instance

    def problem(self, text: str) -> None:
        """Note that something is wrong."""
        self.problems.append(text)

    # -- lives ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """A new broker with a client of the owner and one of each guest."""
        attrs = {"statedir": self.state, "statedir-cleanup": "0", "content.backing-module": "content-sqlite"}
        self.instance = Instance(config=CONFIG, attrs=attrs)
        self.instance.clock = VirtualClock(self._now)
        await self.instance.__aenter__()
        for load in rctable.loads(0):
            args = self.arguments.get(load.name, load.args)
            if load.name not in self.instance.broker.modules:
                await self.instance.load(load.name, args)
        for userid in (os.getuid(), *GUESTS):
            self.clients[userid] = await self.instance.connect(userid)
        self.owner = self.clients[os.getuid()]
        self.synced()

    async def stop(self) -> None:
        """The broker ends in order."""
        self.drop()
        self._now = self.instance.clock.now()
        await self.instance.stop()

    async def close(self) -> None:
        """There is no other broker after this one."""
        await self.stop()
        shutil.rmtree(self.base)

    async def crash(self, harm: Callable[[str], None] | None = None) -> None:
        """The broker is killed: its database is as it is now, or as *harm*, which gets the log, leaves it."""
        saved = os.path.join(self.base, "saved")
        shutil.copytree(self.state, saved)
        self.collect()
        await self.stop()
        shutil.rmtree(self.state)
        os.rename(saved, self.state)
        if harm is not None and os.path.exists(self._log()):
            harm(self._log())
        self._now += 1.0

    def _log(self) -> str:
        return os.path.join(self.state, "content.sqlite-wal")

    def _log_head(self) -> tuple[bytes, int]:
        """The salts of the database's log, and its length."""
        try:
            with open(self._log(), "rb") as log:
                return log.read(32)[16:24], os.fstat(log.fileno()).st_size
        except FileNotFoundError:
            return b"", 0

    def synced(self) -> None:
        """What has been written by now survives a power cut."""
        self._floor = self._log_head()

    def tear(self, rng: random.Random) -> Callable[[str], None]:
        """A power cut: of what was written in this life, the system has kept a beginning."""
        salts, length = self._log_head()
        settled = os.path.getmtime(os.path.join(self.state, "content.sqlite")) >= (
            os.path.getmtime(self._log()) if length else 0.0
        )  # a checkpoint has just been made: it waited for the disk
        floor = self._floor[1] if salts == self._floor[0] else 0

        def harm(path: str) -> None:
            if not settled and length > floor:
                os.truncate(path, rng.randint(floor, length))

        return harm

    @staticmethod
    def torn_write(rng: random.Random) -> Callable[[str], None]:
        """The last write, of which nobody was told, got no further than some bytes."""

        def harm(path: str) -> None:
            with open(path, "ab") as log:
                log.write(rng.randbytes(rng.randint(1, 8192)))

        return harm

    async def reload(self, name: str) -> None:
        """A module is replaced, with those that follow it."""
        await self.instance.broker.modules.reload(name, self.arguments.get(name, []))

    def module(self, name: str) -> Any:
        """The module itself."""
        return self.instance.broker.modules[name]

    # -- requests -------------------------------------------------------------------------------------

    def ask(
        self,
        what: str,
        payload: Any,
        taken: Callable[[Any], None] = lambda _: None,
        userid: int | None = None,
        waits: bool = False,
    ) -> None:
        """Send a request; :meth:`collect` takes the answer."""
        client = self.owner if userid is None else self.clients[userid]
        future = client.rpc(what, payload)
        self.calls.append(Asked(what, future, taken, waits, self.instance.clock.monotonic()))

    def collect(self) -> None:
        """Take the answers that have come."""
        calls, self.calls = self.calls, []
        for call in calls:
            if not call.future.is_ready():
                self.calls.append(call)
                continue
            try:
                answer = call.future.get()
            except OSError as exc:
                self.answers[call.what, exc.errno or 0] += 1
            else:
                self.answers[call.what, 0] += 1
                call.taken(answer)

    def drop(self) -> None:
        """Nobody waits any more: what has not been answered may or may not have been done."""
        self.collect()
        self.calls = []

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.instance.settle()
        self.collect()

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await self.instance.advance(seconds)
        self.collect()
