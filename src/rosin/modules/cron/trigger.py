# SPDX-License-Identifier: LGPL-3.0-or-later
"""What makes a command run: an interval, a date, an event. Pure."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, Any, Protocol

from rosin.errors import FormatError
from rosin.modules.cron.calendar import Calendar
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX = 2**31 - 1


class Trigger(Protocol):
    """When the command of an entry runs."""

    #: The event that it counts, or None.
    topic: str | None

    def wakeup(self, now: float) -> float | None:
        """When it runs next without an event, in seconds since the epoch; None: never."""

    def begin(self, now: float) -> None:
        """The entry is started."""

    def counts(self, now: float, lastrun: float) -> float | None:
        """An event has come: how long to wait before it runs, None: it does not."""

    def waited(self) -> None:
        """What :meth:`counts` made wait runs now."""

    def encode(self) -> dict[str, Any]:
        """Its data, as ``typedata`` of the entry."""


class Interval:
    """Every so many seconds, the first time after so many."""

    topic = None

    def __init__(self, args: Mapping[str, Any]) -> None:
        """Raises FormatError, and OSError EINVAL for what is no interval."""
        self._interval = _seconds(args, "interval", None)
        self._after = _seconds(args, "after", self._interval)
        if not self._interval and not self._after:
            raise OSError(errno.EINVAL, "interval: expected seconds > 0")
        self._next: float | None = None

    def begin(self, now: float) -> None:
        self._next = now + self._after

    def wakeup(self, now: float) -> float | None:
        if self._next is not None and self._next <= now:
            # Whole intervals: what came too late does not run several times.
            missed = math.floor((now - self._next) / self._interval) + 1 if self._interval else 0
            self._next = self._next + missed * self._interval if self._interval else None
        return self._next

    def counts(self, _now: float, _lastrun: float) -> float | None:
        return None

    def waited(self) -> None:
        """It counts no events."""

    def encode(self) -> dict[str, Any]:
        return {"interval": self._interval, "after": self._after, "next_wakeup": self._next or 0.0}


class Date:
    """When the fields of the date have certain values."""

    topic = None

    def __init__(self, args: Mapping[str, Any]) -> None:
        """Raises OSError EINVAL that names the field at fault."""
        try:
            self._calendar = Calendar(args)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        self._next: float | None = None

    def begin(self, now: float) -> None:
        self._next = self._calendar.next(now)

    def wakeup(self, now: float) -> float | None:
        if self._next is not None and self._next <= now:
            self._next = self._calendar.next(now)
        return self._next

    def counts(self, _now: float, _lastrun: float) -> float | None:
        return None

    def waited(self) -> None:
        """It counts no events."""

    def encode(self) -> dict[str, Any]:
        return {"next_wakeup": float(self._next or 0.0), **self._calendar.encode()}


class OnEvent:
    """After so many events of a topic, then on every Nth, and not more often than so many seconds."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        """Raises FormatError, and OSError EINVAL for a topic that is none."""
        self.topic: str | None = field(args, "topic", str)
        if not self.topic or len(self.topic) > 256 or not self.topic.isprintable():
            raise OSError(errno.EINVAL, "topic: expected the topic of events, as in heartbeat.pulse")
        self._nth = int_field(args, "nth", 0, _MAX, 0)
        self._after = int_field(args, "after", 0, _MAX, 0)
        self._min_interval = _seconds(args, "min_interval", 0.0)
        self._counter = 0
        self._waiting = False

    def begin(self, _now: float) -> None:
        self._counter = 0
        self._waiting = False

    def wakeup(self, _now: float) -> float | None:
        return None

    def counts(self, now: float, lastrun: float) -> float | None:
        self._counter += 1
        if self._waiting or self._counter < self._after:
            return None
        if self._nth and (self._counter - self._after) % self._nth:
            return None
        remaining = self._min_interval - (now - lastrun) if self._min_interval else 0.0
        self._waiting = remaining > 1e-5
        return max(remaining, 0.0)

    def waited(self) -> None:
        """What had to wait runs now."""
        self._waiting = False

    def encode(self) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "nth": self._nth,
            "after": self._after,
            "counter": self._counter,
            "min_interval": self._min_interval,
        }


def _seconds(args: Mapping[str, Any], key: str, default: float | None) -> float:
    value = field(args, key, (int, float), default) if default is not None else field(args, key, (int, float))
    if not 0 <= value < 1e10:
        raise OSError(errno.EINVAL, f"{key}: expected seconds >= 0, got {value}")
    return float(value)


KINDS: dict[str, type[Interval | OnEvent | Date]] = {"interval": Interval, "event": OnEvent, "datetime": Date}


def trigger(kind: str, args: Mapping[str, Any]) -> Interval | OnEvent | Date:
    """The trigger of a request. Raises OSError (ENOSYS: there is none of this kind) and FormatError."""
    if kind not in KINDS:
        raise OSError(errno.ENOSYS, f"type '{kind[:32]}': expected {', '.join(KINDS)}")
    return KINDS[kind](args)
