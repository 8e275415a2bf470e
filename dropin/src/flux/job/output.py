# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.output."""

from flux._elsewhere import elsewhere
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
from rosin.job.output_events import (
    LOG_DEBUG,
    LOG_ERROR,
    LOG_FATAL,
    LOG_NOTICE,
    LOG_QUIET,
    LOG_TRACE,
    LOG_WARN,
    JobExceptionEvent,
    LogEvent,
    OutputEvent,
    OutputHeaderEvent,
    RedirectEvent,
    Taskset,
)

__all__ = [
    "LOG_DEBUG",
    "LOG_ERROR",
    "LOG_FATAL",
    "LOG_NOTICE",
    "LOG_QUIET",
    "LOG_TRACE",
    "LOG_WARN",
    "JobExceptionEvent",
    "JobOutput",
    "JobOutputEventWatch",
    "JobOutputWatch",
    "JobOutputWatchLines",
    "LogEvent",
    "OutputEvent",
    "OutputHeaderEvent",
    "RedirectEvent",
    "Taskset",
    "job_output",
    "output_event_watch",
    "output_event_watch_async",
    "output_watch",
    "output_watch_async",
    "output_watch_lines",
    "output_watch_lines_async",
]

__getattr__ = elsewhere(__name__)
