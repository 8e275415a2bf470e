# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who keeps shells alive while no execution service looks after them (RFC 32, reattach; RFC 42; pure).

It is the subprocess server of each rank. Shells are started so that they outlive their client and are found
again by their label. So they outlive this module, and the job manager. Shells of Rosin's own also outlive
their brokers, where there is a next one that finds them (``exec.keep-timeout``): the zygote of the rank
keeps each, it connects again, and has the KVS keep what the job writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.job_exec import launch
from rosin.rfc import fluid
from rosin.rfc.exec_eventlog import is_recoverable
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from rosin.modules.job_exec.job import ExecJob, JobHistory

#: The leader shell's event after the last barrier.
_STARTED = "shell.start"
#: Its event when a task has ended: it ends by itself when all have, and this is written.
_TASK_ENDED = "shell.task-exit"
#: Notes of exceptions.
LOST = "lost contact with job shell on broker restart"
AWAY = ": its broker has not come back"
UNHEARD = "job shell ended without having found the broker that was restarted"
HALF_STARTED = "job is not recoverable: its shells were still waiting for each other"


def label(job: ExecJob, rank: int) -> str:
    """What the shell of a job on a rank is called, as flux-core calls it."""
    prefix = "imp-shell" if job.multiuser else "shell"
    return f"{prefix}-{rank}-{fluid.encode(job.id, 'f58plain')}"


def ends_with_broker(job: ExecJob) -> str | None:
    """Why the shells of a job do not outlive their broker where others do; None if they do."""
    if job.multiuser:
        return "jobs of other users than the owner of the instance are not kept"
    if launch.shell_path(job) is not None:
        return "jobs with another job shell are not kept"
    return None


def outlives(job: ExecJob) -> bool:
    """Whether the shells of a job outlive their broker."""
    return job.keep > 0 and ends_with_broker(job) is None


def why_lost(job: ExecJob) -> str:
    """What is added to the note of the exception for shells that were not found."""
    reason = ends_with_broker(job) if job.keep > 0 else None
    return f": {reason}" if reason else ""


def waits(job: ExecJob) -> bool:
    """Whether a job goes on without knowing what its shell does, as another broker may come."""
    return outlives(job) and keepable(job)


def unheard(job: ExecJob, history: JobHistory) -> Idset:
    """Ranks whose shells have outlived their broker, and have not been heard of."""
    return job.allocation.ranks if history.restarted and outlives(job) else Idset()


def done(job: ExecJob, history: JobHistory) -> Idset:
    """Ranks where a shell may end all the same: the leader, as it has seen tasks end."""
    leader = job.allocation.ranks.first()
    return Idset([leader] if leader is not None and _TASK_ENDED in history.exec_events else [])


def ended_unheard(job: ExecJob, history: JobHistory) -> str:
    """The note of the exception for a shell that has outlived its broker, and ended without a word."""
    started = len(job.allocation.ranks) == 1 or _STARTED in history.exec_events
    return UNHEARD if started else HALF_STARTED


def keepable(job: ExecJob) -> bool:
    """Whether the shells of a job may go on while nobody looks after them."""
    return not job.finalizing and not job.exception_in_progress


def recoverable(job: ExecJob, history: JobHistory) -> bool:
    """Whether a job can be gone on with by somebody who does not know how far its shells have come.

    Those of many wait in barriers, which are forgotten; a single one does not. Nor do those that have
    outlived their broker: one that was in a barrier then has ended.
    """
    if len(job.allocation.ranks) == 1 or (history.restarted and outlives(job)):
        return True
    return _STARTED in history.exec_events or is_recoverable(history.exec_events)
