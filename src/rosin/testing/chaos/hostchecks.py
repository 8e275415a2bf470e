# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether brokers that are processes have lost anything, done it twice, are stuck, or have left something."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from typing import Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from rosin.handle import Flux
from rosin.job.jobid import JobID
from rosin.job.listing import job_list
from rosin.kvs import PRIMARY, getroot_async, lookup_async
from rosin.rfc import eventlog, treeobj
from rosin.rfc.idset import Idset
from rosin.rfc.jobpath import job_key
from rosin.testing.chaos.hostfaults import HostFaults
from rosin.testing.chaos.hostworld import ANSWER, KEY
from rosin.testing.cluster import MARK

_OVER, _LATE = 120.0, 20.0
_ONCE = ("submit", "start", "finish", "clean")


class HostChecks(HostFaults):
    """A world that is looked over."""

    def check(self) -> None:
        """All jobs are over and have done what their records say, all ranks agree, and nothing is left."""
        with Flux(self.cluster.uri()) as h:
            if not self._await(h.rpc("job-manager.idle", {})):
                self.problem(f"jobs are not over after {_OVER:.0f} s")
                return
            self._check_jobs(h)
            self._check_ranks(h)
        self._check_left()

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

    # -- jobs ---------------------------------------------------------------------------------------

    def _check_jobs(self, h: Flux) -> None:
        """Those of this round: afterwards they are forgotten."""
        rows = job_list(h, 0, ["id", "state"], FLUX_USERID_UNKNOWN).get_jobs()
        states = {row["id"]: row["state"] for row in rows}
        ran = self._ran()
        for jobid, tasks in sorted(self.ids.items()):
            if states.get(jobid) != FLUX_JOB_STATE_INACTIVE:
                self.problem(f"job {jobid} is {'lost' if jobid not in states else 'not over'}")
                continue
            text = treeobj.val_data(lookup_async(h, job_key(jobid, "eventlog"), PRIMARY).get()["val"])
            self._check_job(jobid, tasks, eventlog.decode(text), ran)
        self.over += len(self.ids)
        self.ids.clear()

    def _check_job(self, jobid: int, tasks: int, events: Any, ran: set[tuple[int, int]]) -> None:
        names = Counter(event.name for event in events)
        fatal = [event.context["type"] for event in events if event.name == "exception"]
        self.ended[f"exception {fatal[0]}" if fatal else "finish"] += 1
        if any(names[name] > 1 for name in _ONCE) or not names["clean"]:
            self.problem(f"job {jobid}: {dict(names)}")
        if any(event.name == "finish" and not event.context["status"] for event in events):
            never = [rank for rank in range(tasks) if (jobid, rank) not in ran]
            if never:
                self.problem(f"job {jobid} has finished, and tasks {never} have not")

    def _ran(self) -> set[tuple[int, int]]:
        """The tasks that have come to their end, by job and rank; each does so once."""
        with open(self.runs) as file:
            lines = Counter(file.read().splitlines())
        self.problems += [f"{line}: {times} times" for line, times in lines.items() if times > 1]
        ends = [line.split()[1].rpartition(".") for line in lines if line.startswith("end")]
        return {(int(JobID(jobid)), int(rank)) for jobid, _, rank in ends}

    # -- ranks --------------------------------------------------------------------------------------

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
                    self.problem(f"a rank does not answer: {exc}")
                    return
                self.refused["late loss of a connection"] += 1
        self._check_resources(h)
        self._check_waiting(h)

    def _reach(self, h: Flux) -> None:
        """Every rank answers, and comes to the version of the root. Raises OSError."""
        root = getroot_async(h, PRIMARY, 0).get()
        at = {"namespace": PRIMARY, "rootseq": root["rootseq"]}
        for rank in self.all:
            for topic, payload in (("broker.ping", {"seq": 0}), ("kvs.wait-version", at)):
                rpc = h.rpc(topic, payload, rank)
                rpc.wait_for(ANSWER)
                rpc.get()
            with Flux(self.cluster.uri(rank)) as there:
                answer = lookup_async(there, KEY, PRIMARY).wait_for(ANSWER).get()
            found = int(treeobj.val_data(answer["val"]))
            if found < self.value:
                self.problem(f"rank {rank}: {KEY} is {found}, and {self.value} was acknowledged")

    def _check_resources(self, h: Flux) -> None:
        health = h.rpc("overlay.health", None, 0).get()
        if health["status"] != "full":
            self.problem(f"overlay: {health}")
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
            self.problem(f"resources: {counts}")

    def _check_waiting(self, h: Flux) -> None:
        """Between brokers no more requests wait than in an instance that has just become idle."""
        found: dict[int, tuple[int, int]] = {}

        def settled() -> bool:
            for rank in self.all:
                stats = h.rpc("overlay.stats-get", None, rank).get()
                found[rank] = stats["parent-rpc"], stats["child-rpc"]
            self.idle = self.idle or dict(found)
            return all(
                now <= idle
                for rank in self.all
                for now, idle in zip(found[rank], self.idle[rank], strict=True)
            )

        if not self.until("requests between brokers end", settled):
            self.problem(f"requests that wait: {found}, idle: {self.idle}")

    # -- processes ----------------------------------------------------------------------------------

    def _check_left(self) -> None:
        """No task runs, and what brokers have started has a broker among its ancestors."""
        found: list[str] = []

        def gone() -> bool:
            found[:] = self._left()
            return not found

        if not self.until("processes of jobs and of former brokers end", gone):
            self.problems += found

    def _left(self) -> list[str]:
        parents: dict[int, int] = {}
        suspects = []
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    state, above = file.read().rpartition(b")")[2].split()[:2]
                parents[pid] = int(above)
                words, environ = (_read(pid, name) for name in ("cmdline", "environ"))
            except OSError:
                continue  # it has ended
            if state != b"Z" and (self.runs in words or f"{MARK}={self.cluster.directory}:" in environ):
                suspects.append((pid, words.replace("\0", " ")))
        brokers = {process.pid for process in self.cluster.processes.values()}
        return [
            f"process {pid} is left: {words}"
            for pid, words in suspects
            if self.runs in words or not _descends(pid, brokers, parents)
        ]


def _descends(pid: int, ancestors: set[int], parents: dict[int, int]) -> bool:
    while pid and pid not in ancestors:
        pid = parents.get(pid, 0)
    return pid != 0


def _read(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().decode(errors="replace")
