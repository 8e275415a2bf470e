# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27: the scheduler as the job manager sees it.

Allocation requests go out at the end of a turn of the loop, so that one scheduling pass sees all of them.
Requests and responses carry matchtag 0 and are matched by job id.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_DEBUG, FLUX_JOB_PRIORITY_MIN, FLUX_JOB_STATE_SCHED
from rosin.errors import FormatError
from rosin.job.pending import PendingQueue, by_priority
from rosin.modules.job_manager.job import redact_R
from rosin.rfc.alloc_protocol import (
    ANNOTATE,
    DENY,
    SUCCESS,
    AllocJob,
    AllocResponse,
    Free,
    partial_ok,
    ready_limit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message

#: Requests that are sent in one go: a scheduler that comes to 100,000 jobs has the broker not wait for them.
_BURST = 500
#: A place before that of any job.
_FIRST = (-(1 << 33), -1)


class Alloc:
    """The allocation requests: ``queue`` holds those to be made, ``sent`` those the scheduler has.

    ``limit`` is how many the scheduler takes at a time, 0 for any number.
    """

    def __init__(self, manager: Core) -> None:
        self.manager = manager
        self.online = False
        self.limit = 0
        self.sender = b""
        self.queue: PendingQueue[Job] = PendingQueue()
        self.sent: dict[int, Job] = {}
        self._greeted = b""  # a scheduler that has asked what is in use and is not ready yet
        self._frees: list[dict[str, Any]] = []  # what it has to be told then
        self._reordered: dict[int, int] = {}  # priorities that the scheduler has to be told, by job id
        self._overtaken = False  # perhaps: a job has come that may precede those the scheduler holds
        self._last = _FIRST  # the place of the last of those, or one behind it

    # -- what the state machine asks for ------------------------------------------------------------

    def enqueue(self, job: Job) -> None:
        """Queue the request for *job* unless it is held, its queue is stopped, or it brings its resources."""
        if job.alloc_queued or job.alloc_pending or job.priority == FLUX_JOB_PRIORITY_MIN or job.bypass:
            return
        if self.manager.queues.started(job.queue):
            self.queue.add(job)
            job.alloc_queued = True
            self._overtaken = True

    def requeue(self, job: Job) -> None:
        """Take the request of *job* back; it is queued again when the job returns to SCHED."""
        if job.alloc_queued:
            self.queue.pop(job.id)
            job.alloc_queued = False
        self.cancel(job)

    def dequeue(self, job: Job) -> None:
        """Take the request of *job* back for good, without waiting for the scheduler."""
        self.requeue(job)
        if job.alloc_pending:
            self._settle(job)
            self.clear_annotations(job)

    def reorder(self, job: Job) -> None:
        """The priority of *job* changed while it stayed in SCHED."""
        if job.priority == FLUX_JOB_PRIORITY_MIN:
            self.requeue(job)
        elif job.alloc_queued:
            self.queue.add(job)
            self._overtaken = True
            self.manager.port.wake()
        elif job.alloc_pending:
            self._last = max(self._last, by_priority(job))
            self._reordered[job.id] = job.priority
            self.manager.port.wake()

    def cancel(self, job: Job) -> None:
        """Ask the scheduler to give the request of *job* back."""
        if job.alloc_pending and not job.cancel_sent:
            job.cancel_sent = True
            self.manager.port.notify("sched.cancel", {"id": job.id})

    def free(self, job: Job) -> None:
        """Return the resources of *job*."""
        if job.R is not None:
            self.release(job.id, redact_R(job.R), final=True)

    def release(self, id: int, R: dict[str, Any], *, final: bool) -> None:
        """Return resources of the job *id*; ``final``: it has no others.

        A scheduler that has been told of them and is not ready yet hears of it when it is; one that is still
        to come will not be told of them.
        """
        self.manager.resources_changed()
        free = Free(id, R, final).encode()
        if self.online:
            self.manager.port.notify("sched.free", free)
        elif self._greeted:
            self._frees.append(free)

    def _settle(self, job: Job) -> None:
        self.sent.pop(job.id, None)
        job.alloc_pending = job.cancel_sent = False
        self.manager.port.wake()

    def _overtake(self) -> None:
        """In limited mode, make room for jobs that have come to precede those the scheduler holds.

        That is asked once for all jobs of a turn, and mostly answered by a look at the first of the queue.
        """
        self._overtaken = False
        first = self.queue.first()
        if not self.limit or len(self.sent) < self.limit or first is None or by_priority(first) > self._last:
            return
        held = sorted(
            (job for job in self.sent.values() if not job.cancel_sent), key=by_priority, reverse=True
        )
        self._last = by_priority(held[0]) if held else _FIRST
        if by_priority(first) > self._last:
            return
        leaving = len(self.sent) - len(held)
        waiting = self.queue.head(len(self.sent))[leaving:]
        for candidate, job in zip(waiting, held, strict=False):
            if by_priority(candidate) < by_priority(job):
                self.cancel(job)

    # -- requests -----------------------------------------------------------------------------------

    def send_requests(self) -> None:
        """Send priorities that have changed and, some at a time, as many requests as the scheduler takes."""
        manager = self.manager
        if self._reordered:
            jobs = [[id, priority] for id, priority in self._reordered.items() if id in self.sent]
            self._reordered = {}
            if jobs:
                manager.port.notify("sched.prioritize", {"jobs": jobs})
        if self._overtaken:
            self._overtake()
        for _ in range(_BURST):
            if not self.online or (self.limit and len(self.sent) >= self.limit):
                return
            job = self.queue.first()
            if job is None or job.priority == FLUX_JOB_PRIORITY_MIN:
                return
            self.queue.pop(job.id)
            job.alloc_queued = False
            job.alloc_pending = True
            self.sent[job.id] = job
            self._last = max(self._last, by_priority(job))
            request = AllocJob(job.id, job.priority, job.userid, job.t_submit, jobspec=job.jobspec)
            manager.port.request("sched.alloc", request.encode())
            if job.flags & FLUX_JOB_DEBUG:
                manager.post(job, "debug.alloc-request")
        manager.port.later(0.0, manager.port.wake)  # others first

    def response(self, msg: Message) -> None:
        """Take a response to ``sched.alloc``; an error or a malformed one ends the conversation."""
        try:
            if msg.errnum:
                raise OSError(msg.errnum, msg.text or os.strerror(msg.errnum))
            self._response(msg.args)
        except (OSError, FormatError) as error:
            self.teardown(f"alloc response error: {error}")

    def _response(self, args: dict[str, Any]) -> None:
        answer = AllocResponse.decode(args)
        job = self.sent.get(answer.id)
        if answer.type == SUCCESS:
            if answer.R is None:
                raise FormatError("sched.alloc response: R is missing")
            self._success(answer.id, job, answer.R, answer.annotations)
        elif answer.type == ANNOTATE:
            if job is not None:
                self.manager.annotate(job, answer.annotations or {})
        elif job is not None and answer.type == DENY:
            self._settle(job)
            self.clear_annotations(job)
            self.manager.except_(job, "alloc", 0, answer.note or "")
        elif job is not None:
            self._canceled(job)

    def _success(
        self, id: int, job: Job | None, R: dict[str, Any], annotations: dict[str, Any] | None
    ) -> None:
        manager = self.manager
        R = redact_R(R)
        manager.resources_changed()
        if job is None:  # canceled or gone in the meantime
            manager.port.notify("sched.free", Free(id, R, final=True).encode())
            return
        if job.cancel_sent:  # the cancel crossed the answer: the job was held, updated, or its queue stopped
            manager.port.notify("sched.free", Free(id, R, final=True).encode())
            self._canceled(job)
            return
        job.R = R
        if annotations:
            self.manager.annotate(job, annotations)
        self._settle(job)
        manager.post(job, "alloc", {"annotations": job.annotations} if job.annotations else None)

    def _canceled(self, job: Job) -> None:
        self._settle(job)
        self.clear_annotations(job, "sched")
        if job.state == FLUX_JOB_STATE_SCHED:
            self.enqueue(job)
        self.manager.check_drained()

    def clear_annotations(self, job: Job, key: str | None = None) -> None:
        """Forget the annotations of *job*, or those below *key*, and say so in the journal."""
        if job.annotations is None or (key is not None and key not in job.annotations):
            return
        job.annotations = {k: v for k, v in job.annotations.items() if key is not None and k != key} or None
        self.manager.post(job, "annotations", {"annotations": job.annotations}, commit=False)

    # -- the scheduler's requests -------------------------------------------------------------------

    def greet(self, msg: Message) -> bool:
        """A scheduler asks what is in use; returns whether it takes jobs that hold only a part."""
        partial = partial_ok(msg.args if msg.has_payload else {})
        self.manager.port.log.debug(f"scheduler: hello{' +partial-ok' if partial else ''}")
        self._greeted, self._frees = msg.sender, []
        return partial

    def held(self) -> Iterator[dict[str, Any]]:
        """The jobs that hold resources."""
        for job in self.manager.active.values():
            if job.has_resources and not job.bypass:
                yield AllocJob(job.id, job.priority, job.userid, job.t_submit).encode()

    def ready(self, msg: Message) -> dict[str, Any]:
        """The scheduler takes requests from now on. Raises FormatError on a bad mode or limit."""
        self.limit = ready_limit(msg.args)
        self.sender = msg.sender
        self.online = True
        self.manager.port.log.debug(f"scheduler: ready {'limited' if self.limit else 'unlimited'}")
        frees = self._frees if self._greeted == msg.sender else []
        self._greeted, self._frees = b"", []
        for free in frees:
            self.manager.port.notify("sched.free", free)
        self.manager.port.wake()
        return {"count": len(self.queue)}

    def disconnected(self, sender: bytes) -> None:
        """A client is gone; the scheduler, perhaps."""
        if sender == self._greeted:
            self._greeted, self._frees = b"", []
        if self.online and sender == self.sender:
            self.teardown("disconnect")

    def teardown(self, reason: str) -> None:
        """The scheduler is gone: its requests return to the queue until there is another."""
        if not self.online:
            return
        self.manager.port.log.debug(f"alloc: stop due to {reason}")
        self.online = False
        self.sender = b""
        for job in list(self.sent.values()):
            self._canceled(job)
        self.manager.check_drained()
