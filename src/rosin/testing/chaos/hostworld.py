# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers as processes, on hosts of their own if need be, and what is asked of them.

A task is a shell that appends ``begin ID.RANK`` and ``end ID.RANK`` to a file, which tells how often each has
run, whatever the instance believes. Jobs have one to three nodes.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.handle import Flux
from rosin.job.submission import submit_async
from rosin.kvs import PRIMARY, KVSTxn
from rosin.rfc.jobspec.build import from_command
from rosin.testing.cluster import Cluster
from rosin.testing.hostnet import TunNetwork, address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from rosin.handle.future import Future

#: What can be done to processes, clocks, keys and the disk, and to a network of their own.
PROCESS_FAULTS = ("leaf", "interior", "root", "stopped", "clock", "revoked", "nothing", "full-disk")
NETWORK_FAULTS = ("partition", "one-way", "slow", "lossy", "rejoin")
#: Those that only root can do, as a rule.
PRIVILEGED = ("full-disk", *NETWORK_FAULTS)
#: Seconds in which each request is answered, and in which something is noticed or over.
ANSWER = 30.0
#: Seconds in which what is left must take a job, on a machine that is busy with other things, too.
USABLE = 30.0
#: A key of the KVS, of which the last value that was acknowledged is known.
KEY = "chaos.key"
_PORT = 8050
_SCRIPT = 'job=$FLUX_JOB_ID.$FLUX_TASK_RANK; echo "begin $job" >>"$0"; sleep $1; echo "end $job" >>"$0"'
#: Bytes of the root's disk when it is to get full.
_DISK = 16 << 20


class _Asked(NamedTuple):
    """What one client has asked of a rank: jobs by their numbers of tasks, and a value of :data:`KEY`."""

    rank: int
    handle: Flux
    jobs: list[tuple[Future, int]]
    put: tuple[Future, int]


class HostWorld:
    """One cluster. ``problems`` says what was wrong.

    ``ids`` are the jobs of this round that were acknowledged, with their numbers of tasks, ``over`` counts
    those of the rounds before. ``ended`` counts how they have ended, ``refused`` what was refused meanwhile,
    ``slowest`` is how long it took at most until what was left took a job. ``kinds``: the faults. With those
    of a network each broker is on a host of its own.
    """

    def __init__(
        self, seed: int, directory: str, parents: Sequence[int], kinds: Sequence[str], jobs: int = 8
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.kinds = kinds
        self.jobs = jobs
        self.problems: list[str] = []
        self.did = ""
        self.ids: dict[int, int] = {}
        self.over = 0
        self.slowest = 0.0
        #: The requests that wait for brokers above and below when nothing is to be done, by rank.
        self.idle: dict[int, tuple[int, int]] = {}
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.runs = os.path.join(directory, "runs")
        open(self.runs, "w").close()
        self._asked: list[_Asked] = []
        self._number = 0
        #: The newest value of :data:`KEY` that was acknowledged.
        self.value = 0
        network = bool(set(kinds) & set(NETWORK_FAULTS))
        self.network = TunNetwork(len(parents) + 1, seed) if network else None
        base = 20_000 + os.getpid() * 16 % 20_000

        def where(rank: int) -> str:
            return f"tcp://{address(rank)}:{_PORT}" if network else f"tcp://127.0.0.1:{base + rank}"

        def prefix(rank: int) -> list[str]:
            return ["ip", "netns", "exec", self.network.namespace(rank)] if self.network else []

        self.cluster = Cluster(directory, parents, where, prefix)
        self.disk = self.cluster.state(0) if "full-disk" in kinds else None
        self.all = range(self.cluster.size)

    def __enter__(self) -> Self:
        if self.disk:
            _mount("-t", "tmpfs", "-o", f"size={_DISK},mode=700", "tmpfs", self.disk)
        if self.network:
            self.network.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        for asked in self._asked:
            asked.handle.close()
        self.cluster.close()
        if self.network:
            self.network.__exit__()
        if self.disk:
            subprocess.run(["umount", self.disk], check=True)

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def until(self, what: str, done: Callable[[], bool], seconds: float = ANSWER) -> bool:
        """Wait until something is so; it is a problem if that takes longer."""
        limit = time.monotonic() + seconds
        while not done():
            if time.monotonic() > limit:
                self.problem(f"{self.did}: not within {seconds:g} s: {what}")
                return False
            time.sleep(0.02)
        return True

    # -- what is asked ------------------------------------------------------------------------------

    def ask(self, rank: int, count: int) -> None:
        """Submit jobs on a rank and store a value; :meth:`collect` takes the answers."""
        try:
            h = Flux(self.cluster.uri(rank))
        except OSError as exc:
            self.refused[f"connection: {(exc.strerror or '').partition(':')[0]}"] += 1
            return
        try:
            jobs = [self._submit(h) for _ in range(count)]
            self._number += 1
            txn = KVSTxn(h, namespace=PRIMARY)
            txn.put(KEY, self._number)
            self._asked.append(_Asked(rank, h, jobs, (txn.commit_async(), self._number)))
        except OSError as exc:
            h.close()
            self.refused[f"connection: {(exc.strerror or '').partition(':')[0]}"] += 1

    def _submit(self, h: Flux) -> tuple[Future, int]:
        seconds = self.random.choice(("0.01", "0.1", "0.5"))
        nodes = min(self.random.choice((1, 1, 2, 3)), self.cluster.size)
        spec = from_command(
            ["sh", "-c", _SCRIPT, self.runs, seconds],
            num_tasks=nodes,
            num_nodes=nodes,
            duration=self.random.choice((None, None, "10m")),
            environment={"PATH": os.environ["PATH"]},
        )
        return submit_async(h, spec), nodes

    def collect(self) -> None:
        """Each request is answered, in time, or its broker has gone."""
        asked, self._asked = self._asked, []
        for each in asked:
            for future, tasks in each.jobs:
                answer = self._answer(each.rank, "submit", future)
                if answer is not None:
                    self.ids[int(answer["id"])] = tasks
            future, number = each.put
            if self._answer(each.rank, "commit", future) is not None:
                self.value = max(self.value, number)
            each.handle.close()

    def _answer(self, rank: int, what: str, future: Future) -> Any:
        try:
            future.wait_for(ANSWER)
            return future.get()
        except TimeoutError:
            self.problem(f"{what} on rank {rank} is stuck")
        except OSError as exc:
            text = str(exc.strerror).partition(" at local:")[0].replace(self.cluster.directory, "")
            self.refused[f"{what}: {text}"] += 1
        return None

    def use(self) -> float:
        """What is left takes a job, soon; returns how soon, in seconds."""
        began = time.monotonic()
        while time.monotonic() < began + USABLE:
            self.cluster.reap()
            if 0 not in self.cluster.live:
                self.cluster.start([0])
            before = len(self.ids)
            self.ask(0, 1)
            self.collect()
            if len(self.ids) > before:
                return time.monotonic() - began
            time.sleep(0.02)
        self.problem(f"{self.did}: what is left is of no use: {dict(self.refused)}")
        return USABLE


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
