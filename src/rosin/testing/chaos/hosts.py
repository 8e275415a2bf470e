# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers as processes, killed, stopped, cut off and out of space while real jobs run.

A task is a shell that appends ``begin ID.RANK`` and ``end ID.RANK`` to a file, which tells how often each has
run, whatever the instance believes. Jobs have one to three nodes.
"""

from __future__ import annotations

import errno
import os
import random
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from rosin.handle import Flux
from rosin.job.listing import job_list
from rosin.job.submission import submit_async
from rosin.kvs import PRIMARY, getroot_async, lookup_async
from rosin.rfc import eventlog, treeobj
from rosin.rfc.idset import Idset
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command
from rosin.testing.cluster import Cluster
from rosin.testing.hostnet import TunNetwork, address

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What can be done to processes and their disk, and to a network of their own.
PROCESS_FAULTS = ("leaf", "interior", "root", "stopped", "full-disk", "nothing")
NETWORK_FAULTS = ("partition", "one-way", "slow", "lossy")
_PORT = 8050
_ANSWER, _OVER, _LATE = 30.0, 120.0, 20.0
_ONCE = ("submit", "start", "finish", "clean")
_SCRIPT = 'job=$FLUX_JOB_ID.$FLUX_TASK_RANK; echo "begin $job" >>"$0"; sleep $1; echo "end $job" >>"$0"'
#: Bytes of the root's disk when it is to get full.
_DISK = 16 << 20


class HostChaos:
    """Rounds on one cluster. ``problems`` says what was wrong.

    ``ids`` are the jobs that were acknowledged, ``ended`` counts how they have ended and ``refused`` what was
    refused meanwhile. ``kinds``: the faults. With those of a network each broker is on a host of its own.
    """

    def __init__(
        self, seed: int, directory: str, parents: Sequence[int], kinds: Sequence[str], jobs: int = 20
    ) -> None:
        self.random = random.Random(seed)
        self.kinds = kinds
        self.jobs = jobs
        self.problems: list[str] = []
        self.did = ""
        self.ids: set[int] = set()
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self._over: set[int] = set()
        self._runs = os.path.join(directory, "runs")
        open(self._runs, "w").close()
        network = bool(set(kinds) & set(NETWORK_FAULTS))
        self.network = TunNetwork(len(parents) + 1, seed) if network else None
        base = 20_000 + os.getpid() % 20_000

        def where(rank: int) -> str:
            return f"tcp://{address(rank)}:{_PORT}" if network else f"tcp://127.0.0.1:{base + rank}"

        def prefix(rank: int) -> list[str]:
            return ["ip", "netns", "exec", self.network.namespace(rank)] if self.network else []

        self.cluster = Cluster(directory, parents, where, prefix)
        self._disk = self.cluster.state(0) if "full-disk" in kinds else None
        self.all = range(self.cluster.size)

    def __enter__(self) -> HostChaos:
        if self._disk:
            _mount("-t", "tmpfs", "-o", f"size={_DISK},mode=700", "tmpfs", self._disk)
        if self.network:
            self.network.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cluster.close()
        if self.network:
            self.network.__exit__()
        if self._disk:
            subprocess.run(["umount", self._disk], check=True)

    # -- one round ----------------------------------------------------------------------------------

    def round(self) -> None:
        """Jobs, a fault, healing, and whether all is well."""
        if not self.cluster.up(self.all):
            self.problems.append(f"{self.cluster.online()} are online a minute after the start")
            return
        kind = self.did = self.random.choice(self.kinds)
        self._submit(self.random.choice(self.all), self.jobs)
        getattr(self, f"_do_{kind.replace('-', '_')}")()
        if self.network:
            self.network.heal()
        began = time.monotonic()
        self._use()
        self.did += f", of use after {time.monotonic() - began:.1f} s"
        if not self.cluster.up(self.all):
            self.problems.append(f"{self.cluster.online()} are online a minute after the fault")
            return
        self._check()

    def _submit(self, rank: int, count: int) -> None:
        """Submit jobs on a rank; each is taken or refused, in time."""
        try:
            with Flux(self.cluster.uri(rank)) as h:
                asked = [submit_async(h, self._jobspec()) for _ in range(count)]
                for future in asked:
                    self._taken(rank, future)
        except (ConnectionError, FileNotFoundError) as exc:
            self.refused[f"connection: {(exc.strerror or '').partition(':')[0]}"] += 1

    def _taken(self, rank: int, future: Any) -> None:
        try:
            future.wait_for(_ANSWER)
            self.ids.add(int(future.get()["id"]))
        except TimeoutError:
            self.problems.append(f"submit on rank {rank} is stuck")
        except ConnectionError:
            raise
        except OSError as exc:
            self.refused[f"submit: {exc.strerror}"] += 1

    def _jobspec(self) -> dict[str, Any]:
        seconds, nodes = self.random.choice(("0.01", "0.2", "1")), self.random.choice((1, 1, 2, 3))
        return from_command(
            ["sh", "-c", _SCRIPT, self._runs, seconds],
            num_tasks=nodes,
            num_nodes=nodes,
            environment={"PATH": os.environ["PATH"]},
        )

    def _use(self) -> None:
        """What is left takes a job, soon."""
        until = time.monotonic() + _ANSWER
        while time.monotonic() < until:
            if 0 not in self.cluster.live:
                self.cluster.start([0])
            before = len(self.ids)
            self._submit(0, 1)
            if len(self.ids) > before:
                return
            time.sleep(0.2)
            self.cluster.reap()
        self.problems.append(f"what is left is of no use: {dict(self.refused)}")

    # -- faults -------------------------------------------------------------------------------------

    def _some(self, interior: bool) -> int:
        ranks = [rank for rank in self.all if rank and bool(self.cluster.children(rank)) == interior]
        return self.random.choice(ranks)

    def _kill(self, rank: int) -> None:
        self.did += f" {rank}"
        time.sleep(self.random.uniform(0, 0.5))
        if rank in self.cluster.live:
            self.cluster.kill(rank)

    def _do_nothing(self) -> None:
        """A round like any other day."""

    def _do_leaf(self) -> None:
        self._kill(self._some(False))

    def _do_interior(self) -> None:
        self._kill(self._some(True))

    def _do_root(self) -> None:
        self._kill(0)

    def _do_stopped(self) -> None:
        rank = self.random.choice(self.all[1:])
        seconds = self.random.choice((0.5, 3.0, 6.0))
        self.did += f" {rank} for {seconds} s"
        self.cluster.pause(rank)
        self._submit(0, 3)
        time.sleep(seconds)
        self.cluster.resume(rank)

    def _do_full_disk(self) -> None:
        assert self._disk is not None
        ballast = os.path.join(self._disk, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass  # it is full now
        self._submit(0, 5)
        os.unlink(ballast)

    def _links(self, one: set[int]) -> list[tuple[int, int]]:
        return [(a, b) for a in self.all for b in self.all if (a in one) != (b in one)]

    def _for_a_while(self, *seconds: float) -> None:
        chosen = self.random.choice(seconds)
        self.did += f" for {chosen} s"
        self._submit(0, 3)
        time.sleep(chosen)

    def _do_partition(self) -> None:
        assert self.network is not None
        some = set(self.random.sample(self.all, self.random.randint(1, len(self.all) - 1)))
        self.did += f" {Idset(sorted(some))}"
        self.network.loss = dict.fromkeys(self._links(some), 1.0)
        self._for_a_while(0.5, 2.0, 8.0)

    def _do_one_way(self) -> None:
        assert self.network is not None
        rank = self.random.choice(self.all[1:])
        up = self.random.random() < 0.5
        self.did += f" {'from' if up else 'to'} {rank}"
        links = self._links({rank})
        self.network.loss = {link: 1.0 for link in links if (link[0] == rank) == up}
        self._for_a_while(0.5, 2.0, 8.0)

    def _do_slow(self) -> None:
        assert self.network is not None
        self.network.delay = {(a, b): 0.2 for a in self.all for b in self.all if a != b}
        self._submit(self.random.choice(self.all), 5)
        self._for_a_while(1.0)

    def _do_lossy(self) -> None:
        assert self.network is not None
        self.network.loss = {(a, b): 0.2 for a in self.all for b in self.all if a != b}
        self._submit(self.random.choice(self.all), 5)
        self._for_a_while(1.0)

    # -- what must hold -----------------------------------------------------------------------------

    def _check(self) -> None:
        with Flux(self.cluster.uri()) as h:
            idle = h.rpc("job-manager.idle", {})
            if not self._await(idle):
                self.problems.append(f"jobs are not over after {_OVER:.0f} s")
                return
            self._check_jobs(h)
            self._check_ranks(h)
        left = self._left()
        if left:
            self.problems.append(f"processes of jobs are left: {left}")

    def _await(self, future: Any) -> bool:
        """Wait for the end of jobs; who notices only now that it has to end comes again meanwhile."""
        until = time.monotonic() + _OVER
        while time.monotonic() < until:
            try:
                future.wait_for(1.0)
            except TimeoutError:
                self.cluster.revive(self.all)
            else:
                return True
        return False

    def _check_jobs(self, h: Flux) -> None:
        rows = job_list(h, 0, ["id", "state"], FLUX_USERID_UNKNOWN).get_jobs()
        states = {row["id"]: row["state"] for row in rows}
        for jobid in sorted(self.ids - self._over):
            if states.get(jobid) != FLUX_JOB_STATE_INACTIVE:
                self.problems.append(f"job {jobid} is {'lost' if jobid not in states else 'not over'}")
                continue
            text = treeobj.val_data(lookup_async(h, job_key(jobid, "eventlog"), PRIMARY).get()["val"])
            events = eventlog.decode(text)
            names = Counter(event.name for event in events)
            fatal = [event.context["type"] for event in events if event.name == "exception"]
            self.ended[f"exception {fatal[0]}" if fatal else "finish"] += 1
            if any(names[name] > 1 for name in _ONCE) or not names["clean"]:
                self.problems.append(f"job {jobid}: {dict(names)}")
        self._over |= self.ids
        with open(self._runs) as file:
            ran = Counter(file.read().splitlines())
        self.problems += [f"{line}: {times} times" for line, times in ran.items() if times > 1]

    def _check_ranks(self, h: Flux) -> None:
        """All are at one version, answer, are free and not drained for ever."""
        until = time.monotonic() + _LATE
        while True:
            try:
                self._reach(h)
                break
            except OSError as exc:
                # Who has not noticed yet that its connection is broken does so by and by, and ends.
                late = exc.errno != errno.EHOSTUNREACH or time.monotonic() > until
                if late or not self.cluster.up(self.all):
                    self.problems.append(f"a rank does not answer: {exc}")
                    return
                self.refused["late loss of a connection"] += 1
        self._check_resources(h)

    def _reach(self, h: Flux) -> None:
        """Every rank answers, and comes to the version of the root. Raises OSError."""
        root = getroot_async(h, PRIMARY, 0).get()
        for rank in self.all:
            rpc = h.rpc("broker.ping", {"seq": 0}, rank)
            rpc.wait_for(_ANSWER)
            rpc.get()
            rpc = h.rpc("kvs.wait-version", {"namespace": PRIMARY, "rootseq": root["rootseq"]}, rank)
            rpc.wait_for(_ANSWER)
            rpc.get()

    def _check_resources(self, h: Flux) -> None:
        health = h.rpc("overlay.health", None, 0).get()
        if health["status"] != "full":
            self.problems.append(f"overlay: {health}")
        drained = h.rpc("resource.status", None, 0).get()["drain"]
        for ranks, why in drained.items():
            h.rpc("resource.undrain", {"targets": ranks}, 0).get()
            self.refused[f"drained: {why['reason']}"] += 1
        status = h.rpc("sched.resource-status", None, 0).get()
        counts = {
            name: sum(len(Idset(entry["rank"])) for entry in status[name]["execution"]["R_lite"])
            for name in ("all", "allocated")
        }
        if counts != {"all": self.cluster.size, "allocated": 0}:
            self.problems.append(f"resources: {counts}")

    def _left(self) -> list[int]:
        """Processes that have the file of runs on their command line, when all jobs are over."""
        until = time.monotonic() + _ANSWER
        while True:
            found = [
                pid
                for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
                if self._runs in _words(pid)
            ]
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.1)


def _words(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""  # it has ended


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
