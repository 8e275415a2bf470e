# SPDX-License-Identifier: LGPL-3.0-or-later
"""Garbage in cycles: looked for among what is new, and everywhere only while the broker has nothing to do.

Python looks through all that lives whenever that has grown by a quarter: 0.3 s with 100,000 jobs, in which
nobody is answered. Here what has outlived two looks is taken for something that stays, and looked at again
when the broker is idle.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.clock import Clock, TimerHandle

#: New objects after which they are looked through. Few are in cycles: to look as often as usual costs 3 %.
_NEW = 5000
#: Seconds between two looks whether the broker is idle, and the part of them that it may have worked.
PERIOD = 60.0
_IDLE = 0.01
#: Objects by which what stays must have grown, beside a quarter.
_GROWN = 50_000
#: Looks after which it is not waited for any more that the broker is idle.
_PATIENCE = 60


class Collector:
    """The garbage collector of a broker's process; ``used`` tells its processor time in seconds."""

    def __init__(self, clock: Clock, used: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._used = used
        self._before = 0.0
        self._stay = 0
        self._busy = 0
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Take all that there is for what stays, and begin."""
        gc.freeze()
        self._stay = gc.get_freeze_count()
        gc.set_threshold(_NEW)
        gc.callbacks.append(self._collected)
        gc.enable()
        self._later()

    def stop(self) -> None:
        """Let Python do it in its own way again; stopping twice is no error."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"]:
            gc.freeze()

    def _later(self) -> None:
        self._before = self._used()
        self._timer = self._clock.call_later(PERIOD, self._look)

    def _look(self) -> None:
        idle = self._used() - self._before < PERIOD * _IDLE
        self._busy = 0 if idle else self._busy + 1
        if (idle or self._busy > _PATIENCE) and gc.get_freeze_count() > self._stay * 1.25 + _GROWN:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._stay = gc.get_freeze_count()
            self._busy = 0
        self._later()
