# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: changes of a job's duration (``.update-duration``) and of its queue (``.update-queue``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.constants import FLUX_JOB_STATE_RUNNING
from rosin.modules.job_manager.job import system_attribute
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback
from rosin.rfc.jobspec.attributes import MAX_DURATION, is_duration
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.plugins.api import Update
    from rosin.modules.job_manager.queues import Queue

DURATION = "attributes.system.duration"
_QUEUE = "attributes.system.queue"
_CONSTRAINTS = "attributes.system.constraints"


class UpdateDuration(Plugin):
    """Owners may set any duration, at any time; guests one within the limits, of a pending job."""

    name = ".update-duration"

    @callback(f"job.update.{DURATION}")
    def update(self, job: Job, update: Update) -> None:
        """Refuse what is no duration, and what only an owner may ask for."""
        value, owner = update.value, allowed(update.rolemask)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Reject("duration must be a number of seconds")
        if value < 0:
            raise Reject("duration must not be negative")
        if not is_duration(value):
            raise Reject(f"duration must be less than {MAX_DURATION:g} seconds, got {value:g}")
        if job.state & FLUX_JOB_STATE_RUNNING and not owner:
            raise Reject("duration update of running job requires instance owner privileges")
        update.changes[DURATION] = float(value)
        update.validated = owner


class UpdateQueue(Plugin):
    """A pending job changes to another queue, and to its nodes."""

    name = ".update-queue"

    @callback(f"job.update.{_QUEUE}")
    def update(self, job: Job, update: Update) -> None:
        """Refuse what is no queue, and jobs that ask for nodes of their own."""
        name = update.value
        if job.state & FLUX_JOB_STATE_RUNNING:
            raise Reject("update of queue for running job not supported")
        if not isinstance(name, str):
            raise Reject("queue: expected a string")
        if name == job.queue:
            raise Reject(f"job queue is already set to {name}")
        queue = self._queue(name)
        if not queue.enabled:
            raise Reject(f"queue {name} is currently disabled")
        old = self._queue(job.queue).constraint
        expected = {"properties": old} if old else None
        if (system_attribute(job.jobspec, "constraints") or None) != expected:
            raise Reject(f"job appears to have non-queue constraints, unable to update queue to {name}")
        update.changes[_CONSTRAINTS] = {"properties": queue.constraint} if queue.constraint else {}
        update.feasibility = True

    def _queue(self, name: str | None) -> Queue:
        try:
            return self.manager.queues.lookup(name)
        except OSError as error:
            raise Reject(error.strerror or str(error)) from None
