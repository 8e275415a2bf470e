# SPDX-License-Identifier: LGPL-3.0-or-later
"""A progress bar on the last line of the terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from rosin.cli import terminal

if TYPE_CHECKING:
    from rosin.handle.reactor import Reactor

_PARTS = " ▏▎▍▌▋▊▉█"
_INTERVAL = 0.25
#: A bar of fewer columns says nothing.
_SHORTEST = 4


def bar(fraction: float, width: int) -> str:
    """A bar of ``width`` columns, filled to eighths of a column."""
    eighths = int(max(0, width) * 8 * min(max(fraction, 0.0), 1.0))
    full, rest = divmod(eighths, 8)
    text = "█" * full + (_PARTS[rest] if rest else "")
    return f"│{text:<{max(0, width)}}│"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = int(seconds + 0.5)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Progress:
    """Counts jobs by state and shows them.

    ``total`` jobs are expected, ``count`` are done with. ``jobs_per_second``: show the rate instead of the
    time. ``started``: time since which both count. ``submitting``: the counts are about submission alone.
    Output of others goes between :meth:`hide` and :meth:`show`.
    """

    def __init__(
        self,
        reactor: Reactor,
        total: int = 0,
        jobs_per_second: bool = False,
        started: float | None = None,
        submitting: bool = False,
    ) -> None:
        self.total = total
        self.count = 0
        self.pending = self.running = self.complete = self.failed = 0
        self._jps = jobs_per_second
        self._submitting = submitting
        self._started = time.time() if started is None else started
        self._visible = False
        #: Passive: what it shows keeps the reactor running, not the display.
        self._timer: Any = reactor.timer(_INTERVAL, self._tick, _INTERVAL, True)
        self.show()

    def text(self, width: int) -> str:
        """The line for a terminal of ``width`` columns."""
        if self._submitting:
            before = f"Submitting {self.total} jobs: "
        else:
            before = f"PD:{self.pending:<3} R:{self.running:<3} CD:{self.complete:<3} F:{self.failed:<3} "
        elapsed = max(time.time() - self._started, 1e-6)
        fraction = self.count / self.total if self.total else 0.0
        speed = f"{self.count / elapsed:4.1f} job/s" if self._jps else clock(elapsed)
        percent = f"{100 * fraction:5.1f}%"
        room = width - len(before) - len(percent) - len(speed) - 4
        if room >= _SHORTEST:
            return f"{before}{bar(fraction, room)}{percent} {speed}"
        # A narrow terminal: the numbers, as many as fit.
        short = " ".join(f"{before.rstrip(': ')} {percent} {speed}".split())
        return short if len(short) < width else f"{short[: max(0, width - 2)]}+"

    def hide(self) -> None:
        """Make room for other output."""
        if self._visible:
            self._visible = False
            sys.stdout.write(terminal.erased(terminal.columns(1)))
            sys.stdout.flush()

    def show(self) -> None:
        """Draw the line, which others must not write into."""
        width = terminal.columns(1)
        sys.stdout.write(terminal.redrawn(self.text(width), width))
        sys.stdout.flush()
        self._visible = True

    def _tick(self) -> None:
        self.show()

    def stop(self) -> None:
        """Leave the final line on the terminal."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.show()
            sys.stdout.write("\n")
            sys.stdout.flush()
