# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.eventlog."""

from __future__ import annotations

import sys
from typing import Any

from rosin.cli.eventlog import EventFormatter
from rosin.job.events import EventLogEvent

__all__ = ["EventLogEvent", "EventLogFormatter"]


class EventLogFormatter:
    """Formats events as lines.

    ``format``: ``text`` or ``json``. ``timestamp_format``: ``raw``, ``iso``, ``offset`` or ``human``.
    ``color``: ``auto`` (when standard output is a terminal), ``always`` or ``never``. Raises ValueError
    for other words.
    """

    def __init__(self, format: str = "text", timestamp_format: str = "raw", color: str = "auto") -> None:
        if color not in ("auto", "always", "never"):
            raise ValueError(f"invalid color '{color}', expected one of auto, always, never")
        colored = color == "always" or (color == "auto" and sys.stdout.isatty())
        self._formatter = EventFormatter(format, timestamp_format, colored)

    def format(self, entry: dict[str, Any] | str) -> str:
        """The line of an event (a dictionary, an EventLogEvent or its JSON text), without newline."""
        return self._formatter.format(EventLogEvent(entry) if isinstance(entry, str) else entry)
