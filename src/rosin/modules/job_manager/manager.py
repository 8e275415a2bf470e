# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: all jobs, and the loop of event, transition and action that drives them.

:meth:`Manager.post` is the only way in which a job changes: the event goes through the state machine, into
the eventlog and the journal, and what it asks for is done, which may post further events.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import (
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_STATE_SCHED,
    FLUX_JOB_WAITABLE,
)
from rosin.errors import FormatError
from rosin.modules.job_manager.alloc import Alloc
from rosin.modules.job_manager.drain import Drain
from rosin.modules.job_manager.event import actions, apply
from rosin.modules.job_manager.housekeeping import Housekeeping
from rosin.modules.job_manager.inactive import InactiveJob
from rosin.modules.job_manager.journal import EventJournal
from rosin.modules.job_manager.plugins.load import load_builtins
from rosin.modules.job_manager.plugins.stack import Stack
from rosin.modules.job_manager.plugins.topics import STATE_TOPICS
from rosin.modules.job_manager.purge import Purge
from rosin.modules.job_manager.queues import Queues
from rosin.modules.job_manager.restart import CHECKPOINT_KEY, checkpoint
from rosin.modules.job_manager.start import StartProtocol
from rosin.modules.job_manager.store import Store
from rosin.modules.job_manager.wait import Waits
from rosin.rfc import fluid
from rosin.rfc.role import privileged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.job_manager.config import ManagerConfig
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import Port
    from rosin.rfc.message import Message


class Manager:
    """The jobs of an instance. ``owner`` is the userid of the instance owner."""

    def __init__(self, port: Port, owner: int) -> None:
        self.port = port
        self.owner = owner
        self.active: dict[int, Job] = {}
        self.inactive: dict[int, InactiveJob] = {}
        self.max_jobid = 0
        self.running = 0
        #: When the resources of the instance expire, seconds since the epoch; 0 = never.
        self.expiration = 0.0
        #: ``[access] private-mode``: guests learn of their own jobs only.
        self.private = False
        self.store = Store()
        self.journal = EventJournal(port)
        self.queues = Queues()
        self.alloc = Alloc(self)
        self.housekeeping = Housekeeping(self)
        self.start = StartProtocol(self)
        self.waits = Waits(self)
        self.drain = Drain(self)
        self.purge = Purge(self)
        self._posts: deque[tuple[Job, dict[str, Any], bool]] = deque()
        self._posting = False
        self._held: tuple[Job, list[tuple[dict[str, Any], bool]]] | None = None
        self._actions: dict[str, Callable[[Job], None]] = {
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
        self.jobtap = Stack(self)
        load_builtins(self)

    def configure(self, config: ManagerConfig) -> None:
        """Take the settings, at the start and whenever they change."""
        self.queues.configure(config)
        self.purge.configure(config)
        self.housekeeping.configure(config.housekeeping)
        self.private = config.private

    # -- events -----------------------------------------------------------------------------------

    def post(
        self,
        job: Job,
        name: str,
        context: dict[str, Any] | None = None,
        *,
        timestamp: float | None = None,
        commit: bool = True,
    ) -> None:
        """Post the event *name* to *job*; with ``commit=False`` it is journaled but not logged.

        Raises FormatError, and posts nothing, when *context* is not that of the event.
        """
        entry: dict[str, Any] = {"timestamp": timestamp or self.port.now(), "name": name}
        if context is not None:
            entry["context"] = context
        if self._held is not None and self._held[0] is job:
            apply(job, entry)
            self._held[1].append((entry, commit))
            return
        if self._posting:  # an action of an event that is being processed: its turn comes after that
            self._posts.append((job, entry, commit))
            return
        self._posting = True
        try:
            self._process(job, entry, commit)
            while self._posts:
                self._process_next(*self._posts.popleft())
        finally:
            self._posting = False
            self.port.wake()

    def _process_next(self, job: Job, entry: dict[str, Any], commit: bool) -> None:
        try:
            self._process(job, entry, commit)
        except (
            FormatError
        ) as error:  # of a plugin; whoever posted the event before it has nothing to do with it
            self.port.log.error(f"{fluid.encode(job.id, 'f58')}: event refused: {error}")

    def _process(self, job: Job, entry: dict[str, Any], commit: bool) -> None:
        before = job.state
        if before == FLUX_JOB_STATE_INACTIVE:
            return
        todo = apply(job, entry)
        self._record(job, entry, commit)
        if self.jobtap.subscribers:
            self.jobtap.event(job, entry)
        if entry["name"] == "jobspec-update":
            self.jobtap.tell("job.update", job, entry.get("context") or {})
        if job.state != before:
            self._entered(job, before)
        for action in todo:
            self._actions[action](job)

    def _record(self, job: Job, entry: dict[str, Any], commit: bool) -> None:
        if commit:
            line = _json.dumps_to_keep(entry)
            job.lines.append(line)
            self.store.append(job.id, line)
        self.journal.record(job, entry)

    def _entered(self, job: Job, before: int) -> None:
        running = bool(job.state & FLUX_JOB_STATE_RUNNING)
        if running != bool(before & FLUX_JOB_STATE_RUNNING):
            self.running += 1 if running else -1
            self.drain.check()
        if job.state != FLUX_JOB_STATE_PRIORITY:  # there plugins are asked for one: see _priority
            self.jobtap.tell(STATE_TOPICS[job.state], job)

    def act(self, job: Job) -> None:
        """Do what the state of *job* asks for, after something other than an event has changed."""
        for action in actions(job):
            self._actions[action](job)
        self.port.wake()

    # -- actions ----------------------------------------------------------------------------------

    def _depend(self, job: Job) -> None:
        self.post(job, "depend")

    def _priority(self, job: Job) -> None:
        priority = self.jobtap.priority(job, STATE_TOPICS[FLUX_JOB_STATE_PRIORITY])
        if priority is not None:
            self.post(job, "priority", {"priority": priority})

    def _free(self, job: Job) -> None:
        self.housekeeping.start(job)
        self.post(job, "free")

    def _clean(self, job: Job) -> None:
        self.post(job, "clean")

    def _retire(self, job: Job) -> None:
        if self.active.pop(job.id, None) is None:
            return
        inactive = self.inactive[job.id] = InactiveJob(job)
        self.journal.retired(job.id)
        self.waits.inactive(job)
        self.purge.add(inactive)
        self.jobtap.tell("job.inactive-add", job)
        self.jobtap.destroy(job)
        self.drain.check()

    # -- jobs -------------------------------------------------------------------------------------

    def insert(self, job: Job) -> None:
        """Make *job* known, newly submitted or replayed."""
        self.active[job.id] = job
        self.max_jobid = max(self.max_jobid, job.id)
        if job.flags & FLUX_JOB_WAITABLE:
            self.waits.active()

    def hold(self, job: Job) -> None:
        """What is posted to *job*, which is new, changes it at once, and is logged when it is accepted."""
        self._held = job, []

    def accept(self, job: Job) -> None:
        """Take *job* in, with the events that were held."""
        held, self._held = self._held, None
        self.insert(job)
        for entry, commit in held[1] if held is not None else ():
            self._record(job, entry, commit)

    def refuse(self, job: Job) -> None:
        """Forget *job*: nothing has happened."""
        self._held = None
        self.jobtap.destroy(job)

    def lookup(self, id: int, unknown: str = "unknown job id", errnum: int = errno.ENOENT) -> Job:
        """The active job *id*; raises OSError *errnum* with text when it is unknown or inactive."""
        job = self.active.get(id)
        if job is None:
            raise OSError(errnum, "job is inactive" if id in self.inactive else unknown)
        return job

    def except_(
        self,
        job: Job,
        kind: str,
        severity: int,
        note: str = "",
        userid: int | None = None,
        wait_status: int | None = None,
    ) -> None:
        """Raise an exception on *job*: post it, and publish ``job-exception`` for those that run the job."""
        context: dict[str, Any] = {
            "type": kind,
            "severity": severity,
            "note": note,
            "userid": self.owner if userid is None else userid,
        }
        event: dict[str, Any] = {"id": job.id, "type": kind, "severity": severity}
        if wait_status is not None and wait_status >= 0:
            context["wait_status"] = event["wait_status"] = wait_status
        self.post(job, "exception", context)
        self.port.publish("job-exception", event, private=True)

    def reprioritize(self, job: Job, priority: int) -> None:
        """Give *job* another priority, if it is one to be scheduled."""
        waits = job.state == FLUX_JOB_STATE_PRIORITY
        if waits or (job.state == FLUX_JOB_STATE_SCHED and job.priority != priority):
            self.post(job, "priority", {"priority": priority})

    def reprioritize_all(self) -> None:
        """Ask the plugins for the priorities of all jobs that are to be scheduled."""
        for job in list(self.active.values()):
            if job.state in (FLUX_JOB_STATE_PRIORITY, FLUX_JOB_STATE_SCHED):
                priority = self.jobtap.priority(job, "job.priority.get")
                if priority is not None:
                    self.reprioritize(job, priority)

    def restricted(self, rolemask: int) -> bool:
        """A sender with these roles must not learn of other users' jobs."""
        return self.private and not privileged(rolemask)

    # -- the end of a turn of the loop --------------------------------------------------------------

    def flush(self) -> None:
        """Send the allocation requests and journal responses of this turn; the module commits afterwards."""
        self.alloc.send_requests()
        self.journal.flush()

    def answer(self, msg: Message, payload: dict[str, Any] | None) -> None:
        """Answer *msg* once all that has happened so far is stored."""

        def stored(error: OSError | None) -> None:
            if error is None:
                self.port.respond(msg, payload)
            else:
                text = f"could not store the job's events: {error.strerror}"
                self.port.respond_error(msg, error.errno or errno.EIO, text)

        self.store.after(stored)
        self.port.wake()

    def checkpoint(self) -> None:
        """Store the state of the queues and the highest job id."""
        self.store.put(CHECKPOINT_KEY, checkpoint(self))
        self.port.wake()

    def requeue_all(self) -> None:
        """Queues were started or stopped: ask for what may be scheduled now, take back what may not."""
        for job in self.active.values():
            if job.state != FLUX_JOB_STATE_SCHED:
                continue
            if self.queues.started(job.queue):
                self.alloc.enqueue(job)
            else:
                self.alloc.requeue(job)
        self.drain.check()
        self.port.wake()

    def shut_down(self) -> None:
        """The service ends: answer all that wait."""
        self.journal.listeners.end()
        self.jobtap.shut_down()
        self.housekeeping.shut_down()
        self.waits.fail(errno.ENOSYS, "job-manager is unloading")
        self.drain.fail(errno.ENOSYS, "job-manager is unloading")

    def disconnected(self, sender: bytes) -> None:
        """The client *sender* is gone: forget what it waited for, and the service it was."""
        self.journal.listeners.drop(sender)
        self.waits.disconnected(sender)
        self.drain.disconnected(sender)
        self.alloc.disconnected(sender)
        self.start.disconnected(sender)
