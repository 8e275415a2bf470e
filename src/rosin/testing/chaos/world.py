# SPDX-License-Identifier: LGPL-3.0-or-later
"""A tree of brokers in one process, clients on each, and what these have asked and been promised."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.broker import rctable
from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH, FLUX_RPC_STREAMING
from rosin.handle.handle import Handle
from rosin.job import submit_async
from rosin.kvs import PRIMARY, KVSTxn
from rosin.rfc import treeobj
from rosin.rfc.jobspec.build import from_command, set_attribute
from rosin.testing.tree import InstanceTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from rosin.handle.future import Future
    from rosin.testing.instance import MemoryFlux

#: Seconds in which what remains of a tree must have come to rest, and be of use.
REST, USABLE = 60.0, 10.0
#: Keys: the first has a line for each append that was asked for, the other is watched everywhere.
LOG, PROBE = "chaos.log", "chaos.probe"


class _Call:
    """A request whose answer is awaited: ``taken`` notes that it was acknowledged."""

    __slots__ = ("client", "future", "rank", "taken", "what")

    def __init__(
        self, what: str, rank: int, client: object, future: Future, taken: Callable[[Any], None]
    ) -> None:
        self.what = what
        self.rank = rank
        self.client = client
        self.future = future
        self.taken = taken


class ChaosWorld:
    """A tree of ``size`` brokers that lives through rounds. ``directory`` keeps rank 0's database.

    ``problems`` says what was wrong, ``did`` what was done in the present round, ``answers`` how requests
    ended: counts by what was asked and the errno.
    """

    def __init__(self, seed: int, directory: str, size: int = 7, topo: str = "kary:2") -> None:
        self.random = random.Random(seed)
        self.directory = directory
        self.size = size
        self.problems: list[str] = []
        self.did: list[str] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        self.faults: Counter[str] = Counter()
        self.tree = InstanceTree(
            size,
            lambda rank: [load.name for load in rctable.loads(rank)],
            topo=topo,
            config={
                "resource": {"noverify": True, "config": [{"hosts": f"host[0-{size - 1}]", "cores": "0-1"}]}
            },
            attrs={
                "statedir": directory,
                "statedir-cleanup": "0",
                "content.backing-module": "content-sqlite",
            },
            seed=seed,
        )
        self.clients: dict[int, MemoryFlux] = {}
        #: What a watcher on each rank has seen last.
        self.seen: dict[int, int] = {}
        self.pending: dict[int, tuple[int, int]] = {}
        self.calls: list[_Call] = []
        self.number = 0
        self.values: dict[str, int] = {}
        self.appended: set[int] = set()
        self.jobs: set[int] = set()

    # -- the tree -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.tree.__aenter__()
        for rank in range(self.size):
            await self._online(rank)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.tree.__aexit__(None, None, None)

    async def _online(self, rank: int) -> None:
        """What a broker does when it is up, and a client of it."""
        client = self.clients[rank] = await self.tree.connect(rank)
        await self.wait("groups.join", client.rpc("groups.join", {"name": "broker.online"}))
        self.seen[rank] = 0
        watch = {"namespace": PRIMARY, "key": PROBE, "flags": FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE}
        client.rpc("kvs-watch.lookup", watch, flags=FLUX_RPC_STREAMING).then(self._watched, client, rank)

    def _watched(self, stream: Any, client: MemoryFlux, rank: int) -> None:
        if self.clients.get(rank) is not client:
            return  # it is gone, and its broker with it
        try:
            self.seen[rank] = int(treeobj.val_data(stream.get()["val"]))
        except OSError:
            self.seen[rank] = -1  # the broker above is lost: this one is about to end
        else:
            stream.reset()

    @property
    def live(self) -> list[int]:
        """The ranks that are there."""
        return sorted(self.clients)

    def subtree(self, rank: int) -> list[int]:
        return self.tree[0].links.tree.subtree(rank)

    def problem(self, text: str) -> None:
        self.problems.append(text)

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something is so, at most some seconds."""
        await self.tree.settle()
        step = 0.01
        while not done():
            if seconds <= 0:
                return False
            await self.tree.advance(step)
            seconds -= step
            step = min(2 * step, 1.0)
        return True

    async def wait(self, what: str, future: Future, seconds: float = REST) -> Any:
        """The answer to a request that is to be answered, None if it is not."""
        if not await self.until(future.is_ready, seconds):
            self.problem(f"{what}: no answer within {seconds} s")
            return None
        try:
            return future.get()
        except OSError as exc:
            self.problem(f"{what}: {exc}")
            return None

    async def gone(self, rank: int) -> None:
        """A broker ends, killed or because it has lost the one above: nobody hears of it any more."""
        self.clients.pop(rank, None)
        self.tree.network.kill(rank)
        above = self.tree[rank].links.above
        if above is not None:
            above.lose()  # what waits for it need not wait any longer: the process would be gone
        await self.tree.kill(rank)

    async def reap(self) -> None:
        """Who has lost the broker above ends, as its process would."""
        again = True
        while again:
            await self.tree.settle()
            again = False
            for rank in self.live:
                above = self.tree[rank].links.above
                if above is not None and above.parent is None:
                    await self.gone(rank)
                    again = True

    async def start(self, rank: int) -> None:
        task = asyncio.ensure_future(self.tree.restart(rank))
        if not await self.until(task.done, REST):
            self.problem(f"rank {rank} does not come up again")
            task.cancel()
            await asyncio.wait([task])
        elif task.exception() is not None:
            self.problem(f"rank {rank} does not come up again: {task.exception()!r}")
        else:
            await self._online(rank)

    async def restart(self, ranks: list[int]) -> None:
        for rank in sorted(ranks):
            above = self.tree[0].links.tree.parent(rank) if rank else None
            if rank not in self.clients and (above is None or above in self.clients):
                await self.start(rank)

    # -- work ---------------------------------------------------------------------------------------

    def ask(self, what: str, send: Callable[[Handle], Future], taken: Callable[[Any], None]) -> None:
        rank = self.random.choice(self.live)
        client = self.clients[rank]
        self.calls.append(_Call(what, rank, client, send(client), taken))

    def work(self) -> None:
        """Some requests, from brokers by chance."""
        for _ in range(self.random.randint(0, 4)):
            self.number += 1
            number = self.number
            kind = self.random.choice(("submit", "put", "append", "ping"))
            if kind == "submit":
                spec = from_command(["true"], num_tasks=self.random.choice((1, 1, 2, 5)))
                set_attribute(spec, "exec.test.run_duration", f"{self.random.choice((0.01, 1, 5))}s")
                self.ask(kind, lambda h, spec=spec: submit_async(h, spec), self._submitted)  # type: ignore[misc]
            elif kind == "put":
                self.ask(kind, lambda h, n=number: self.put(h, n), lambda _, n=number: self.stored(n))  # type: ignore[misc]
            elif kind == "append":
                self.ask(
                    kind,
                    lambda h, n=number: self._append(h, n),  # type: ignore[misc]
                    lambda _, n=number: self.appended.add(n),  # type: ignore[misc]
                )
            else:
                target = self.random.randrange(self.size)
                self.ask(kind, lambda h, to=target: h.rpc("broker.ping", {"seq": 0}, to), lambda _: None)  # type: ignore[misc]

    @staticmethod
    def put(h: Handle, number: int) -> Future:
        txn = KVSTxn(h, namespace=PRIMARY)
        txn.put(f"chaos.k{number % 50}", number)
        return txn.commit_async()

    @staticmethod
    def _append(h: Handle, number: int) -> Future:
        op = {"key": LOG, "flags": FLUX_KVS_APPEND, "dirent": treeobj.val(b"%d\n" % number)}
        return h.rpc("kvs.commit", {"namespace": PRIMARY, "flags": 0, "ops": [op]})

    def _submitted(self, answer: Any) -> None:
        self.jobs.add(int(answer["id"]))

    def stored(self, number: int) -> None:
        key = f"chaos.k{number % 50}"
        self.values[key] = max(self.values.get(key, 0), number)

    def collect(self, stuck: bool) -> None:
        """Take the answers that have come; at the end of a round whoever still lives must have one."""
        waiting = []
        for call in self.calls:
            if call.future.is_ready():
                try:
                    answer = call.future.get()
                except OSError as exc:
                    self.answers[call.what, exc.errno or 0] += 1
                else:
                    self.answers[call.what, 0] += 1
                    call.taken(answer)
            elif self.clients.get(call.rank) is call.client:
                waiting.append(call)
        self.calls = [] if stuck else waiting
        for call in waiting if stuck else ():
            self.problem(f"{call.what} from rank {call.rank} is stuck")

    def living(self) -> Iterator[_Call]:
        return (call for call in self.calls if self.clients.get(call.rank) is call.client)
