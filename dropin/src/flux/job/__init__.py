# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.

Some functions and classes have the name of a submodule. As in flux-core they win, so these submodules are
imported first and then hidden behind them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import flux.job.JobID
import flux.job.Jobspec
import flux.job.kill
import flux.job.submit
import flux.job.timeleft
import flux.job.wait  # noqa: F401
import rosin.job
from flux.job.Jobspec import JobspecV1, validate_jobspec
from rosin.job.control import kill
from rosin.job.jobid import JobID
from rosin.job.remaining import timeleft
from rosin.job.spec import Jobspec
from rosin.job.submission import submit
from rosin.job.waiting import wait

__all__ = [
    "MAIN_EVENTS",
    "BatchConfig",
    "EventLogEvent",
    "FluxExecutor",
    "FluxExecutorFuture",
    "JobEventWatchFuture",
    "JobException",
    "JobID",
    "JobInfo",
    "JobInfoFormat",
    "JobKVSLookup",
    "JobList",
    "JobWatcher",
    "Jobspec",
    "JobspecV1",
    "JournalConsumer",
    "cancel",
    "cancel_async",
    "event",
    "event_wait",
    "event_watch",
    "event_watch_async",
    "executor",
    "get_job",
    "id_encode",
    "id_parse",
    "info",
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
    "journal",
    "kill",
    "kill_async",
    "kvs",
    "kvslookup",
    "list",
    "output",
    "output_event_watch",
    "output_event_watch_async",
    "output_watch",
    "output_watch_async",
    "output_watch_lines",
    "output_watch_lines_async",
    "result",
    "result_async",
    "stats",
    "submit",
    "submit_async",
    "submit_get_id",
    "timeleft",
    "validate_jobspec",
    "wait",
    "wait_async",
    "wait_get_status",
]


#: Classes of modules that take time to load.
_CLASSES = {
    "BatchConfig": "flux.job._utils",
    "JobInfoFormat": "flux.job.info",
    "JobWatcher": "flux.job.watcher",
}


def __getattr__(name: str) -> Any:
    if name in rosin.job.__all__:
        return getattr(rosin.job, name)
    if name in _CLASSES:
        return getattr(import_module(_CLASSES[name]), name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'flux.job' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *rosin.job.__all__})
