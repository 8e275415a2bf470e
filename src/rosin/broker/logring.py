# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker's log: a ring of the last lines, followers, and what goes to standard error."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.process.stderr import write_stderr
from rosin.rfc.syslog import SEVERITIES, LogLine

if TYPE_CHECKING:
    from collections.abc import Callable


class LogRing:
    """Keeps ``size`` raw lines and hands new ones to followers."""

    def __init__(self, size: int = 1024, stderr_level: int = 3) -> None:
        self.lines: deque[bytes] = deque(maxlen=size)
        self.count = 0
        self.level = 7
        self.stderr_level = stderr_level
        self.followers: set[Callable[[bytes], None]] = set()

    def resize(self, size: int) -> None:
        """Keep this many lines from now on."""
        self.lines = deque(self.lines, maxlen=size)

    def append(self, line: bytes) -> None:
        """Add a line; malformed ones are kept too but never printed."""
        try:
            entry = LogLine(line)
        except FormatError:
            entry = None
        if entry is not None and entry.severity > self.level:
            return
        self.lines.append(line)
        self.count += 1
        for follower in list(self.followers):
            follower(line)
        if entry is not None and entry.severity <= self.stderr_level:
            self._print(entry)

    def _print(self, entry: LogLine) -> None:
        name = SEVERITIES[entry.severity]
        stamp = time.strftime("%b %d %H:%M:%S", time.gmtime())
        text = entry.text.replace("\n", "\n    ")  # no line of an entry looks like another entry
        write_stderr(f"{stamp} {entry.appname}.{name}[{entry.hostname}]: {text}\n")
