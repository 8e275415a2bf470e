# SPDX-License-Identifier: LGPL-3.0-or-later
"""Waiting for jobs that were submitted as waitable (``job-manager.wait``), as wait(2) does for processes.

The end of a waitable job is kept until somebody has waited for it, once.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter, Waiters
from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_WAITABLE, FLUX_JOBID_ANY
from rosin.process.outcome import job_report

if TYPE_CHECKING:
    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message

_ANY = (FLUX_JOBID_ANY, 0xFFFFFFFFFFFFFFFF)


class Waits:
    """Who waits, and for what; ``zombies`` are the ends nobody has waited for yet."""

    def __init__(self, manager: Core) -> None:
        self.manager = manager
        self.zombies: dict[int, dict[str, Any]] = {}
        self._entries: dict[int, tuple[int, int, int, float]] = {}
        self._waiters: Waiters[Waiter] = Waiters(manager.port)  # by job id, FLUX_JOBID_ANY for any job
        self._active = 0

    def active(self) -> None:
        """There is one more waitable job."""
        self._active += 1

    def inactive(self, job: Job) -> None:
        """*job* is over."""
        if not job.flags & FLUX_JOB_WAITABLE:
            return
        self._active -= 1
        end = self.zombies[job.id] = job_end(job)
        self._entries[job.id] = (job.userid, job.urgency, job.priority, job.t_submit)
        for waiter in self._waiters.of(job.id) or self._waiters.of(FLUX_JOBID_ANY)[:1]:
            self._waiters.discard(waiter)
            self._reap(job.id)
            self.manager.answer(waiter.msg, end)
        self._balance()

    def _reap(self, id: int) -> dict[str, Any]:
        del self._entries[id]
        return self.zombies.pop(id)

    def zombie_entries(self) -> list[dict[str, Any]]:
        """The zombies as ``job-manager.list`` shows them."""
        names = ("userid", "urgency", "priority", "t_submit")
        return [
            {"id": id, **dict(zip(names, values, strict=True)), "state": FLUX_JOB_STATE_INACTIVE}
            for id, values in self._entries.items()
        ]

    def wait(self, msg: Message, id: int) -> None:
        """Answer *msg* when job *id*, or any when it is FLUX_JOBID_ANY, is over. Raises OSError ECHILD."""
        any_job = id in _ANY
        if any_job and self.zombies:
            id = next(iter(self.zombies))
        if id in self.zombies:
            self.manager.answer(msg, self._reap(id))
        elif any_job:
            self._waiters.add(Waiter(msg, FLUX_JOBID_ANY))
        else:
            self._wait_one(msg, id)
        self._balance()

    def _wait_one(self, msg: Message, id: int) -> None:
        job = self.manager.active.get(id)
        if job is None:
            raise OSError(errno.ECHILD, "invalid job id, or job may be inactive and not waitable")
        if id in self._waiters:
            raise OSError(errno.ECHILD, "job id already has a waiter")
        if not job.flags & FLUX_JOB_WAITABLE:
            raise OSError(errno.ECHILD, "job was not submitted with FLUX_JOB_WAITABLE")
        self._waiters.add(Waiter(msg, id))

    def _balance(self) -> None:
        """Refuse those who wait for any job when there are not enough jobs for all who wait."""
        excess = len(self._waiters) - self._active
        if excess > 0:
            for waiter in self._waiters.of(FLUX_JOBID_ANY)[-excess:]:
                self._waiters.discard(waiter)
                self.manager.port.respond_error(waiter.msg, errno.ECHILD, "there are no more waitable jobs")

    def disconnected(self, sender: bytes) -> None:
        """Forget what the client *sender* waited for."""
        self._waiters.drop(sender)

    def fail(self, errnum: int, text: str) -> None:
        """Answer all that wait with an error."""
        self._waiters.end(errnum, text)


def job_end(job: Job) -> dict[str, Any]:
    """``{"id", "success", "errstr"}`` of a job that is over."""
    name, context = job.end_event or ("exception", {"type": "exec", "note": ""})
    if name == "exception":
        text = f"Fatal exception type={context.get('type')} {context.get('note', '')}"
    else:
        text = job_report(context.get("status", 0))[1]
    return {"id": job.id, "success": name == "finish" and not text, "errstr": text}
