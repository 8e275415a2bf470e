# SPDX-License-Identifier: LGPL-3.0-or-later
"""Time as modules see it: the wall clock and timers, or a virtual pair that tests advance."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class TimerHandle(Protocol):
    """A pending call that can be cancelled."""

    def cancel(self) -> None: ...


class Clock:
    """Real time on the running loop."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, whatever is done to the wall clock."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> TimerHandle:
        """Call back after some seconds."""
        return asyncio.get_running_loop().call_later(seconds, callback)


class _VirtualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], Any]) -> None:
        self.callback: Callable[[], Any] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock(Clock):
    """Time that stands still until :meth:`step` moves it to the next timer."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._stepped = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _VirtualTimer]] = []

    def now(self) -> float:
        return self._now + self._stepped

    def monotonic(self) -> float:
        return self._now

    def set_wall(self, seconds: float) -> None:
        """Step the wall clock by some seconds, as an administrator does; no timer comes nearer."""
        self._stepped += seconds

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> TimerHandle:
        timer = _VirtualTimer(callback)
        heapq.heappush(self._timers, (self._now + max(0.0, seconds), next(self._order), timer))
        return timer

    def step(self, until: float) -> bool:
        """Fire the next timer due by ``until``; without one, set the time to ``until`` and return False.

        With an ``until`` of inf time stands still when there are no timers.
        """
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            if timer.callback is not None:
                timer.callback()
                return True
        if until != math.inf:
            self._now = max(self._now, until)
        return False
