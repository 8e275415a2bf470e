# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21, RFC 30: requests that change jobs: urgency, raise, kill, memo.

Each function takes the manager and the request and returns the reply. OSError carries flux-core's errno and
text. A guest may act on own jobs only.
"""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_RUNNING,
    FLUX_USERID_UNKNOWN,
)
from rosin.modules.job_manager.event import WAIT_STATUS
from rosin.modules.job_manager.slices import Slices
from rosin.rfc import urgency as rfc30
from rosin.rfc.payload import field, id_field, int_field
from rosin.rfc.role import allowed, authorized

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message

_SIGNAL_MAX = signal.NSIG


def authorize(msg: Message, userid: int, text: str) -> None:
    """Raise OSError EPERM with *text* unless the sender is the instance owner or the user *userid*."""
    if not authorized(msg.userid, msg.rolemask, userid):
        raise OSError(errno.EPERM, text)


def urgency(manager: Manager, msg: Message) -> dict[str, Any]:
    """``job-manager.urgency {id, urgency}`` -> ``{old_urgency}``."""
    value = field(msg.args, "urgency", int)
    if not rfc30.in_range(value):
        raise OSError(errno.EINVAL, "urgency value is out of range")
    job = manager.lookup(id_field(msg.args), "unknown job", errno.EINVAL)
    authorize(msg, job.userid, "guests can only reprioritize their own jobs")
    if not allowed(msg.rolemask) and not rfc30.guest_may_set(value, job.urgency):
        raise OSError(errno.EPERM, "guests can only adjust urgency <= default")
    if job.has_resources:
        raise OSError(errno.EINVAL, "urgency cannot be changed once resources are allocated")
    old = job.urgency
    manager.post(job, "urgency", {"userid": msg.userid, "urgency": value})
    return {"old_urgency": old}


def _exception(args: dict[str, Any]) -> tuple[int, str, str]:
    """The severity, type and note of a request."""
    severity = field(args, "severity", int)
    kind = field(args, "type", str)
    note = field(args, "note", (str, type(None)), None)
    if not 0 <= severity <= 7:
        raise OSError(errno.EPROTO, "invalid exception severity")
    if not kind or any(char.isspace() or char == "=" for char in kind):
        raise OSError(errno.EPROTO, "invalid exception type")
    return severity, kind, note or ""


def raise_(manager: Manager, msg: Message) -> dict[str, Any] | None:
    """``job-manager.raise {id, severity, type, note?, wait_status?}``."""
    args = msg.args
    id = id_field(args)
    severity, kind, note = _exception(args)
    wait_status = field(args, "wait_status", (int, type(None)), None)
    if wait_status is not None:
        int_field(args, "wait_status", *WAIT_STATUS)
    job = manager.lookup(id)
    authorize(msg, job.userid, "guests can only raise exceptions on their own jobs")
    manager.except_(job, kind, severity, note, msg.userid, wait_status)
    return None


def _targets(manager: Manager, msg: Message, states: int, text: str) -> list[Job]:
    userid = field(msg.args, "userid", int) & 0xFFFFFFFF
    authorize(msg, userid, text)
    return [
        job
        for job in manager.active.values()
        if job.state & states and userid in (FLUX_USERID_UNKNOWN, job.userid)
    ]


def raiseall(manager: Manager, msg: Message) -> None:
    """``job-manager.raiseall {dry_run, userid, states, severity, type, note?}`` -> ``{count, errors}``."""
    dry_run = field(msg.args, "dry_run", bool)
    states = field(msg.args, "states", int)
    text = "guests can only raise exceptions on their own jobs"
    targets = _targets(manager, msg, states & FLUX_JOB_STATE_ACTIVE, text)
    severity, kind, note = _exception(msg.args)

    def step(job: Job) -> None:
        if job.state & states:
            manager.except_(job, kind, severity, note, msg.userid)

    # Those that wait first: they are not to be given what others leave.
    targets.sort(key=lambda job: job.state & FLUX_JOB_STATE_RUNNING)
    answer = {"count": len(targets), "errors": 0}
    Slices(manager, () if dry_run else targets, step, lambda: manager.answer(msg, answer))


def _signum(args: dict[str, Any]) -> int:
    number = field(args, "signum", int)
    if not 0 < number < _SIGNAL_MAX:
        raise OSError(errno.EINVAL, "Invalid signal number")
    return number


def kill(manager: Manager, msg: Message) -> None:
    """``job-manager.kill {id, signum}``: the shells of the job get the event ``shell-ID.kill``."""
    id = id_field(msg.args)
    signum = _signum(msg.args)
    job = manager.lookup(id, "unknown job id", errno.EINVAL)
    authorize(msg, job.userid, "guests may only send signals to their own jobs")
    if not job.state & FLUX_JOB_STATE_RUNNING:
        raise OSError(errno.EINVAL, "job is not running")
    manager.port.publish(f"shell-{job.id}.kill", {"signum": signum})


def killall(manager: Manager, msg: Message) -> None:
    """``job-manager.killall {dry_run, userid, signum}`` -> ``{count, errors}``."""
    dry_run = field(msg.args, "dry_run", bool)
    targets = _targets(manager, msg, FLUX_JOB_STATE_RUNNING, "guests can only kill their own jobs")
    signum = _signum(msg.args)

    def step(job: Job) -> None:
        if job.state & FLUX_JOB_STATE_RUNNING:
            manager.port.publish(f"shell-{job.id}.kill", {"signum": signum})

    answer = {"count": len(targets), "errors": 0}
    Slices(manager, () if dry_run else targets, step, lambda: manager.port.respond(msg, answer))


def memo(manager: Manager, msg: Message) -> dict[str, Any] | None:
    """``job-manager.memo {id, memo, volatile?}``: notes on a job; a volatile one is not logged."""
    args = msg.args
    id = id_field(args)
    volatile = field(args, "volatile", bool, False)
    if not isinstance(args.get("memo"), dict):
        raise OSError(errno.EPROTO, "memo: expected an object")
    job = manager.lookup(id)
    authorize(msg, job.userid, "guests can only add a memo to their own jobs")
    manager.post(job, "memo", args["memo"], commit=not volatile)
    return None
