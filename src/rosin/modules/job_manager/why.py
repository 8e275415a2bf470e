# SPDX-License-Identifier: LGPL-3.0-or-later
"""``job-manager.why``: what a job waits for, by facts (:mod:`rosin.job.why` makes text of them).

The job manager knows of dependencies, holds, queues and prologs, the scheduler of resources and other jobs.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_JOB_PRIORITY_MIN,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
    FLUX_JOB_URGENCY_HOLD,
)
from rosin.errors import FormatError
from rosin.modules.job_manager.control import authorize
from rosin.rfc import fluid
from rosin.rfc.payload import id_field
from rosin.rfc.states import state_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message

    Reason = dict[str, Any]


def request(manager: Manager, msg: Message) -> None:
    """``job-manager.why {id}`` -> ``{id, state, reasons, ahead?, t_estimate?}``. Raises OSError."""
    hidden = manager.restricted(msg.rolemask)  # so well that a refusal does not tell whether there is a job
    job = manager.active.get(id_field(msg.args)) if hidden else manager.lookup(id_field(msg.args))
    text = "Permission denied" if hidden else "guests can only ask about their own jobs"
    if job is None:
        raise OSError(errno.EPERM, text)
    authorize(msg, job.userid, text)
    answer: dict[str, Any] = {"id": job.id, "state": state_name(job.state)}
    if not job.alloc_pending or job.state != FLUX_JOB_STATE_SCHED:
        manager.port.respond(msg, {**answer, "reasons": list(_reasons(manager, job))})
        return

    def answered(told: Any, error: OSError | None) -> None:
        if error is None and isinstance(told, dict):
            reasons = told.get("reasons")
            told["reasons"] = _visible(manager, msg, reasons if isinstance(reasons, list) else [])
            manager.port.respond(msg, {**told, **answer})
        else:  # it answers such requests not, or has answered that of the job in the meantime
            manager.port.respond(msg, {**answer, "reasons": [{"kind": "scheduler"}], **_estimate(job)})

    manager.port.rpc("sched.why", {"id": job.id}, answered)


def _visible(manager: Manager, msg: Message, reasons: list[Any]) -> list[Reason]:
    """Without the ids of jobs that the sender must not learn of."""
    reasons = [reason for reason in reasons if isinstance(reason, dict)]
    if not manager.restricted(msg.rolemask):
        return reasons
    shown = []
    for reason in reasons:
        kept = dict(reason)
        held_by = [id for id in kept.pop("held_by", ()) if _owned(manager, id, msg.userid)]
        if held_by:
            kept["held_by"] = held_by
        if not _owned(manager, kept.get("jobid"), msg.userid):
            kept.pop("jobid", None)
        shown.append(kept)
    return shown


def _owned(manager: Manager, id: Any, userid: int) -> bool:
    job = manager.active.get(id)
    return job is not None and job.userid == userid


def _estimate(job: Job) -> dict[str, Any]:
    """What a scheduler has said in annotations."""
    sched = (job.annotations or {}).get("sched")
    estimate = sched.get("t_estimate") if isinstance(sched, dict) else None
    return {} if estimate is None else {"t_estimate": estimate}


def _reasons(manager: Manager, job: Job) -> Iterator[Reason]:
    """What keeps a job for which the scheduler is not asked, or not yet."""
    if job.state == FLUX_JOB_STATE_NEW:
        yield {"kind": "validate"}
    elif job.state == FLUX_JOB_STATE_DEPEND:
        for description in sorted(job.dependencies or ()):
            yield _dependency(manager, description)
    elif job.state == FLUX_JOB_STATE_PRIORITY:
        yield {"kind": "priority"}
    elif job.state == FLUX_JOB_STATE_SCHED:
        yield from _unsent(manager, job)
    elif job.state == FLUX_JOB_STATE_RUN and not job.started:
        yield {"kind": "prolog"} if job.perilogs else {"kind": "start", "service": manager.start.service}
    elif job.state == FLUX_JOB_STATE_CLEANUP:
        yield {"kind": "epilog"} if job.perilogs else {"kind": "cleanup"}


def _dependency(manager: Manager, description: str) -> Reason:
    """A dependency; with the job that it is about, or the time, where its description says so."""
    kind, _, value = description.partition("=")
    if kind == "begin-time":
        return {"kind": "begin-time", "begin": float(value)}
    reason: Reason = {"kind": "dependency", "description": description}
    if kind.startswith("after-"):
        try:
            reason["jobid"] = fluid.parse(value)
        except FormatError:
            return reason
        target = manager.active.get(reason["jobid"])
        if target is not None:
            reason["state"] = state_name(target.state)
    return reason


def _unsent(manager: Manager, job: Job) -> Iterator[Reason]:
    """Why a job that is to be scheduled is not with the scheduler."""
    if job.urgency == FLUX_JOB_URGENCY_HOLD or job.priority == FLUX_JOB_PRIORITY_MIN:
        yield {"kind": "hold", "urgency": job.urgency}
    alloc = manager.alloc
    if not manager.queues.started(job.queue):
        reason: Reason = {"kind": "queue", "queue": job.queue}
        try:
            reason["reason"] = manager.queues.lookup(job.queue).status(True).get("stop_reason")
        except OSError:
            reason["reason"] = "it no longer exists"
        yield reason
    elif not alloc.online:
        yield {"kind": "no-scheduler"}
    elif job.alloc_queued and alloc.limit:
        yield {"kind": "queue-depth", "limit": alloc.limit, "ahead": alloc.queue.ahead(job.id)}
