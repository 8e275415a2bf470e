# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: the job state machine.

:func:`apply` changes a job as one event says, its state by the table of :mod:`rosin.rfc.states`, and returns
what has to be done next, as action names. It does no I/O and reads no clock, so replaying an eventlog gives
the same job as living through it did.

Actions: ``depend``, ``free`` and ``clean`` ask for the event of that name, ``priority`` for the calculation
of one. ``enqueue`` and ``dequeue`` concern the allocation request; ``requeue`` is a dequeue that keeps the
job a candidate, ``reorder`` a change of priority. ``start`` is the start request, ``expire`` the news of
another expiration, ``retire`` the end. Actions may be repeated: a second ``enqueue`` of a queued job does
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_JOB_DEBUG,
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
    FLUX_JOB_URGENCY_MAX,
    FLUX_JOB_URGENCY_MIN,
)
from rosin.errors import FormatError
from rosin.modules.job_manager.job import check_updates, with_expiration, with_updates
from rosin.modules.job_manager.shape import check_attributes
from rosin.rfc.payload import field, int_field
from rosin.rfc.rset.format import is_time
from rosin.rfc.states import next_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.job_manager.job import Job

    Context = dict[str, Any]

#: Bits of Job.posting: the event has been asked for and not been applied yet.
POSTING_DEPEND = 1
POSTING_PRIORITY = 2
POSTING_FREE = 4
POSTING_CLEAN = 8

#: The least and the greatest wait status, an int of C.
WAIT_STATUS = (-(2**31), 2**31 - 1)
#: What ``set-flags`` can set.
_FLAGS = ("debug", "immutable", "alloc-bypass")
_NOTHING: tuple[str, ...] = ()
_NO_CONTEXT: Context = {}


def apply(job: Job, entry: dict[str, Any]) -> tuple[str, ...]:
    """Change *job* as the event *entry* (RFC 18) says; returns the actions that follow.

    Unknown events change nothing. Raises FormatError when the context is not that of the event.
    """
    name = entry["name"]
    context = entry.get("context")
    if context is None:
        context = _NO_CONTEXT
    elif type(context) is not dict:
        raise FormatError(f"eventlog: {name}: the context is not an object")
    handler = _HANDLERS.get(name)
    extra = None if handler is None else handler(job, context, entry["timestamp"])
    job.state = next_state(job.state, name, context.get("severity", 0))
    actions = _STATES[job.state](job)
    return actions if extra is None else (extra, *actions)


def _submit(job: Job, context: Context, timestamp: float) -> None:
    if job.lines and job.state != FLUX_JOB_STATE_NEW:
        raise FormatError("eventlog: submit: not the first event")
    job.t_submit = timestamp
    job.userid = field(context, "userid", int)
    job.urgency = field(context, "urgency", int)
    job.flags = field(context, "flags", int)
    if "version" not in context:  # before 2022 there was no validate event
        job.state = FLUX_JOB_STATE_DEPEND


def _dependency_add(job: Job, context: Context, timestamp: float) -> None:
    description = field(context, "description", str)
    if job.state <= FLUX_JOB_STATE_DEPEND:
        if job.satisfied and description in job.satisfied:
            raise FormatError(f"eventlog: dependency-add: '{description}' is already satisfied")
        if job.dependencies is None:
            job.dependencies = set()
        job.dependencies.add(description)


def _dependency_remove(job: Job, context: Context, timestamp: float) -> None:
    description = field(context, "description", str)
    if job.state <= FLUX_JOB_STATE_DEPEND:
        if not job.dependencies or description not in job.dependencies:
            raise FormatError(f"eventlog: dependency-remove: '{description}' was not added")
        job.dependencies.discard(description)
        job.satisfied = (job.satisfied or set()) | {description}


def _depend(job: Job, context: Context, timestamp: float) -> None:
    job.posting &= ~POSTING_DEPEND


def _priority(job: Job, context: Context, timestamp: float) -> str | None:
    priority = int_field(context, "priority", 0, FLUX_JOB_PRIORITY_MAX)
    job.posting &= ~POSTING_PRIORITY
    waits = job.state == FLUX_JOB_STATE_PRIORITY
    if not waits and (job.state != FLUX_JOB_STATE_SCHED or priority == job.priority):
        return None
    job.priority = priority
    return "reorder" if job.alloc_queued or job.alloc_pending else None


def _urgency(job: Job, context: Context, timestamp: float) -> None:
    job.urgency = int_field(context, "urgency", FLUX_JOB_URGENCY_MIN, FLUX_JOB_URGENCY_MAX)
    job.posting &= ~POSTING_PRIORITY  # one that has been asked for is no longer right


def _jobspec_update(job: Job, context: Context, timestamp: float) -> None:
    if not check_updates(context):
        raise FormatError("eventlog: jobspec-update: a key is not a path below 'attributes'")
    jobspec = with_updates(job.jobspec, context)
    check_attributes(jobspec)
    job.jobspec = jobspec
    if "attributes.system.queue" in context:
        job.queue = context["attributes.system.queue"]


def _resource_update(job: Job, context: Context, timestamp: float) -> str | None:
    if "expiration" not in context:
        return None
    expiration = field(context, "expiration", float)
    if not is_time(expiration):
        raise FormatError(f"eventlog: resource-update: {expiration} is no time")
    if job.R is None:
        return None
    job.R = with_expiration(job.R, expiration)
    return "expire"


def _set_flags(job: Job, context: Context, timestamp: float) -> None:
    flags = field(context, "flags", list)
    for flag in flags:
        if flag not in _FLAGS:
            raise FormatError(f"eventlog: set-flags: unknown flag {flag!r}")
    job.immutable |= "immutable" in flags
    job.bypass |= "alloc-bypass" in flags
    if "debug" in flags:
        job.flags |= FLUX_JOB_DEBUG


def _memo(job: Job, context: Context, timestamp: float) -> None:
    job.annotate("user", context)


def _alloc(job: Job, context: Context, timestamp: float) -> None:
    job.allocated = job.has_resources = True
    annotations = field(context, "annotations", (dict, type(None)), None)
    if annotations:
        job.annotate(None, annotations)


def _start(job: Job, context: Context, timestamp: float) -> None:
    job.started = True


def _finish(job: Job, context: Context, timestamp: float) -> None:
    int_field(context, "status", *WAIT_STATUS)
    if job.state == FLUX_JOB_STATE_RUN and job.end_event is None:
        job.end_event = ("finish", context)


def _release(job: Job, context: Context, timestamp: float) -> None:
    if field(context, "final", bool):
        job.released = True


def _free(job: Job, context: Context, timestamp: float) -> None:
    job.posting &= ~POSTING_FREE
    job.has_resources = False


def _clean(job: Job, context: Context, timestamp: float) -> None:
    job.posting &= ~POSTING_CLEAN
    if job.state == FLUX_JOB_STATE_CLEANUP:
        job.t_clean = timestamp


def _exception(job: Job, context: Context, timestamp: float) -> None:
    severity = int_field(context, "severity", 0, 7)
    kind = field(context, "type", str)
    if severity or job.state in (FLUX_JOB_STATE_NEW, FLUX_JOB_STATE_INACTIVE):
        return
    if kind == "scheduler-restart":  # the scheduler could not take the allocation over: it is gone
        job.has_resources = False
    if job.end_event is None:
        job.end_event = ("exception", context)


def _prolog_start(job: Job, context: Context, timestamp: float) -> None:
    if not job.start_pending:  # what has been started cannot be kept from it
        job.perilogs += 1


def _prolog_finish(job: Job, context: Context, timestamp: float) -> None:
    if not job.start_pending:
        job.perilogs = max(0, job.perilogs - 1)


def _epilog_start(job: Job, context: Context, timestamp: float) -> None:
    if job.state == FLUX_JOB_STATE_CLEANUP:
        job.perilogs += 1


def _epilog_finish(job: Job, context: Context, timestamp: float) -> None:
    if job.state == FLUX_JOB_STATE_CLEANUP:
        job.perilogs = max(0, job.perilogs - 1)


_HANDLERS: dict[str, Callable[[Job, Context, float], str | None]] = {
    "submit": _submit,
    "dependency-add": _dependency_add,
    "dependency-remove": _dependency_remove,
    "depend": _depend,
    "priority": _priority,
    "urgency": _urgency,
    "jobspec-update": _jobspec_update,
    "resource-update": _resource_update,
    "set-flags": _set_flags,
    "memo": _memo,
    "alloc": _alloc,
    "prolog-start": _prolog_start,
    "prolog-finish": _prolog_finish,
    "start": _start,
    "finish": _finish,
    "epilog-start": _epilog_start,
    "epilog-finish": _epilog_finish,
    "release": _release,
    "free": _free,
    "clean": _clean,
    "exception": _exception,
}


def _in_new(job: Job) -> tuple[str, ...]:
    return _NOTHING


def _in_depend(job: Job) -> tuple[str, ...]:
    if job.dependencies or job.posting & POSTING_DEPEND:
        return _NOTHING
    job.posting |= POSTING_DEPEND
    return ("depend",)


def _in_priority(job: Job) -> tuple[str, ...]:
    if job.posting & POSTING_PRIORITY:
        return _NOTHING
    job.posting |= POSTING_PRIORITY
    return ("requeue", "priority") if job.alloc_queued or job.alloc_pending else ("priority",)


def _in_sched(job: Job) -> tuple[str, ...]:
    return _NOTHING if job.alloc_queued or job.alloc_pending else ("enqueue",)


def _in_run(job: Job) -> tuple[str, ...]:
    return _NOTHING if job.perilogs or job.start_pending else ("start",)


def _in_cleanup(job: Job) -> tuple[str, ...]:
    if job.alloc_queued or job.alloc_pending:
        return ("dequeue", *_finish_cleanup(job))
    return _finish_cleanup(job)


def _finish_cleanup(job: Job) -> tuple[str, ...]:
    if job.start_pending or job.perilogs:
        return _NOTHING
    if job.has_resources:
        if job.posting & POSTING_FREE:
            return _NOTHING
        job.posting |= POSTING_FREE
        return ("free",)
    if job.posting & POSTING_CLEAN:
        return _NOTHING
    job.posting |= POSTING_CLEAN
    return ("clean",)


def _in_inactive(job: Job) -> tuple[str, ...]:
    return ("retire",)


_STATES: dict[int, Callable[[Job], tuple[str, ...]]] = {
    FLUX_JOB_STATE_NEW: _in_new,
    FLUX_JOB_STATE_DEPEND: _in_depend,
    FLUX_JOB_STATE_PRIORITY: _in_priority,
    FLUX_JOB_STATE_SCHED: _in_sched,
    FLUX_JOB_STATE_RUN: _in_run,
    FLUX_JOB_STATE_CLEANUP: _in_cleanup,
    FLUX_JOB_STATE_INACTIVE: _in_inactive,
}


def actions(job: Job) -> tuple[str, ...]:
    """What the state of *job* asks for when something other than an event changed."""
    return _STATES[job.state](job)
