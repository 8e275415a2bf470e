# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker's log: a ring of its last lines, who follows it, and where lines go besides.

A broker keeps its own lines. Lines of others pass: above rank 0 they go on to rank 0, there to its sinks and
standard error, as flux-core's do.
"""

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
    """Keeps ``size`` raw lines of the broker of a rank and hands new ones to ``listeners``.

    ``sinks`` get every line that passes, ``forward`` those up to ``forward_level``, if there is one.
    """

    def __init__(self, size: int = 1024, stderr_level: int = 3, rank: int = 0) -> None:
        self.rank = rank
        self._name = str(rank)
        self.lines: deque[bytes] = deque(maxlen=size)
        self.count = 0
        self.level = 7
        self.stderr_level = stderr_level
        #: The same for lines of other brokers.
        self.others_level = stderr_level
        self.listeners: set[Callable[[bytes], None]] = set()
        self.sinks: set[Callable[[bytes], None]] = set()
        #: Passes a line on towards rank 0; False: there is no way, and nobody else to print it.
        self.forward: Callable[[bytes], bool] | None = None
        self.forward_level = 3

    def resize(self, size: int) -> None:
        """Keep this many lines from now on."""
        self.lines = deque(self.lines, maxlen=size)

    def append(self, line: bytes) -> None:
        """Add a line; malformed ones are kept too but never printed."""
        try:
            entry = LogLine(line)
        except FormatError:
            entry = None
        own = entry is None or entry.hostname == self._name or not entry.hostname.isdecimal()
        if own:
            if entry is not None and entry.severity > self.level:
                return
            self.lines.append(line)
            self.count += 1
            for listener in list(self.listeners):
                listener(line)
        for sink in self.sinks:
            sink(line)
        if entry is not None:
            stays = False
            if self.forward is not None and entry.severity <= self.forward_level:
                stays = not self.forward(line) and self.stderr_level >= 0
            if stays or entry.severity <= (self.stderr_level if own else self.others_level):
                self._print(entry)

    def _print(self, entry: LogLine) -> None:
        name = SEVERITIES[entry.severity]
        stamp = time.strftime("%b %d %H:%M:%S", time.gmtime())
        text = entry.text.replace("\n", "\n    ")  # no line of an entry looks like another entry
        write_stderr(f"{stamp} {entry.appname}.{name}[{entry.hostname}]: {text}\n")
