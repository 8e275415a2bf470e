# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests to the job manager about one job: signal, cancel, raise, urgency, memo, update, purge (RFC 21)."""

from __future__ import annotations

from rosin.constants import FLUX_USERID_UNKNOWN
from rosin.job.jobid import JobID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

_SIGTERM = 15


def kill_async(flux_handle: Handle, jobid: int | str, signum: int | None = None) -> RPC:
    """Send a signal (default SIGTERM) to the tasks of a running job."""
    payload = {"id": int(JobID(jobid)), "signum": int(signum or _SIGTERM)}
    return flux_handle.rpc("job-manager.kill", payload)


def kill(flux_handle: Handle, jobid: int | str, signum: int | None = None) -> None:
    """:func:`kill_async`, and wait. Raises OSError."""
    kill_async(flux_handle, jobid, signum).get()


def job_raise_async(
    flux_handle: Handle,
    jobid: int | str,
    exc_type: str,
    severity: int = 0,
    note: str | None = None,
    *,
    wait_status: int | None = None,
) -> RPC:
    """Raise an exception on a job; ``severity`` 0 ends the job.

    *wait_status*: that of the process whose failure it is.
    """
    payload: dict[str, Any] = {"id": int(JobID(jobid)), "type": exc_type, "severity": severity}
    if note:
        payload["note"] = note
    if wait_status is not None:
        payload["wait_status"] = wait_status
    return flux_handle.rpc("job-manager.raise", payload)


def job_raise(
    flux_handle: Handle, jobid: int | str, exc_type: str, severity: int = 0, note: str | None = None
) -> None:
    """:func:`job_raise_async`, and wait. Raises OSError."""
    job_raise_async(flux_handle, jobid, exc_type, severity, note).get()


def cancel_async(flux_handle: Handle, jobid: int | str, reason: str | None = None) -> RPC:
    """Cancel a pending or running job."""
    return job_raise_async(flux_handle, jobid, "cancel", 0, reason)


def cancel(flux_handle: Handle, jobid: int | str, reason: str | None = None) -> None:
    """:func:`cancel_async`, and wait. Raises OSError."""
    cancel_async(flux_handle, jobid, reason).get()


def raiseall_async(
    flux_handle: Handle,
    exc_type: str,
    severity: int = 0,
    note: str | None = None,
    userid: int = FLUX_USERID_UNKNOWN,
    states: int = 62,
    dry_run: bool = False,
) -> RPC:
    """Raise an exception on all jobs of a user in some states; answers ``{"count", "errors"}``.

    ``userid`` FLUX_USERID_UNKNOWN means every user, ``states`` is a mask, and ``dry_run`` only counts.
    """
    payload: dict[str, Any] = {
        "dry_run": dry_run,
        "userid": userid,
        "states": states,
        "severity": severity,
        "type": exc_type,
    }
    if note:
        payload["note"] = note
    return flux_handle.rpc("job-manager.raiseall", payload)


def killall_async(
    flux_handle: Handle, signum: int | None = None, userid: int = FLUX_USERID_UNKNOWN, dry_run: bool = False
) -> RPC:
    """Send a signal to all running jobs of a user; answers ``{"count", "errors"}``."""
    payload = {"dry_run": dry_run, "userid": userid, "signum": int(signum or _SIGTERM)}
    return flux_handle.rpc("job-manager.killall", payload)


def urgency_async(flux_handle: Handle, jobid: int | str, urgency: int) -> RPC:
    """Change the urgency (RFC 30: 0 holds, 31 expedites) of a pending job; answers ``{"old_urgency"}``."""
    return flux_handle.rpc("job-manager.urgency", {"id": int(JobID(jobid)), "urgency": urgency})


def set_urgency(flux_handle: Handle, jobid: int | str, urgency: int) -> int:
    """:func:`urgency_async`, and wait for the old urgency. Raises OSError."""
    return int(urgency_async(flux_handle, jobid, urgency).get()["old_urgency"])


def memo_async(flux_handle: Handle, jobid: int | str, memo: dict[str, Any], volatile: bool = False) -> RPC:
    """Add to the user's annotations of a job, null removes; ``volatile`` ones are not in its event log."""
    payload = {"id": int(JobID(jobid)), "volatile": volatile, "memo": memo}
    return flux_handle.rpc("job-manager.memo", payload)


def update_async(flux_handle: Handle, jobid: int | str, updates: dict[str, Any]) -> RPC:
    """Change attributes of a job: ``{"attributes.system.duration": 60.0}``."""
    return flux_handle.rpc("job-manager.update", {"id": int(JobID(jobid)), "updates": updates})


def purge_async(
    flux_handle: Handle, age_limit: float = -1.0, num_limit: int = -1, batch: int = 50, force: bool = False
) -> RPC:
    """Forget old inactive jobs; answers ``{"count"}``.

    Those inactive for longer than ``age_limit`` seconds, and the oldest beyond ``num_limit``. Without
    ``force`` they are only counted.
    """
    payload = {"age_limit": float(age_limit), "num_limit": num_limit, "batch": batch, "force": force}
    return flux_handle.rpc("job-manager.purge", payload)


def purge_id_async(flux_handle: Handle, jobid: int | str, force: bool = False) -> RPC:
    """Forget one inactive job; answers ``{"count"}``."""
    return flux_handle.rpc("job-manager.purge-id", {"id": int(JobID(jobid)), "force": force})


def stop_queues_async(flux_handle: Handle) -> RPC:
    """Start no more jobs from any queue; the next start of the instance knows nothing of that."""
    payload = {"start": False, "all": True, "nocheckpoint": True}
    return flux_handle.rpc("job-manager.queue-start", payload)
