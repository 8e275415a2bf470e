# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: new jobs (``job-manager.submit``), which job-ingest has validated and given an id."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_URGENCY_MAX, FLUX_JOB_URGENCY_MIN
from rosin.errors import FormatError
from rosin.modules.job_manager.job import Job, redact_jobspec
from rosin.modules.job_manager.shape import check_shape
from rosin.rfc import eventlog
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message

_VERSION = 1


def request(manager: Manager, msg: Message) -> None:
    """``job-manager.submit {jobs}``: answers *msg* once the jobs' events are stored."""
    args = msg.args
    reply = submit(manager, args)

    def stored(error: OSError | None) -> None:
        if error is None:
            manager.port.respond(msg, reply)
        else:
            withdraw(manager, args, error)
            text = f"could not store jobs: {error.strerror}"
            manager.port.respond_error(msg, error.errno or errno.EIO, text)

    manager.store.after(stored)


def submit(manager: Manager, args: dict[str, Any]) -> dict[str, Any]:
    """Take the jobs of a request; returns ``{"errors": [[id, text], ..]}`` for those that were refused.

    A job that is refused leaves no trace: nothing of it has been logged or journaled. Raises FormatError, and
    takes no job, when the request is malformed.
    """
    jobs = [_job(manager, item) for item in field(args, "jobs", list)]
    errors: list[list[Any]] = []
    for job in jobs:
        try:
            admit(manager, job)
        except OSError as error:
            errors.append([job.id, error.strerror or "rejected by plugin"])
        except FormatError as error:
            errors.append([job.id, str(error)])
    return {"errors": errors}


def _job(manager: Manager, item: Any) -> Job:
    id = int_field(item, "id", 0, 2**64 - 1)
    if id in manager.active or id in manager.inactive:
        raise FormatError(f"submit: job {id} exists")
    job = Job(id, redact_jobspec(field(item, "jobspec", dict)))
    job.userid = int_field(item, "userid", 0, 2**32 - 1)
    job.urgency = int_field(item, "urgency", FLUX_JOB_URGENCY_MIN, FLUX_JOB_URGENCY_MAX)
    job.t_submit = field(item, "t_submit", float)
    eventlog.entry("submit", None, job.t_submit)  # refuses what no event may have
    job.flags = int_field(item, "flags", 0, 2**31 - 1)
    return job


def admit(manager: Manager, job: Job) -> None:
    """Check *job* and post its first events. Raises OSError EINVAL, FormatError: why it is refused."""
    if job.id in manager.removed:
        raise OSError(errno.EAGAIN, "the job manager was started again meanwhile: submit the job once more")
    check_shape(job.jobspec)
    manager.queues.check_submit(job.queue)
    context = {
        "userid": job.userid,
        "urgency": job.urgency,
        "flags": job.flags,
        "version": _VERSION,
    }
    manager.hold(job)
    try:
        manager.post(job, "submit", context, timestamp=job.t_submit)
        manager.jobtap.admit(job)
    except Exception:
        manager.refuse(job)
        raise
    manager.accept(job)
    manager.jobtap.tell("job.new", job)
    manager.post(job, "validate")


def withdraw(manager: Manager, args: dict[str, Any], error: OSError) -> None:
    """The submit events could not be stored and the submitters are told so: these jobs must not run."""
    for item in args["jobs"]:
        job = manager.active.get(item["id"])
        if job is not None:
            manager.except_(job, "submit", 0, f"the job could not be stored: {error.strerror}")
