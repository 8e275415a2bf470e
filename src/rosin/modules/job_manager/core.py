# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: all jobs, and the loop of event, transition and action that drives them.

:meth:`Core.post` is the only way in which a job changes: the event goes through the state machine, into the
eventlog and the journal, and what it asks for is done, which may post further events. This is all
that the parts of the manager know of it.
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
)
from rosin.errors import FormatError
from rosin.modules.job_manager.event import actions, apply
from rosin.modules.job_manager.job import redact_R
from rosin.modules.job_manager.journal import EventJournal
from rosin.modules.job_manager.plugins.topics import STATE_TOPICS
from rosin.modules.job_manager.queues import Queues
from rosin.modules.job_manager.slices import Slices
from rosin.modules.job_manager.store import CommitQueue
from rosin.rfc import fluid
from rosin.rfc.jobpath import job_key
from rosin.rfc.role import privileged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.plugins.calls import Calls
    from rosin.modules.job_manager.port import Port
    from rosin.rfc.message import Message

CHECKPOINT_KEY = "checkpoint.job-manager"
CHECKPOINT_VERSION = 1


class Core:
    """The jobs of an instance. ``owner`` is the userid of the instance owner."""

    #: The plugins.
    jobtap: Calls

    def __init__(self, port: Port, owner: int) -> None:
        self.port = port
        self.owner = owner
        self.active: dict[int, Job] = {}
        self.inactive: dict[int, InactiveJob] = {}
        self.max_jobid = 0
        #: Ids of submissions of which all that was stored has been removed.
        self.removed: set[int] = set()
        self.running = 0
        #: When the resources of the instance expire, seconds since the epoch; 0 = never.
        self.expiration = 0.0
        #: ``[access] private-mode``: guests learn of their own jobs only.
        self.private = False
        self.store = CommitQueue()
        self.journal = EventJournal(port)
        self.queues = Queues()
        #: What the state machine's actions do.
        self.actions: dict[str, Callable[[Job], None]] = {}
        self._posts: deque[tuple[Job, dict[str, Any], bool]] = deque()
        self._posting = False
        self._reprioritizing: Slices | None = None
        self._held: tuple[Job, list[tuple[dict[str, Any], bool]]] | None = None

    # -- what its parts tell ------------------------------------------------------------------------

    def resources_changed(self) -> None:
        """Resources were allocated or returned."""
        raise NotImplementedError

    def forgotten(self, id: int) -> None:
        """The inactive job *id* was purged."""
        raise NotImplementedError

    def check_drained(self) -> None:
        """There may be no active job any more, or none that runs."""
        raise NotImplementedError

    def restricted(self, rolemask: int) -> bool:
        """A sender with these roles must not learn of other users' jobs."""
        return self.private and not privileged(rolemask)

    # -- events -------------------------------------------------------------------------------------

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
        """The same of an event that was posted meanwhile: whoever posted the first one is not to blame."""
        try:
            self._process(job, entry, commit)
        except FormatError as error:
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
            self.actions[action](job)

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
            self.check_drained()
        if job.state != FLUX_JOB_STATE_PRIORITY:  # there plugins are asked for one: see _priority
            self.jobtap.tell(STATE_TOPICS[job.state], job)

    def queued(self, job: Job, name: str) -> bool:
        """Whether the event *name* has been posted to *job* and waits for its turn."""
        return any(other is job and entry["name"] == name for other, entry, _ in self._posts)

    def act(self, job: Job) -> None:
        """Do what the state of *job* asks for, after something other than an event has changed."""
        for action in actions(job):
            self.actions[action](job)
        self.port.wake()

    def annotate(self, job: Job, annotations: dict[str, Any]) -> None:
        """Merge *annotations* into those of *job* and journal the result."""
        job.annotate(None, annotations)
        self.post(job, "annotations", {"annotations": job.annotations}, commit=False)

    # -- jobs -------------------------------------------------------------------------------------

    def insert(self, job: Job) -> None:
        """Make *job* known, newly submitted or replayed."""
        self.active[job.id] = job
        self.max_jobid = max(self.max_jobid, job.id)

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

    def current(self, job: Job) -> Job:
        """The job that *job*, perhaps a copy, stands for. Raises OSError ENOENT when there is none."""
        return job if self.holds(job) else self.lookup(job.id)

    def holds(self, job: Job) -> bool:
        """Whether *job* is new, and neither accepted nor refused yet."""
        return self._held is not None and self._held[0] is job

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

    def bypass(self, job: Job, R: dict[str, Any]) -> None:
        """Give *job*, which is to be scheduled, *R* without asking the scheduler."""
        self.store.put(job_key(job.id, "R"), _json.dumps(R))
        job.R = redact_R(R)
        self.post(job, "alloc", {"bypass": True})

    def reprioritize(self, job: Job, priority: int) -> None:
        """Give *job* another priority, if it is one to be scheduled."""
        waits = job.state == FLUX_JOB_STATE_PRIORITY
        if waits or (job.state == FLUX_JOB_STATE_SCHED and job.priority != priority):
            self.post(job, "priority", {"priority": priority})

    def reprioritize_all(self) -> None:
        """Ask the plugins for the priorities of all jobs that are to be scheduled; again, if that goes on."""
        if self._reprioritizing is not None:
            self._reprioritizing.cancel()
        states = (FLUX_JOB_STATE_PRIORITY, FLUX_JOB_STATE_SCHED)

        def step(job: Job) -> None:
            priority = self.jobtap.priority(job, "job.priority.get") if job.state in states else None
            if priority is not None:
                self.reprioritize(job, priority)

        jobs = [job for job in self.active.values() if job.state in states]
        self._reprioritizing = Slices(self, jobs, step)

    # -- storing ----------------------------------------------------------------------------------

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

    def saved(self) -> bytes:
        """The value of :data:`CHECKPOINT_KEY`."""
        queues = self.queues.save()
        return _json.dumps({"version": CHECKPOINT_VERSION, "max_jobid": self.max_jobid, "queue": queues})

    def checkpoint(self) -> None:
        """Store the state of the queues and the highest job id."""
        self.store.put(CHECKPOINT_KEY, self.saved())
        self.port.wake()
