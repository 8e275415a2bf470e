# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.eventlog."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from rosin.cli.eventlog import EventFormatter
from rosin.job.events import EventLogEvent

__all__ = ["EventLogEvent", "EventLogFormatter"]


class EventLogFormatter:
    """Formats events as lines.

    ``format``: ``text`` or ``json``. ``timestamp_format``: ``raw``, ``iso``, ``offset`` or ``human``.
    ``color``: ``auto`` (when standard output is a terminal), ``always`` or ``never``. Raises ValueError
    for other words.
    """

    BOLD, RED, GREEN, YELLOW, BLUE, MAGENTA, GRAY = (f"\x1b[{code}m" for code in (1, 31, 32, 33, 34, 35, 37))
    #: The colours of the parts of a line.
    eventlog_colors: ClassVar[dict[str, str]] = {
        "name": YELLOW,
        "time": GREEN,
        "timebreak": BOLD + GREEN,
        "key": BLUE,
        "value": MAGENTA,
        "number": GRAY,
        "exception": BOLD + RED,
    }

    def __init__(self, format: str = "text", timestamp_format: str = "raw", color: str = "auto") -> None:
        if color not in ("auto", "always", "never"):
            raise ValueError(f"invalid color '{color}', expected one of auto, always, never")
        self.color = color == "always" or (color == "auto" and sys.stdout.isatty())
        self.entry_format = format
        self.timestamp_format = "human" if timestamp_format == "reltime" else timestamp_format
        self._formatter = EventFormatter(format, timestamp_format, self.color)

    def format(self, entry: dict[str, Any] | str) -> str:
        """The line of an event (a dictionary, an EventLogEvent or its JSON text), without newline."""
        return self._formatter.format(EventLogEvent(entry) if isinstance(entry, str) else entry)
