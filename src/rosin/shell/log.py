# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: messages of the shell itself, as ``log`` events in the job's output.

With stderr redirected to a file they go there as lines instead; before there is a job to log to, to the
shell's own stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rosin.rfc import ioencode

FATAL, ERROR, WARN, NOTICE, DEBUG, TRACE = 0, 3, 4, 5, 6, 7
_PREFIX = ("FATAL", "FATAL", "FATAL", "ERROR", " WARN", None, "DEBUG", "TRACE")


class ShellLog:
    """``verbose`` 0 shows notices and worse, 1 adds debug, 2 trace messages."""

    def __init__(self) -> None:
        self.rank = -1
        self.verbose = 0
        #: Where events go: called with the context of a ``log`` event.
        self.sink: Callable[[dict[str, Any]], None] | None = None

    def message(self, level: int, text: str, component: str | None = None) -> None:
        """Log ``text`` at a level, if that is verbose enough."""
        if level > NOTICE + self.verbose:
            return
        rank = self.rank if self.rank >= 0 else None
        context = ioencode.log(level, text, rank=rank, component=component)
        if self.sink is None:
            sys.stderr.write(format_line(context))
            sys.stderr.flush()
        else:
            self.sink(context)

    def error(self, text: str, component: str | None = None) -> None:
        self.message(ERROR, text, component)

    def warn(self, text: str, component: str | None = None) -> None:
        self.message(WARN, text, component)

    def notice(self, text: str, component: str | None = None) -> None:
        self.message(NOTICE, text, component)

    def debug(self, text: str, component: str | None = None) -> None:
        self.message(DEBUG, text, component)

    def trace(self, text: str, component: str | None = None) -> None:
        self.message(TRACE, text, component)


def format_line(context: dict[str, Any]) -> str:
    """A log event as the line that a person reads: ``flux-shell[0]: ERROR: ...``."""
    rank = context.get("rank")
    parts = ["flux-shell" if rank is None else f"flux-shell[{rank}]"]
    prefix = _PREFIX[context["level"]]
    if prefix:
        parts.append(prefix)
    if context.get("component"):
        parts.append(context["component"])
    parts.append(context["message"])
    return ": ".join(parts) + "\n"
