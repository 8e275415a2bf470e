# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 18, RFC 21, RFC 41: following the event logs of a job."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE
from rosin.handle.future import error
from rosin.handle.journal import EventLogEvent as EventLogEvent
from rosin.job.call import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.handle.handle import Handle

#: The names of the events that a FluxExecutorFuture reports.
MAIN_EVENTS = frozenset(
    {
        "submit",
        "depend",
        "priority",
        "flux-restart",
        "urgency",
        "alloc",
        "free",
        "start",
        "release",
        "finish",
        "clean",
        "debug",
        "exception",
    }
)


class JobException(Exception):
    """An ``exception`` event of a job.

    Attributes: ``timestamp`` (seconds since the epoch), ``type``, ``note``, and ``severity``, where 0 means
    that the exception ended the job.
    """

    def __init__(self, event: EventLogEvent) -> None:
        super().__init__()
        self.timestamp: float = event.timestamp
        self.type: str = event.context["type"]
        self.note: str = event.context.get("note", "")
        self.severity: int = event.context["severity"]

    def __str__(self) -> str:
        return f"job.exception: type={self.type}: {self.note}"


class JobEventWatchFuture(Watch):
    """The events of a job's log, one after the other."""

    def _value(self, result: Any) -> Any:
        data = result.data
        return None if data is None else EventLogEvent(data["event"])

    def get_event(self, autoreset: bool = True) -> EventLogEvent | None:
        """The next event, None at the end of the log."""
        return self.get(autoreset=autoreset)  # type: ignore[no-any-return]


def event_watch_async(
    flux_handle: Handle, jobid: int | str, eventlog: str = "eventlog", waitcreate: bool = False
) -> JobEventWatchFuture:
    """Follow the log ``eventlog`` (a key of the job's KVS directory) of a job.

    With ``waitcreate`` the log need not exist yet.
    """
    from rosin.job.jobid import JobID

    flags = FLUX_JOB_EVENT_WATCH_WAITCREATE if waitcreate else 0
    payload = {"id": int(JobID(jobid)), "path": eventlog, "flags": flags}
    return JobEventWatchFuture(flux_handle, "job-info.eventlog-watch", payload)


def event_watch(flux_handle: Handle, jobid: int | str, eventlog: str = "eventlog") -> Iterator[EventLogEvent]:
    """Yield the events of a job's log until it is complete. A generator that is left early ends its watch."""
    watch = event_watch_async(flux_handle, jobid, eventlog)
    finished = False
    try:
        yield from watch
        finished = True
    finally:
        if not finished:
            watch.close()


def event_wait(
    flux_handle: Handle,
    jobid: int | str,
    name: str,
    eventlog: str = "eventlog",
    raiseJobException: bool = True,
) -> EventLogEvent:
    """Block until the event ``name`` is in the log and return it.

    Raises JobException when a fatal exception comes first (unless that is what is waited for, or
    ``raiseJobException`` is false), and OSError ENODATA when the log ends without the event.
    """
    for event in event_watch(flux_handle, jobid, eventlog):
        if event.name == name:
            return event
        if raiseJobException and event.name == "exception" and event.context["severity"] == 0:
            raise JobException(event)
    raise error(errno.ENODATA, f"job {jobid}: event '{name}' did not occur before the end of {eventlog}")
