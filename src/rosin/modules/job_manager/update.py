# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: changing the jobspec of a job after it was submitted (``job-manager.update``).

What may change is what a plugin takes (``job.update.PATH``), the duration and the queue of a pending job for
example, and the metadata of ``attributes.system.job`` and ``attributes.user``. A running job's new duration
is first offered to the scheduler, another queue to the feasibility service.
"""

from __future__ import annotations

import errno
from copy import copy
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_RUNNING
from rosin.modules.job_manager.control import authorize
from rosin.modules.job_manager.job import check_updates, system_attribute, with_updates
from rosin.modules.job_manager.plugins.api import Update
from rosin.modules.job_manager.plugins.updates import DURATION
from rosin.rfc.payload import field, id_field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message

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
    if job.immutable and not allowed(msg.rolemask):
        raise OSError(errno.EPERM, "job is immutable due to previous instance owner update")
    asked = [_checked(manager, job, path, value, msg) for path, value in updates.items()]
    changes = {path: value for update in asked for path, value in update.changes.items()}
    if not all(update.validated for update in asked):
        manager.jobtap.ask("job.validate", _changed(job, changes))  # they have to be allowed as one
    immutable = any(update.validated for update in asked) and msg.userid != job.userid
    _offer(manager, msg, job, changes, immutable, any(update.feasibility for update in asked))


def _checked(manager: Manager, job: Job, path: str, value: Any, msg: Message) -> Update:
    """What setting *path* to *value* comes to. Raises OSError EINVAL."""
    update = Update(path, value, msg.userid, msg.rolemask)
    if not path.startswith(_METADATA):
        manager.jobtap.update(job, update)
    elif path.startswith(_METADATA[0]) and not isinstance(value, str):
        raise OSError(errno.EINVAL, f"{path}: expected a string")
    return update


def _changed(job: Job, changes: dict[str, Any]) -> Job:
    """*job* as it would be with *changes*."""
    changed = copy(job)
    changed.jobspec = with_updates(job.jobspec, changes)
    return changed


def _offer(
    manager: Manager, msg: Message, job: Job, changes: dict[str, Any], immutable: bool, feasibility: bool
) -> None:
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
    if feasibility:
        request: dict[str, Any] = {"jobspec": with_updates(job.jobspec, changes)}
        manager.port.rpc("feasibility.check", request, agreed)
    elif running and DURATION in changes and not job.bypass:
        request = {"id": job.id, "expiration": expiration(job, changes[DURATION], manager.port.now())}
        manager.port.rpc("sched.expiration", request, agreed)
    else:
        agreed(None, None)


def _apply(manager: Manager, job: Job, changes: dict[str, Any], immutable: bool) -> None:
    if immutable and not job.immutable:
        manager.post(job, "set-flags", {"flags": ["immutable"]})
    manager.post(job, "jobspec-update", changes)
    if job.state & FLUX_JOB_STATE_RUNNING and DURATION in changes:
        end = expiration(job, changes[DURATION], manager.port.now())
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
    old, manager.expiration = manager.expiration, new
    if old == new:
        return
    for job in list(manager.active.values()):
        if job.state & FLUX_JOB_STATE_RUNNING and job.R is not None and not job.released:
            held = job.R.get("execution", {}).get("expiration", 0.0)
            if held and not system_attribute(job.jobspec, "duration"):
                manager.post(job, "resource-update", {"expiration": new})
