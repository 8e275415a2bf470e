# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job manager: the jobs (:mod:`.core`) and the parts that do what their states ask for."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_PRIORITY, FLUX_JOB_STATE_SCHED, FLUX_JOB_WAITABLE
from rosin.modules.job_manager.alloc import Alloc
from rosin.modules.job_manager.archive import JobArchive, chunk_key
from rosin.modules.job_manager.core import Core
from rosin.modules.job_manager.drain import Drain
from rosin.modules.job_manager.event import POSTING_CLEAN, POSTING_DEPEND, POSTING_FREE
from rosin.modules.job_manager.housekeeping import Housekeeping
from rosin.modules.job_manager.inactive import InactiveJob
from rosin.modules.job_manager.plugins.load import load_builtins
from rosin.modules.job_manager.plugins.stack import Stack
from rosin.modules.job_manager.plugins.topics import STATE_TOPICS
from rosin.modules.job_manager.purge import Purge
from rosin.modules.job_manager.slices import Slices
from rosin.modules.job_manager.start import StartProtocol
from rosin.modules.job_manager.wait import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import Port
    from rosin.modules.job_manager.settings import ManagerSettings
    from rosin.rfc.message import Message


class Manager(Core):
    """The jobs and all parts around them."""

    def __init__(self, port: Port, owner: int) -> None:
        super().__init__(port, owner)
        self.alloc = Alloc(self)
        self.housekeeping = Housekeeping(self, self.alloc)
        self.start = StartProtocol(self)
        self.waits = Waits(self)
        self.drain = Drain(self, self.alloc, self.housekeeping)
        self.purge = Purge(self)
        self.archive = JobArchive()
        self.actions |= {
            "depend": self._depend,
            "priority": self._priority,
            "enqueue": self.alloc.enqueue,
            "requeue": self.alloc.requeue,
            "reorder": self.alloc.reorder,
            "dequeue": self.alloc.dequeue,
            "start": self.start.request,
            "expire": self.start.expire,
            "free": self._free,
            "clean": self._clean,
            "retire": self._retire,
        }
        self.jobtap: Stack = Stack(self)
        load_builtins(self.jobtap)

    def configure(self, settings: ManagerSettings) -> None:
        """Take the settings, at the start and whenever they change."""
        self.queues.configure(settings)
        self.purge.configure(settings)
        self.housekeeping.configure(settings.housekeeping)
        self.private = settings.private

    # -- actions ----------------------------------------------------------------------------------

    def _depend(self, job: Job) -> None:
        if self.queued(job, "dependency-add"):  # a plugin has been quick to let it wait
            job.posting &= ~POSTING_DEPEND
            return
        self.post(job, "depend")

    def _priority(self, job: Job) -> None:
        priority = self.jobtap.priority(job, STATE_TOPICS[FLUX_JOB_STATE_PRIORITY])
        if priority is not None:
            self.post(job, "priority", {"priority": priority})

    def _free(self, job: Job) -> None:
        if self.queued(job, "epilog-start"):  # a plugin has been quick to keep the resources
            job.posting &= ~POSTING_FREE
            return
        if not job.bypass:
            self.housekeeping.start(job)
        self.post(job, "free")

    def _clean(self, job: Job) -> None:
        if self.queued(job, "epilog-start"):
            job.posting &= ~POSTING_CLEAN
            return
        self.post(job, "clean")

    def _retire(self, job: Job) -> None:
        if self.active.pop(job.id, None) is None:
            return
        inactive = self.inactive[job.id] = InactiveJob.of(job)
        self.archive.over(job.id)
        self.journal.retired(job.id)
        self.waits.inactive(job)
        self.purge.add(inactive)
        self.jobtap.tell("job.inactive-add", job)
        self.jobtap.destroy(job)
        self.drain.check()

    # -- jobs -------------------------------------------------------------------------------------

    def insert(self, job: Job) -> None:
        super().insert(job)
        self.archive.begun(job.id)
        if job.flags & FLUX_JOB_WAITABLE:
            self.waits.active()

    def forgotten(self, id: int) -> None:
        self.archive.purged(id)
        self.tidy_archive()

    def tidy_archive(self) -> None:
        """Remove the parts of the archive that are of no use any more."""
        for number in self.archive.emptied:
            self.store.unlink(chunk_key(number))
        self.archive.emptied.clear()

    def resources_changed(self) -> None:
        self.drain.resources_changed()

    def check_drained(self) -> None:
        self.drain.check()

    # -- the end of a turn of the loop --------------------------------------------------------------

    def flush(self) -> None:
        """Send the allocation requests and journal responses of this turn; the module commits afterwards."""
        self.alloc.send_requests()
        self.journal.flush()

    def requeue_all(self, done: Callable[[], None] | None = None) -> None:
        """Queues were started or stopped: ask for what may be scheduled now, take back what may not."""

        def step(job: Job) -> None:
            if job.state != FLUX_JOB_STATE_SCHED:
                return
            if self.queues.started(job.queue):
                self.alloc.enqueue(job)
            else:
                self.alloc.requeue(job)

        def end() -> None:
            self.drain.check()
            if done is not None:
                done()

        Slices(self, [job for job in self.active.values() if job.state == FLUX_JOB_STATE_SCHED], step, end)

    def shut_down(self) -> None:
        """The service ends: answer all that wait."""
        self.journal.listeners.end()
        self.jobtap.shut_down()
        self.housekeeping.shut_down()
        self.waits.fail(errno.ENOSYS, "job-manager is unloading")
        self.drain.fail(errno.ENOSYS, "job-manager is unloading")

    def hello(self, msg: Message) -> Iterator[dict[str, Any]]:
        """What holds resources, for a scheduler that has just started (RFC 27)."""
        partial_ok = self.alloc.greet(msg)
        yield from self.alloc.held()
        yield from self.housekeeping.hello(partial_ok)

    def disconnected(self, sender: bytes) -> None:
        """The client *sender* is gone: forget what it waited for, and the service it was."""
        self.journal.listeners.drop(sender)
        self.waits.disconnected(sender)
        self.drain.disconnected(sender)
        self.alloc.disconnected(sender)
        self.start.disconnected(sender)
