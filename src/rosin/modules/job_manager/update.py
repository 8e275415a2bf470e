# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: changing the jobspec of a job after it was submitted (``job-manager.update``).

What may change: the duration, the queue of a pending job, and the metadata of ``attributes.system.job`` and
``attributes.user``. A running job's new duration is first offered to the scheduler, another queue to the
feasibility service.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_RUNNING
from rosin.modules.job_manager.control import authorize
from rosin.modules.job_manager.job import check_updates, system_attribute, with_updates
from rosin.rfc.jobspec.attributes import MAX_DURATION, is_duration
from rosin.rfc.payload import field, id_field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message

_DURATION = "attributes.system.duration"
_QUEUE = "attributes.system.queue"
_CONSTRAINTS = "attributes.system.constraints"
_METADATA = ("attributes.system.job.", "attributes.user.")


def update(manager: Manager, msg: Message) -> None:
    """``job-manager.update {id, updates}``; answers *msg*. Raises OSError when the update is refused."""
    updates = field(msg.args, "updates", dict)
    id = id_field(msg.args)
    if not check_updates(updates):
        raise OSError(errno.EINVAL, "one or more jobspec updates are invalid")
    if id in manager.inactive:
        raise OSError(errno.EINVAL, "job is inactive")
    job = manager.lookup(id)
    authorize(msg, job.userid, "guests may only update their own jobs")
    owner = allowed(msg.rolemask)
    if job.immutable and not owner:
        raise OSError(errno.EPERM, "job is immutable due to previous instance owner update")
    changes: dict[str, Any] = {}
    for path, value in updates.items():
        changes.update(_checked(manager, job, path, value, owner))
    unlimited = owner and _DURATION in changes
    if not unlimited or len(changes) > 1:
        # Together they have to be allowed as one: alone an owner's duration may be anything.
        manager.limits.check(with_updates(job.jobspec, changes), manager.port.now())
    _offer(manager, msg, job, changes, immutable=unlimited and msg.userid != job.userid)


def _checked(manager: Manager, job: Job, path: str, value: Any, owner: bool) -> dict[str, Any]:
    """The changes that setting *path* to *value* comes to. Raises OSError EINVAL."""
    if path == _DURATION:
        return {path: _duration(job, value, owner)}
    if path == _QUEUE:
        return _queue(manager, job, value)
    if path.startswith(_METADATA):
        if path.startswith(_METADATA[0]) and not isinstance(value, str):
            raise OSError(errno.EINVAL, f"{path}: expected a string")
        return {path: value}
    raise OSError(errno.EINVAL, f"update of {path} not supported")


def _duration(job: Job, value: Any, owner: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OSError(errno.EINVAL, "duration must be a number of seconds")
    if value < 0:
        raise OSError(errno.EINVAL, "duration must not be negative")
    if not is_duration(value):
        raise OSError(errno.EINVAL, f"duration must be less than {MAX_DURATION:g} seconds, got {value:g}")
    if job.state & FLUX_JOB_STATE_RUNNING and not owner:
        raise OSError(errno.EINVAL, "duration update of running job requires instance owner privileges")
    return float(value)


def _queue(manager: Manager, job: Job, name: Any) -> dict[str, Any]:
    if job.state & FLUX_JOB_STATE_RUNNING:
        raise OSError(errno.EINVAL, "update of queue for running job not supported")
    if not isinstance(name, str):
        raise OSError(errno.EINVAL, "queue: expected a string")
    if name == job.queue:
        raise OSError(errno.EINVAL, f"job queue is already set to {name}")
    queue = manager.queues.lookup(name)
    if not queue.enabled:
        raise OSError(errno.EINVAL, f"queue {name} is currently disabled")
    old = manager.queues.lookup(job.queue).constraint
    expected = {"properties": old} if old else None
    if (system_attribute(job.jobspec, "constraints") or None) != expected:
        text = f"job appears to have non-queue constraints, unable to update queue to {name}"
        raise OSError(errno.EINVAL, text)
    new = queue.constraint
    return {_QUEUE: name, _CONSTRAINTS: {"properties": new} if new else {}}


def _offer(manager: Manager, msg: Message, job: Job, changes: dict[str, Any], immutable: bool) -> None:
    """Ask who has to agree, then make the changes."""

    def agreed(payload: Any, error: OSError | None) -> None:
        if error is not None and error.errno != errno.ENOSYS:
            refused = running and error.errno != errno.EAGAIN
            text = "scheduler refused expiration update" if refused else error.strerror
            manager.port.respond_error(msg, error.errno or errno.EINVAL, text)
        elif job.state == FLUX_JOB_STATE_INACTIVE:
            manager.port.respond_error(msg, errno.EINVAL, "job is inactive")
        else:
            _apply(manager, job, changes, immutable)
            manager.answer(msg, None)

    running = bool(job.state & FLUX_JOB_STATE_RUNNING)
    if _QUEUE in changes:
        request: dict[str, Any] = {"jobspec": with_updates(job.jobspec, changes)}
        manager.port.rpc("feasibility.check", request, agreed)
    elif running and _DURATION in changes:
        request = {"id": job.id, "expiration": expiration(job, changes[_DURATION], manager.port.now())}
        manager.port.rpc("sched.expiration", request, agreed)
    else:
        agreed(None, None)


def _apply(manager: Manager, job: Job, changes: dict[str, Any], immutable: bool) -> None:
    if immutable and not job.immutable:
        manager.post(job, "set-flags", {"flags": ["immutable"]})
    manager.post(job, "jobspec-update", changes)
    if job.state & FLUX_JOB_STATE_RUNNING and _DURATION in changes:
        end = expiration(job, changes[_DURATION], manager.port.now())
        manager.post(job, "resource-update", {"expiration": end})


def expiration(job: Job, duration: float, now: float) -> float:
    """When a running job of that duration ends, 0 for never. Raises OSError EINVAL."""
    if not duration:
        return 0.0
    start = (job.R or {}).get("execution", {}).get("starttime")
    if not start or start <= 0:
        raise OSError(errno.EINVAL, "unable to get job starttime")
    end = float(start) + duration
    if end <= now:
        raise OSError(errno.EINVAL, "requested duration places job expiration in the past")
    return end


def instance_expiration(manager: Manager, new: float) -> None:
    """The resources of the instance expire at *new*: so do running jobs whose duration nobody had set."""
    old, manager.limits.expiration = manager.limits.expiration, new
    if old == new:
        return
    for job in list(manager.active.values()):
        if job.state & FLUX_JOB_STATE_RUNNING and job.R is not None and not job.released:
            held = job.R.get("execution", {}).get("expiration", 0.0)
            if held and not system_attribute(job.jobspec, "duration"):
                manager.post(job, "resource-update", {"expiration": new})
