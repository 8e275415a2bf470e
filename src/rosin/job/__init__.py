# SPDX-License-Identifier: LGPL-3.0-or-later
"""The client API for jobs, with the names of flux-core's ``flux.job``.

Every function builds a request on a handle and returns a future, or waits for it. Names are loaded when they
are first used, so that a command pays for nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.job.call import Watch
    from rosin.job.control import (
        cancel,
        cancel_async,
        job_raise,
        job_raise_async,
        kill,
        kill_async,
        killall_async,
        memo_async,
        purge_async,
        purge_id_async,
        raiseall_async,
        set_urgency,
        update_async,
        urgency_async,
    )
    from rosin.job.counts import JobStats
    from rosin.job.events import (
        MAIN_EVENTS,
        EventLogEvent,
        JobEventWatchFuture,
        JobException,
        event_wait,
        event_watch,
        event_watch_async,
    )
    from rosin.job.executor import FluxExecutor, FluxExecutorFuture
    from rosin.job.fields import job_fields_to_attrs
    from rosin.job.info import JobInfo
    from rosin.job.info_values import get_username, resulttostr, statetostr, statustostr
    from rosin.job.jobid import JobID, id_encode, id_parse
    from rosin.job.jobkvs import job_kvs, job_kvs_guest
    from rosin.job.journal import JournalConsumer, JournalEvent
    from rosin.job.listing import (
        JobList,
        JobListIdRPC,
        JobListIdsFuture,
        JobListRPC,
        get_job,
        job_list,
        job_list_id,
        job_list_inactive,
    )
    from rosin.job.lookup import (
        JobInfoLookupRPC,
        JobKVSLookup,
        JobKVSLookupFuture,
        job_info_lookup,
        job_kvs_lookup,
    )
    from rosin.job.output import (
        JobOutput,
        JobOutputEventWatch,
        JobOutputWatch,
        JobOutputWatchLines,
        job_output,
        output_event_watch,
        output_event_watch_async,
        output_watch,
        output_watch_async,
        output_watch_lines,
        output_watch_lines_async,
    )
    from rosin.job.remaining import timeleft
    from rosin.job.spec import Jobspec
    from rosin.job.spec_v1 import JobspecV1, validate_counts, validate_jobspec
    from rosin.job.submission import (
        SubmitFuture,
        submit,
        submit_async,
        submit_get_id,
    )
    from rosin.job.uri import JobURI
    from rosin.job.waiting import (
        JobResultFuture,
        JobWaitFuture,
        JobWaitResult,
        result,
        result_async,
        wait,
        wait_async,
        wait_get_status,
    )

__all__ = [
    "MAIN_EVENTS",
    "EventLogEvent",
    "FluxExecutor",
    "FluxExecutorFuture",
    "JobEventWatchFuture",
    "JobException",
    "JobID",
    "JobInfo",
    "JobInfoLookupRPC",
    "JobKVSLookup",
    "JobKVSLookupFuture",
    "JobList",
    "JobListIdRPC",
    "JobListIdsFuture",
    "JobListRPC",
    "JobOutput",
    "JobOutputEventWatch",
    "JobOutputWatch",
    "JobOutputWatchLines",
    "JobResultFuture",
    "JobStats",
    "JobURI",
    "JobWaitFuture",
    "JobWaitResult",
    "Jobspec",
    "JobspecV1",
    "JournalConsumer",
    "JournalEvent",
    "SubmitFuture",
    "Watch",
    "cancel",
    "cancel_async",
    "event_wait",
    "event_watch",
    "event_watch_async",
    "get_job",
    "get_username",
    "id_encode",
    "id_parse",
    "job_fields_to_attrs",
    "job_info_lookup",
    "job_kvs",
    "job_kvs_guest",
    "job_kvs_lookup",
    "job_list",
    "job_list_id",
    "job_list_inactive",
    "job_output",
    "job_raise",
    "job_raise_async",
    "kill",
    "kill_async",
    "killall_async",
    "memo_async",
    "output_event_watch",
    "output_event_watch_async",
    "output_watch",
    "output_watch_async",
    "output_watch_lines",
    "output_watch_lines_async",
    "purge_async",
    "purge_id_async",
    "raiseall_async",
    "result",
    "result_async",
    "resulttostr",
    "set_urgency",
    "statetostr",
    "statustostr",
    "submit",
    "submit_async",
    "submit_get_id",
    "timeleft",
    "update_async",
    "urgency_async",
    "validate_counts",
    "validate_jobspec",
    "wait",
    "wait_async",
    "wait_get_status",
]

_WHERE = {
    "Watch": "call",
    "cancel": "control",
    "cancel_async": "control",
    "job_raise": "control",
    "job_raise_async": "control",
    "kill": "control",
    "kill_async": "control",
    "killall_async": "control",
    "memo_async": "control",
    "purge_async": "control",
    "purge_id_async": "control",
    "raiseall_async": "control",
    "set_urgency": "control",
    "update_async": "control",
    "urgency_async": "control",
    "JobStats": "counts",
    "EventLogEvent": "events",
    "JobEventWatchFuture": "events",
    "JobException": "events",
    "MAIN_EVENTS": "events",
    "event_wait": "events",
    "event_watch": "events",
    "event_watch_async": "events",
    "FluxExecutor": "executor",
    "FluxExecutorFuture": "executor",
    "job_fields_to_attrs": "fields",
    "JobInfo": "info",
    "get_username": "info_values",
    "resulttostr": "info_values",
    "statetostr": "info_values",
    "statustostr": "info_values",
    "JobID": "jobid",
    "id_encode": "jobid",
    "id_parse": "jobid",
    "job_kvs": "jobkvs",
    "job_kvs_guest": "jobkvs",
    "JournalConsumer": "journal",
    "JournalEvent": "journal",
    "JobList": "listing",
    "JobListIdRPC": "listing",
    "JobListIdsFuture": "listing",
    "JobListRPC": "listing",
    "get_job": "listing",
    "job_list": "listing",
    "job_list_id": "listing",
    "job_list_inactive": "listing",
    "JobInfoLookupRPC": "lookup",
    "JobKVSLookup": "lookup",
    "JobKVSLookupFuture": "lookup",
    "job_info_lookup": "lookup",
    "job_kvs_lookup": "lookup",
    "JobOutput": "output",
    "JobOutputEventWatch": "output",
    "JobOutputWatch": "output",
    "JobOutputWatchLines": "output",
    "job_output": "output",
    "output_event_watch": "output",
    "output_event_watch_async": "output",
    "output_watch": "output",
    "output_watch_async": "output",
    "output_watch_lines": "output",
    "output_watch_lines_async": "output",
    "timeleft": "remaining",
    "Jobspec": "spec",
    "JobspecV1": "spec_v1",
    "validate_counts": "spec_v1",
    "validate_jobspec": "spec_v1",
    "SubmitFuture": "submission",
    "submit": "submission",
    "submit_async": "submission",
    "submit_get_id": "submission",
    "JobURI": "uri",
    "JobResultFuture": "waiting",
    "JobWaitFuture": "waiting",
    "JobWaitResult": "waiting",
    "result": "waiting",
    "result_async": "waiting",
    "wait": "waiting",
    "wait_async": "waiting",
    "wait_get_status": "waiting",
}


def __getattr__(name: str) -> object:
    """Import on first use."""
    if name in _WHERE:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"rosin.job.{_WHERE[name]}"), name)
        return value
    raise AttributeError(f"module 'rosin.job' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
