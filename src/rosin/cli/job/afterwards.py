# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is said about the end of a job comes after the job's own output.

The log of a job and its output are two streams: the end may be known before the last lines are here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rosin.handle.reactor import Reactor

#: Seconds that news about a job that is still running wait for output that was written before.
GRACE = 0.25


class Afterwards:
    """Holds messages back, in their order, until :meth:`release`; ``flush()`` is called behind them."""

    def __init__(self, reactor: Reactor, flush: Callable[[], None]) -> None:
        self._reactor = reactor
        self._flush = flush
        self._held: list[Callable[[], None]] = []
        self._timer: Any = None

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, message: Callable[[], None], over: bool) -> None:
        """Hold a message. ``over``: the job has ended, so its output will end; else it waits a moment only,
        since a job that goes on may write for ever."""
        self._held.append(message)
        if over:
            self._stop()
        elif self._timer is None:
            self._timer = self._reactor.timer(GRACE, self.release)

    def release(self) -> None:
        """Say everything."""
        self._stop()
        held, self._held = self._held, []
        for message in held:
            message()
        if held:
            self._flush()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
