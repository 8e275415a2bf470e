# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16, RFC 21: bringing back all jobs from their eventlogs, and ending those that the restart interrupted.

Nothing that ran before is started again: the execution service is asked to reattach to it, and raises an
``exec`` exception for what it cannot find. Pending jobs return to the queue by ``flux-restart``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rosin.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_STATE_SCHED,
    FLUX_JOB_WAITABLE,
)
from rosin.errors import FormatError
from rosin.modules.job_manager.core import CHECKPOINT_KEY, CHECKPOINT_VERSION
from rosin.modules.job_manager.event import apply
from rosin.modules.job_manager.inactive import InactiveJob
from rosin.modules.job_manager.job import Job, redact_jobspec, redact_R
from rosin.modules.job_manager.plugins.stack import Unsupported
from rosin.rfc import eventlog
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from rosin.modules.job_manager.manager import Manager

_LOST = "the job manager was restarted while a prolog of the job was running"


def replay(id: int, log: bytes, jobspec: Any, R: Any) -> Job | None:
    """The job that its eventlog describes, None for one that was found invalid. Raises FormatError.

    An incomplete last line is what a crash in the midst of writing leaves: the events before it count.
    """
    if not isinstance(jobspec, dict) or not (R is None or isinstance(R, dict)):
        raise FormatError("the jobspec or R is not an object")
    job = Job(id, redact_jobspec(jobspec), None if R is None else redact_R(R))
    for line in log[: log.rfind(b"\n") + 1].splitlines():
        entry = eventlog.decode_entry(line)
        if entry["name"] == "invalidate":
            return None
        if not job.lines and entry["name"] != "submit":
            raise FormatError(f"the first event is '{entry['name']}', not submit")
        apply(job, entry)
        job.lines.append(line)
    if not job.lines:
        raise FormatError("the eventlog is empty")
    if not job.allocated:
        job.R = None
    job.posting = 0
    return job


def load(manager: Manager, job: Job) -> None:
    """Make a replayed job known; :func:`resume` follows when all are."""
    manager.insert(job)
    if job.state == FLUX_JOB_STATE_INACTIVE:
        del manager.active[job.id]
        manager.archive.over(job.id)
        inactive = manager.inactive[job.id] = InactiveJob.of(job)
        manager.jobtap.tell("job.inactive-add", job)
        manager.purge.add(inactive)
        if job.flags & FLUX_JOB_WAITABLE:
            manager.waits.inactive(job)
    elif job.state & FLUX_JOB_STATE_RUNNING:
        manager.running += 1


class Recalled:
    """A job that is over, as plugins see it: replayed for those that ask for more than its archive has."""

    __slots__ = ("_inactive", "_job")

    def __init__(self, inactive: InactiveJob) -> None:
        self._inactive = inactive
        self._job: Job | None = None

    def __getattr__(self, name: str) -> Any:
        if name in _ARCHIVED:
            return getattr(self._inactive, name)
        if self._job is None:
            self._job = replay_inactive(self._inactive)
        return getattr(self._job, name)


_ARCHIVED = frozenset(("id", "userid", "t_submit", "t_clean", "allocated", "started"))


def replay_inactive(inactive: InactiveJob) -> Job:
    """The job that *inactive* was made of. Raises FormatError."""
    record = inactive.record()
    log = eventlog.encode_entries(record["events"])
    job = replay(inactive.id, log.encode(), record["jobspec"], record.get("R"))
    assert job is not None  # one that was found invalid is not kept
    return job


def recall(manager: Manager, inactive: InactiveJob) -> None:
    """Make a job known that the archive has kept."""
    manager.max_jobid = max(manager.max_jobid, inactive.id)
    manager.inactive[inactive.id] = inactive
    manager.jobtap.tell("job.inactive-add", cast("Job", Recalled(inactive)))
    manager.purge.add(inactive)
    if inactive.waitable:
        manager.waits.active()
        manager.waits.inactive(replay_inactive(inactive))


def resume(manager: Manager) -> None:
    """Let all jobs go on from where they were."""
    jobs = sorted(manager.active.values(), key=lambda job: job.id)
    for job in jobs:
        manager.jobtap.tell("job.create", job)
        manager.jobtap.tell("job.new", job)
    for job in jobs:
        if job.state == FLUX_JOB_STATE_NEW:
            _readmit(manager, job)
            manager.post(job, "validate")
        elif job.state == FLUX_JOB_STATE_DEPEND:
            _readmit(manager, job)
            manager.jobtap.tell("job.state.depend", job)
            manager.act(job)
        elif job.state == FLUX_JOB_STATE_SCHED:
            manager.post(job, "flux-restart")
        elif job.state == FLUX_JOB_STATE_RUN:
            if job.perilogs:
                _interrupted(manager, job)
            else:
                job.start_sent = True  # perhaps: nobody knows
        elif job.state == FLUX_JOB_STATE_CLEANUP:
            _ended(manager, job)
        else:
            manager.act(job)


def _readmit(manager: Manager, job: Job) -> None:
    """Check the dependencies of *job* again; one that has become impossible is fatal.

    One that nobody knows any more may be that of a plugin that is still to be loaded.
    """
    try:
        manager.jobtap.check_dependencies(job)
    except Unsupported as error:
        note = f"{error.strerror} (job may be stuck in DEPEND state)"
        manager.except_(job, "dependency", 4, note)
    except OSError as error:
        manager.except_(job, "dependency", 0, error.strerror or "")


def _interrupted(manager: Manager, job: Job) -> None:
    """End a job before it has begun."""
    job.start_pending = True
    job.perilogs = 0
    manager.except_(job, "exec", 0, _LOST)
    job.start_pending = False
    _give_back(manager, job)  # when the epilogs are over that plugins may have begun


def _ended(manager: Manager, job: Job) -> None:
    job.perilogs = 0
    _give_back(manager, job)


def _give_back(manager: Manager, job: Job) -> None:
    if job.has_resources and not job.released:
        manager.post(job, "release", {"ranks": "all", "final": True})
    else:
        manager.act(job)


def restore(manager: Manager, state: Any) -> None:
    """Take what :meth:`Core.checkpoint` has stored. Raises FormatError."""
    version = field(state, "version", int, 0)
    if version > CHECKPOINT_VERSION:
        raise FormatError(f"{CHECKPOINT_KEY}: version {version} is from a newer release")
    manager.max_jobid = max(manager.max_jobid, int_field(state, "max_jobid", 0, 2**64 - 1))
    if version == CHECKPOINT_VERSION:
        manager.queues.restore(field(state, "queue", list, []))
