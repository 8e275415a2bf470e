# SPDX-License-Identifier: LGPL-3.0-or-later
"""The log of an instance's starts and proper ends, the KVS key ``admin.eventlog`` (flux-startlog(1))."""

from __future__ import annotations

from typing import Any

from rosin.constants import FLUX_CORE_VERSION
from rosin.rfc import eventlog

#: The key in the primary namespace.
KEY = "admin.eventlog"
#: Version of the events' context.
VERSION = 1


def entry(name: str, when: float) -> str:
    """A line of the log: an event, ``start`` or ``finish``, at a time in seconds since the epoch."""
    context: dict[str, Any] = {"version": VERSION}
    if name == "start":
        context["core_version"] = FLUX_CORE_VERSION
    return eventlog.encode(name, context, when)
