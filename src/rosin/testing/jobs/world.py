# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker with all services, that is reloaded, restarted, killed and cut off from power, and its clients."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter
from errno import EEXIST, EINPROGRESS, ENOENT
from typing import TYPE_CHECKING, Any

from rosin.broker import rctable
from rosin.broker.clock import VirtualClock
from rosin.broker.module import RUNNING
from rosin.testing.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.handle.future import Future
    from rosin.testing.instance import MemoryFlux

#: When the first broker comes up.
BEGIN = 1_700_000_000.0
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
ARGUMENTS = {"resource": ["monitor-force-up"], "heartbeat": ["period=60s"]}
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

    def __init__(self, scheduler: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> None:
        self.base = tempfile.mkdtemp(
            prefix="rosin-jobs-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        )
        self.state = os.path.join(self.base, "state")
        os.mkdir(self.state)
        self.arguments = {**ARGUMENTS, "sched-simple": list(scheduler)}
        self.config = {**CONFIG, "job-manager": {"plugins": [{"load": path} for path in plugins]}}
        self.problems: list[str] = []
        #: What has been begun and may not be over; modules that are not there at present.
        self.tasks: set[asyncio.Task[None]] = set()
        self.absent: set[str] = set()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.calls: list[Asked] = []
        self.sent = 0
        self.clients: dict[int, MemoryFlux] = {}
        self._now = BEGIN
        self._floor = (b"", 0)
        self.instance: Instance

    def problem(self, text: str) -> None:
        """Note that something is wrong."""
        self.problems.append(text)

    # -- lives ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """A new broker with a client of the owner and one of each guest."""
        attrs = {"statedir": self.state, "statedir-cleanup": "0", "content.backing-module": "content-sqlite"}
        self.instance = Instance(config=self.config, attrs=attrs)
        self.instance.clock = VirtualClock(self._now)
        self.instance.turns_of_a_timer = 20
        self.absent.clear()
        await self.instance.__aenter__()
        for load in rctable.loads(0):
            args = self.arguments.get(load.name, load.args)
            if load.name not in self.instance.broker.modules:
                await self.instance.load(load.name, args)
        for userid in (os.getuid(), *GUESTS):
            self.clients[userid] = await self.instance.connect(userid)
        self.owner = self.clients[os.getuid()]
        self.synced()

    async def start_in_vain(self, turns: int) -> None:
        """A new broker, which is killed after so many turns of the loop."""
        coming = asyncio.ensure_future(self.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        saved = self._copy()
        await coming  # what it still does is done to what nobody reads
        await self.stop()
        self._put_back(saved)

    async def stop(self) -> None:
        """The broker ends in order."""
        self.drop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self._now = self.instance.clock.now()
        await self.instance.stop()

    async def close(self) -> None:
        """There is no other broker after this one."""
        await self.stop()
        shutil.rmtree(self.base)

    async def crash(self, harm: Callable[[str], None] | None = None) -> None:
        """The broker is killed: its database is as it is now, or as *harm*, which gets the log, leaves it."""
        saved = self._copy()
        self.collect()
        await self.stop()
        self._put_back(saved)
        if harm is not None and os.path.exists(self._log()):
            harm(self._log())
        self._now += 1.0

    def _copy(self) -> str:
        saved = os.path.join(self.base, "saved")
        shutil.copytree(self.state, saved)
        return saved

    def _put_back(self, saved: str) -> None:
        shutil.rmtree(self.state)
        os.rename(saved, self.state)

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

    def begin(self, what: str, change: Coroutine[Any, Any, Any]) -> None:
        """Begin to change modules; that one is not there, or is on its way already, is no problem."""

        async def run() -> None:
            try:
                await change
            except OSError as exc:
                self.answers[what, exc.errno or 0] += 1
                if self.absent and "is not loaded now" in str(exc):  # it needs what is not there
                    self.absent.add(what.split()[1])
                elif exc.errno not in (ENOENT, EEXIST, EINPROGRESS) and "comes back with" not in str(exc):
                    self.problem(f"{what}: {exc}")
            except Exception as exc:
                self.problem(f"{what}: {exc!r}")

        task = asyncio.create_task(run(), name=what)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def reload(self, name: str) -> None:
        """A module is replaced, with those that follow it."""
        modules = self.instance.broker.modules
        self.begin(f"reload {name}", modules.reload(name, self.arguments.get(name, [])))

    def remove(self, name: str) -> None:
        """A module is removed, with those that follow it."""
        self.absent.add(name)
        self.begin(f"remove {name}", self.instance.broker.modules.remove(name))

    async def load_absent(self) -> None:
        """What was removed is loaded again, in its order."""
        await self.changed()
        modules = self.instance.broker.modules
        for load in rctable.loads(0):
            if load.name not in modules and load.name in self.absent:
                args = self.arguments.get(load.name, load.args)
                self.begin(f"load {load.name}", modules.load(load.name, args))
                await self.changed()
        self.absent.clear()

    async def changed(self) -> None:
        """Wait until what has been begun with modules is over; services are not needed for that."""
        waited = 0.0
        await self.settle()
        while self.tasks and waited < ANSWER:
            waited += 1.0
            await self.advance(1.0)
        for task in self.tasks:
            self.problem(f"{task.get_name()} does not come to its end: {task.get_stack()}")

    @property
    def whole(self) -> bool:
        """All modules are there, and nothing is being changed with them."""
        return not self.tasks and all(self.running(load.name) for load in rctable.loads(0))

    def running(self, name: str) -> bool:
        """Whether a module is there, and up."""
        modules = self.instance.broker.modules
        return name in modules and modules[name].status == RUNNING

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
        self.sent += 1
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
        sent = -1
        while sent != self.sent:  # by those that got an answer, too
            sent = self.sent
            await self.instance.settle()
            self.collect()

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await self.instance.advance(seconds)
        await self.settle()
