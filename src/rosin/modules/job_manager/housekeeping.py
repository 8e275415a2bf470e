# SPDX-License-Identifier: LGPL-3.0-or-later
"""Housekeeping: a command on the nodes of a job that is over, before its resources go back (flux-core).

The job itself ends at once; to the scheduler its resources stay allocated until the command has ended on
their rank, successfully or not (``release-after`` says how ranks wait for each other). A command that wants
a node drained does that itself. Nothing of this outlives the job manager: its end kills the commands.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.job_manager.housekeeping_settings import HousekeepingSettings
from rosin.modules.job_manager.rank_process import RankProcess
from rosin.process.outcome import signal_text, termsig
from rosin.remote import protocol
from rosin.rfc import fluid
from rosin.rfc.alloc_protocol import AllocJob
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.job_manager.alloc import Alloc
    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import PortTimer
    from rosin.rfc.message import Message

#: Seconds in which the ends of processes are collected to be dealt with, and logged, together.
_BATCH = 0.01
_NO_PARTIAL = "scheduler does not support restart with partially released resources"
_PURGED = "the job could not be looked up during RFC 27 hello"


class HeldResources:
    """The resources of a job that is over.

    ``R`` is what has not been released, ``pending`` the ranks that are not done, ``free`` those released.
    """

    def __init__(self, owner: Housekeeping, job: Job, R: dict[str, Any]) -> None:
        """Raises FormatError when R is malformed."""
        self.owner = owner
        self.manager = owner.manager
        self.alloc = owner.alloc
        self.id, self.userid = job.id, job.userid
        self.priority, self.t_submit = job.priority, job.t_submit
        self.t_start = self.manager.port.now()
        self.R = ResourceSet.decode(R)
        self.ranks = self.pending = self.R.ranks()
        self.hosts = {rank: self.R.host(rank) for rank in self.ranks}
        self.free = Idset()
        self.tasks = {rank: RankProcess(self.manager.port, self, rank) for rank in self.ranks}
        self.released = False  # there is nobody to be told of what ends from now on
        self._name = fluid.encode(job.id, "f58")
        self._unstarted = len(self.ranks)
        self._active = len(self.ranks)
        self._batch: list[RankProcess] = []
        self._batch_timer: PortTimer | None = None
        self._timer: PortTimer | None = None
        self._expired = False

    def start(self, command: list[str]) -> None:
        """Run the command on each rank."""
        env = {
            **os.environ,
            "FLUX_JOB_ID": str(self.id),
            "FLUX_JOB_USERID": str(self.userid),
            "FLUX_JOB_RANKS": self.ranks.encode(),
        }
        request = protocol.exec_request(protocol.command(command, env))
        for task in self.tasks.values():
            task.start(request)

    def kill(self, signum: int, ranks: Idset | None = None) -> None:
        """Signal the command on all, or some, ranks."""
        for rank, task in self.tasks.items():
            if ranks is None or rank in ranks:
                task.kill(signum)

    def drop(self) -> None:
        """Release nothing any more, whatever still ends."""
        self.released = True
        for timer in (self._timer, self._batch_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._batch_timer = None

    def places(self, ranks: Idset) -> str:
        """Hosts and ranks for a message."""
        from rosin.rfc.hostlist import Hostlist

        hosts = Hostlist([self.hosts[rank] for rank in ranks if self.hosts.get(rank)]).encode()
        return f"{hosts or '?'} (rank {ranks.encode()})"

    # -- what a task tells (ProcessOwner) --------------------------------------------------------------------

    def started(self, task: RankProcess) -> None:
        self._unstarted -= 1
        if not self._unstarted:
            self.manager.port.log.debug(f"housekeeping: {self._name} started")

    def output(self, task: RankProcess, stream: str, line: str) -> None:
        log = self.manager.port.log
        text = f"housekeeping: {self.places(Idset([task.rank]))} {self._name}: {line}"
        (log.error if stream == "stderr" else log.info)(text)

    def exited(self, task: RankProcess) -> None:
        self._active -= 1
        self._batch.append(task)
        if self.released:
            return
        if not self._active:
            self._flush()
        elif self._batch_timer is None:
            self._batch_timer = self.manager.port.later(_BATCH, self._flush)

    def failed(self, task: RankProcess, error: OSError | FormatError) -> None:
        if not self.released:
            self._error(Idset([task.rank]), str(getattr(error, "strerror", None) or error))
        self.exited(task)

    # -- the ranks that are done ----------------------------------------------------------------------

    def _flush(self) -> None:
        """Deal with the processes that have ended since the last time."""
        if self._batch_timer is not None:
            self._batch_timer.cancel()
            self._batch_timer = None
        batch, self._batch = self._batch, []
        failures = {task.rank: reason for task in batch if (reason := _failure(task)) is not None}
        if failures:
            reasons = set(failures.values())
            self._error(Idset(failures), reasons.pop() if len(reasons) == 1 else "multiple failure modes")
        self.pending -= Idset([task.rank for task in batch])
        release_after = self.owner.settings.release_after
        if not self.pending or release_after == 0.0 or self._expired:
            self._release()
        if self.pending and release_after > 0.0 and self._timer is None and not self._expired:
            self._timer = self.manager.port.later(release_after, self._expire)
        if not self._active:
            self.manager.port.log.debug(f"housekeeping: {self._name} complete")
            self.owner.remove(self)

    def _expire(self) -> None:
        self._timer = None
        self._expired = True
        self._release()

    def _release(self) -> None:
        """Return the resources of the ranks that are done."""
        done = self.R.ranks() - self.pending
        if done:
            final = not self.pending
            self.alloc.release(self.id, self.R.copy_ranks(done).encode(), final=final)
            self.R.remove_ranks(done)
            self.free |= done

    def _error(self, ranks: Idset, reason: str) -> None:
        self.manager.port.log.error(f"housekeeping: {self.places(ranks)} {self._name}: {reason}")


def _failure(task: RankProcess) -> str | None:
    """Why a process that is over has not succeeded; None if it has."""
    status = task.status or 0
    signum = termsig(status)
    if signum:
        return signal_text(signum)
    return "nonzero exit code" if status else None


class Housekeeping:
    """The allocations in housekeeping, by job id, and the settings for those to come."""

    def __init__(self, manager: Core, alloc: Alloc) -> None:
        self.manager = manager
        self.alloc = alloc
        self.settings = HousekeepingSettings()
        self.allocations: dict[int, HeldResources] = {}

    def configure(self, settings: HousekeepingSettings) -> None:
        """Take the settings for jobs that end from now on."""
        self.settings = settings
        log = self.manager.port.log
        if settings.deprecated:
            log.error("job-manager.housekeeping.use-systemd-unit is deprecated - ignoring")
        state = "not configured" if settings.command is None else "configured"
        log.debug(f"housekeeping is {state}{' with IMP' if settings.with_imp else ''}")

    def start(self, job: Job) -> None:
        """Take the resources of *job*; without a command they go back to the scheduler at once."""
        if job.R is None or self.settings.command is None:
            self.alloc.free(job)
            return
        try:
            allocation = HeldResources(self, job, job.R)
        except FormatError as error:
            self.manager.port.log.error(
                f"housekeeping: {fluid.encode(job.id, 'f58')} error creating alloc object"
                f" - returning resources to the scheduler: {error}"
            )
            self.alloc.free(job)
            return
        self.allocations[job.id] = allocation
        allocation.start(self.settings.command)

    def remove(self, allocation: HeldResources) -> None:
        """All is released, or will not be."""
        allocation.drop()
        if self.allocations.get(allocation.id) is allocation:
            del self.allocations[allocation.id]

    def kill(self, msg: Message) -> None:
        """``job-manager.housekeeping-kill {signum, jobid?, ranks?}``. Raises FormatError."""
        args = msg.args
        signum = field(args, "signum", int)
        jobid = field(args, "jobid", (int, type(None)), None)
        text = field(args, "ranks", (str, type(None)), None)
        ranks = None if text is None else Idset.decode(text)
        if signum < 0:
            raise OSError(errno.EINVAL, f"invalid signal number {signum}")
        every = jobid is None or jobid in (-1, 2**64 - 1)
        for allocation in list(self.allocations.values()):
            if every or allocation.id == jobid:
                allocation.kill(signum, ranks)

    def hello(self, partial_ok: bool) -> Iterator[dict[str, Any]]:
        """What a scheduler that has just started has to know (RFC 27); what it cannot know is let go."""
        for allocation in list(self.allocations.values()):
            reason = None
            if allocation.free and not partial_ok:
                reason = _NO_PARTIAL
            elif allocation.id not in self.manager.inactive and allocation.id not in self.manager.active:
                reason = _PURGED
            if reason is not None:
                self._let_go(allocation, reason)
                continue
            yield AllocJob(
                allocation.id,
                allocation.priority,
                allocation.userid,
                allocation.t_submit,
                free=allocation.free,
            ).encode()

    def _let_go(self, allocation: HeldResources, reason: str) -> None:
        places, name = allocation.places(allocation.pending), fluid.encode(allocation.id, "f58")
        self.manager.port.log.error(f"housekeeping: {places} from {name} will be terminated because {reason}")
        allocation.kill(signal.SIGTERM)
        self.remove(allocation)
        self.manager.resources_changed()

    def resources(self) -> Iterator[ResourceSet]:
        """What housekeeping holds."""
        for allocation in self.allocations.values():
            yield allocation.R

    def stats(self) -> dict[str, Any]:
        """The ``housekeeping`` part of the statistics."""
        running = {
            fluid.encode(allocation.id, "f58"): {
                "t_start": allocation.t_start,
                "pending": allocation.pending.encode(),
                "allocated": allocation.R.ranks().encode(),
            }
            for allocation in self.allocations.values()
        }
        return {"running": running, "config": self.settings.describe()}

    def shut_down(self) -> None:
        """The service ends; its disconnect from the subprocess servers kills what still runs."""
        for allocation in list(self.allocations.values()):
            self.remove(allocation)
