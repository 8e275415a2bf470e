# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.event."""

from flux._elsewhere import elsewhere
from rosin.job.events import (
    MAIN_EVENTS,
    EventLogEvent,
    JobEventWatchFuture,
    JobException,
    event_wait,
    event_watch,
    event_watch_async,
)

__all__ = [
    "MAIN_EVENTS",
    "EventLogEvent",
    "JobEventWatchFuture",
    "JobException",
    "event_wait",
    "event_watch",
    "event_watch_async",
]

__getattr__ = elsewhere(__name__)
