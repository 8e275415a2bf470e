# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32: the execution service as the job manager sees it.

A start request waits until the events before it, ``alloc`` above all, are stored: a job that has run is never
forgotten. Requests and responses carry matchtag 0 and are matched by job id.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_DEBUG, FLUX_JOB_STATE_RUN
from rosin.errors import FormatError
from rosin.rfc.exec_protocol import StartRequest, StartResponse, StartStream, service_name
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message


class StartProtocol:
    """The start requests. ``service`` is the name that the execution service gave, None without one."""

    def __init__(self, manager: Core) -> None:
        self.manager = manager
        self.service: str | None = None
        self.sender = b""
        self._waiting: set[int] = set()
        #: The service that was here before and still responds, once that is in the log.
        self._stray: str | None = None
        #: What has come of the responses to each request under way.
        self._streams: dict[int, StartStream] = {}
        self._responses: dict[str, Callable[[Job, dict[str, Any]], None]] = {
            "start": self._started,
            "reattached": self._reattached,
            "release": self._released,
            "exception": self._excepted,
            "finish": self._finished,
        }

    # -- what the state machine asks for ------------------------------------------------------------

    def request(self, job: Job) -> None:
        """Have *job* started as soon as its allocation is stored."""
        if self.service is not None and job.id not in self._waiting:
            self._waiting.add(job.id)
            self.manager.store.after(lambda error: self._stored(job, error))
            self.manager.port.wake()

    def _stored(self, job: Job, error: OSError | None) -> None:
        if error is not None:  # the events go out again with the next commit
            self.manager.store.after(lambda error: self._stored(job, error))
            return
        self._waiting.discard(job.id)
        if self.service is None or job.state != FLUX_JOB_STATE_RUN or job.start_pending or job.perilogs:
            return
        reattach = job.start_sent
        job.start_pending = job.start_sent = True
        self._streams[job.id] = StartStream(reattach)
        assert job.R is not None
        request = StartRequest(job.id, job.userid, job.jobspec, job.R, reattach)
        self.manager.port.request(f"{self.service}.start", request.encode())
        if job.flags & FLUX_JOB_DEBUG:
            if reattach:
                self.manager.post(job, "debug.exec-reattach-start", {"id": job.id})
            else:
                self.manager.post(job, "debug.start-request")

    def expire(self, job: Job) -> None:
        """Tell the service of the new expiration of *job*."""
        if self.service is None or not job.start_pending or job.R is None:
            return

        def done(payload: Any, error: OSError | None) -> None:
            if error is not None and error.errno != errno.EAGAIN and job.id in self.manager.active:
                note = "the execution service did not take the new expiration: the job may end at the old one"
                self.manager.except_(job, "exec", 1, f"{note} ({error.strerror})")

        expiration = job.R["execution"]["expiration"]
        self.manager.port.rpc(f"{self.service}.expiration", {"id": job.id, "expiration": expiration}, done)

    # -- the service's requests and responses -------------------------------------------------------

    def hello(self, msg: Message) -> str:
        """A service offers itself, and replaces the one before; returns the topic of its start requests."""
        service = service_name(msg.args)
        if self.service is not None:
            self.teardown("replaced by another service")
        self.service = service
        self.sender = msg.sender
        for job in list(self.manager.active.values()):
            if job.state == FLUX_JOB_STATE_RUN:
                self.manager.act(job)
        return f"{service}.start"

    def disconnected(self, sender: bytes) -> None:
        """A client is gone; the service, perhaps."""
        if self.service is not None and sender == self.sender:
            self.teardown("disconnect")

    def teardown(self, reason: str) -> None:
        """The service is gone: its jobs wait for the next, which is asked to reattach to them."""
        if self.service is None:
            return
        self.manager.port.log.debug(f"start: stop due to {reason}")
        self.service = None
        self.sender = b""
        self._streams.clear()
        for job in list(self.manager.active.values()):
            if job.start_pending:
                job.start_pending = False
                if job.flags & FLUX_JOB_DEBUG:
                    self.manager.post(job, "debug.start-lost", {"note": reason})
                else:
                    self.manager.act(job)

    def response(self, msg: Message) -> None:
        """Take a response to a start request; an error ends the conversation, a malformed one is logged."""
        if self.service is None or msg.topic != f"{self.service}.start":
            if msg.topic != self._stray:  # it may have many jobs, and go on for long
                self._stray = msg.topic
                self.manager.port.log.error(f"start: response of {msg.topic}, which is not registered")
            return
        if msg.errnum:
            self.teardown(f"start response error: {msg.text or os.strerror(msg.errnum)}")
            return
        try:
            answer = StartResponse.decode(msg.args)
            job, stream = self.manager.active.get(answer.id), self._streams.get(answer.id)
            if job is None or stream is None:
                raise FormatError(f"{answer.type} of job {answer.id}, which is not being started")
            stream.take(answer)
            if stream.done:
                del self._streams[job.id]
                job.start_pending = False
            self._responses[answer.type](job, answer.data)
        except FormatError as error:
            self.manager.port.log.error(f"start: malformed response: {error}")

    def _started(self, job: Job, data: dict[str, Any]) -> None:
        self.manager.post(job, "start")

    def _reattached(self, job: Job, data: dict[str, Any]) -> None:
        if not job.started:  # the service before was gone before it could say so
            self.manager.post(job, "start")
        if job.flags & FLUX_JOB_DEBUG:
            self.manager.post(job, "debug.exec-reattach-finish")

    def _released(self, job: Job, data: dict[str, Any]) -> None:
        self.manager.post(job, "release", {"ranks": data["ranks"], "final": data["final"]})

    def _excepted(self, job: Job, data: dict[str, Any]) -> None:
        context = {
            "type": data["type"],
            "severity": data["severity"],
            "userid": self.manager.owner,
            "note": data.get("note") or "",
        }
        wait_status = field(data, "wait_status", (int, type(None)), None)
        if wait_status is not None:
            context["wait_status"] = wait_status
        self.manager.post(job, "exception", context)

    def _finished(self, job: Job, data: dict[str, Any]) -> None:
        self.manager.post(job, "finish", {"status": data["status"]})
