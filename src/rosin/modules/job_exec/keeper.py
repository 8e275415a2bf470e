# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who keeps shells alive while no execution service looks after them (RFC 32, reattach; RFC 42; pure).

It is the subprocess server of each rank. Shells are started so that they outlive their client and are found
again by their label. So they outlive this module, and the job manager, but not their broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc import fluid
from rosin.rfc.exec_eventlog import is_recoverable

if TYPE_CHECKING:
    from rosin.modules.job_exec.job import ExecJob, JobHistory

#: The leader shell's event after the last barrier.
_STARTED = "shell.start"
#: Notes of exceptions.
LOST = "lost contact with job shell on broker restart"
HALF_STARTED = "job is not recoverable: its shells were still waiting for each other"


def label(job: ExecJob, rank: int) -> str:
    """What the shell of a job on a rank is called, as flux-core calls it."""
    prefix = "imp-shell" if job.multiuser else "shell"
    return f"{prefix}-{rank}-{fluid.encode(job.id, 'f58plain')}"


def keepable(job: ExecJob) -> bool:
    """Whether the shells of a job may go on while nobody looks after them."""
    return not job.finalizing and not job.exception_in_progress


def recoverable(history: JobHistory, shells: int) -> bool:
    """Whether a job can be gone on with by somebody who does not know how far its shells have come.

    Those of many wait in barriers, which are forgotten; a single one does not.
    """
    return shells == 1 or _STARTED in history.exec_events or is_recoverable(history.exec_events)
