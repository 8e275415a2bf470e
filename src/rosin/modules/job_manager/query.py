# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that ask about jobs: list, getattr, stats."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.modules.job_manager.control import authorize
from rosin.rfc.payload import field, id_field, list_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message


def list_jobs(manager: Manager, msg: Message) -> dict[str, Any]:
    """``job-manager.list {max_entries}`` -> ``{jobs}``: the queue in its order, then the other active jobs.

    Waitable jobs that are over and that nobody has waited for close the list.
    """
    limit = field(msg.args, "max_entries", int)
    if limit < 0:
        raise OSError(errno.EPROTO, "max_entries must be >= 0")
    jobs: list[dict[str, Any]] = []
    for job in _active(manager, limit):
        if limit and len(jobs) >= limit:
            break
        jobs.append(_entry(job))
    jobs += manager.waits.zombie_entries()
    return {"jobs": jobs}


def _active(manager: Manager, limit: int) -> Iterator[Job]:
    yield from manager.alloc.queue.head(limit) if limit else manager.alloc.queue
    for job in manager.active.values():
        if not job.alloc_queued:
            yield job


def _entry(job: Job) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": job.id,
        "userid": job.userid,
        "urgency": job.urgency,
        "priority": job.priority,
        "t_submit": job.t_submit,
        "state": job.state,
    }
    if job.annotations:
        entry["annotations"] = job.annotations
    if job.dependencies:
        entry["dependencies"] = sorted(job.dependencies)
    return entry


def getattr_(manager: Manager, msg: Message) -> dict[str, Any]:
    """``job-manager.getattr {id, attrs}`` -> the ``jobspec``, ``R`` and ``eventlog`` that were asked for."""
    id = id_field(msg.args)
    attrs = list_field(msg.args, "attrs", str)
    active = manager.active.get(id)
    job = active or manager.inactive.get(id)
    hidden = manager.restricted(msg.rolemask)  # so well that a refusal does not tell whether there is a job
    if job is None:
        raise OSError(errno.EPERM, "Permission denied") if hidden else OSError(errno.EINVAL, "unknown job")
    authorize(msg, job.userid, "Permission denied" if hidden else "guests can only access their own jobs")
    if active is not None:
        record = {"jobspec": active.jobspec, "R": active.R, "eventlog": _events(active)}
    else:
        stored = manager.inactive[id].record()
        record = {"jobspec": stored["jobspec"], "R": stored.get("R"), "eventlog": stored["events"]}
    reply: dict[str, Any] = {}
    for name in attrs:
        if name not in record:
            raise OSError(errno.ENOENT, f"unknown attr {name}")
        if record[name] is None:
            raise OSError(errno.ENOENT, f"{name} is NULL")
        reply[name] = record[name]
    return reply


def _events(job: Job) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = _json.loads(b"[" + b",".join(job.lines) + b"]")
    return events


def stats(manager: Manager) -> dict[str, Any]:
    """The body of ``job-manager.stats-get``."""
    return {
        "journal": {"listeners": len(manager.journal.listeners), "events": manager.journal.count},
        "active_jobs": len(manager.active),
        "inactive_jobs": len(manager.inactive),
        "archived_jobs": manager.archive.jobs,
        "max_jobid": manager.max_jobid,
        "housekeeping": manager.housekeeping.stats(),
    }


def alloc_query(manager: Manager) -> dict[str, Any]:
    """``job-manager.alloc-query`` -> how many jobs wait, are with the scheduler, and run."""
    return {
        "queue_length": len(manager.alloc.queue),
        "alloc_pending": len(manager.alloc.sent),
        "running": manager.running,
    }
