# SPDX-License-Identifier: LGPL-3.0-or-later
"""Saying again and again that something takes long, until it is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rosin.rfc import fsd

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rosin.broker.clock import Clock, TimerHandle


def seconds(text: str) -> float:
    """The seconds of an attribute with a duration (RFC 23); infinite for ``none``."""
    return math.inf if text == "none" else fsd.parse(text)


class Reminder:
    """In its ``with`` block ``remind`` is called whenever *period* seconds have passed, if that is finite."""

    def __init__(self, clock: Clock, period: float, remind: Callable[[], object]) -> None:
        self._clock = clock
        self._period = period if period > 0 else math.inf
        self._remind = remind
        self._timer: TimerHandle | None = None
        #: It has been called.
        self.reminded = False

    def __enter__(self) -> Reminder:
        self._set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set(self) -> None:
        if not math.isinf(self._period):
            self._timer = self._clock.call_later(self._period, self._due)

    def _due(self) -> None:
        self._set()
        self.reminded = True
        self._remind()
