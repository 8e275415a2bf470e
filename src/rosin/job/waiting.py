# SPDX-License-Identifier: LGPL-3.0-or-later
"""Waiting for jobs to end: through the job manager (waitable jobs) or by their event log (RFC 21)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.constants import FLUX_JOBID_ANY
from rosin.errors import FormatError
from rosin.handle.future import Future, error
from rosin.handle.rpc import RPC
from rosin.job.jobid import JobID
from rosin.rfc.states import job_result

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.job.events import EventLogEvent
    from rosin.job.info import JobInfo

#: Any waitable job: flux-core's bindings have the unsigned value.
ANY_JOB = 2**64 - 1


class JobWaitResult(NamedTuple):
    """How a waitable job ended; ``errstr`` is UTF-8, empty for a success."""

    jobid: int
    success: bool
    errstr: bytes


class JobWaitFuture(RPC):
    """The end of a waitable job."""

    def get_status(self) -> JobWaitResult:
        """Block until the job ended. Raises OSError ECHILD when there is none to wait for."""
        return wait_get_status(self)


def wait_async(flux_handle: Handle, jobid: int | str = ANY_JOB) -> JobWaitFuture:
    """Wait for a job that was submitted ``waitable``, or for any of them."""
    target = FLUX_JOBID_ANY if jobid in (ANY_JOB, FLUX_JOBID_ANY) else int(JobID(jobid))
    return JobWaitFuture(flux_handle, "job-manager.wait", {"id": target})


def wait_get_status(future: Future) -> JobWaitResult:
    """The result of :func:`wait_async`."""
    if future is None:
        raise error(errno.EINVAL, "future must not be None/NULL")
    data = future.get()
    return JobWaitResult(data["id"], bool(data["success"]), data["errstr"].encode())


def wait(flux_handle: Handle, jobid: int | str = ANY_JOB) -> JobWaitResult:
    """:func:`wait_async`, and block."""
    return wait_async(flux_handle, jobid).get_status()


class JobResultFuture(Future):
    """How a job ended, found by reading its event log to the end; works for any job, any number of times."""

    def __init__(self, handle: Handle, jobid: int | str) -> None:
        from rosin.job.events import event_watch_async

        super().__init__(handle)
        self._data: dict[str, Any] = {"id": int(JobID(jobid)), "exception_occurred": False}
        self._watch = event_watch_async(handle, jobid)
        self._watch.listen(self._arrived)

    def _arrived(self, _watch: Future) -> None:
        if self._results:
            return  # the watch is being closed
        try:
            while self._watch.is_ready():
                event = self._watch.get_event()
                if event is None:
                    self._data["result"] = self._result()
                    self.fulfill(self._data)
                    return
                self._note(event)
        except OSError as exc:
            self.fulfill_error(exc.errno or errno.EIO, exc.strerror)
        except FormatError as exc:
            self._malformed(str(exc))
        except KeyError as exc:
            self._malformed(f"error parsing eventlog: an event lacks {exc}")

    def _malformed(self, text: str) -> None:
        self.fulfill_error(errno.EINVAL, text)
        self._watch.close()

    def _note(self, event: EventLogEvent) -> None:
        data, context = self._data, event.context
        if event.name == "submit":
            data["t_submit"] = event.timestamp
        elif event.name == "alloc":
            data["t_run"] = event.timestamp
        elif event.name == "finish":
            data["t_cleanup"] = event.timestamp
            data["waitstatus"] = context["status"]
        elif event.name == "exception" and (
            not data["exception_occurred"] or context["severity"] < data["exception_severity"]
        ):
            data["exception_occurred"] = True
            data["exception_type"] = context["type"]
            data["exception_note"] = context.get("note", "")
            data["exception_severity"] = context["severity"]

    def _result(self) -> int:
        data = self._data
        return job_result(data.get("waitstatus", -1) if "t_run" in data else -1, data.get("exception_type"))

    def get_dict(self) -> dict[str, Any]:
        """The result: id, t_submit, t_run, t_cleanup, waitstatus, result and the exception, if there was
        one.
        """
        return dict(self.get())

    def get_info(self) -> JobInfo:
        """The result as a JobInfo, of which only what :meth:`get_dict` lists has a value."""
        from rosin.job.info import JobInfo

        return JobInfo(self.get_dict())


def result_async(flux_handle: Handle, jobid: int | str, flags: int = 0) -> JobResultFuture:
    """Find out how a job ended, waiting for its end if necessary."""
    return JobResultFuture(flux_handle, jobid)


def result(flux_handle: Handle, jobid: int | str, flags: int = 0) -> JobInfo:
    """:func:`result_async`, and block. ``returncode`` of the result is the exit code."""
    return result_async(flux_handle, jobid, flags).get_info()
