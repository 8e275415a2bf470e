# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dates by their fields, as in a crontab: which moments match, and which of them is the next. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Field(NamedTuple):
    """A field of a date: its name, its values, and names for them."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


#: As in ``struct tm``: months and weekdays begin with 0, years with 1900.
FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("mday", 1, 31),
    Field("month", 0, 11, _MONTHS),
    Field("year", 0, 1100),
    Field("weekday", 0, 6, _DAYS),
)
#: How far ahead a date may be: a 29 February that is a Monday comes back within 40 years.
_YEARS = 41


def values(field: Field, text: str) -> frozenset[int]:
    """What ``*``, ``5``, ``1-5``, ``*/10``, ``mon-fri`` or a list of these stands for. Raises FormatError."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = field.low, field.high
        else:
            low = _value(field, first, text)
            high = _value(field, last, text) if dash else (field.high if slash else low)
        if low > high or (slash and not (step.isdecimal() and int(step))):
            raise _wrong(field, text)
        found.update(range(low, high + 1, int(step) if slash else 1))
    return frozenset(found)


def _value(field: Field, word: str, text: str) -> int:
    if word.isdecimal() and len(word) <= 4 and field.low <= int(word) <= field.high:
        return int(word)
    if word.lower()[:3] in field.names and word.isalpha():
        return field.low + field.names.index(word.lower()[:3])
    raise _wrong(field, text)


def _wrong(field: Field, text: str) -> FormatError:
    return FormatError(
        f"{field.name}: '{text[:64]}': expected {field.low} to {field.high}, as in *, 5, 1-5, */10 or 1,3"
    )


class Calendar:
    """The moments whose fields have certain values, in local time."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        """*args*: a number or a text for each field; any value where there is none. Raises FormatError."""
        self._sets: dict[str, frozenset[int]] = {}
        for field in FIELDS:
            value = args.get(field.name, "*")
            if not isinstance(value, (int, str)) or isinstance(value, bool):
                raise FormatError(f"{field.name}: expected a number or a text, got {value!r}")
            self._sets[field.name] = values(field, str(value))

    def encode(self) -> dict[str, str]:
        """The values of each field, as an idset."""
        return {name: Idset(sorted(found)).encode() for name, found in self._sets.items()}

    def next(self, now: float) -> float | None:
        """The first moment after *now* (seconds since the epoch); None if there is none for 40 years."""
        begin = datetime.fromtimestamp(int(now)) + timedelta(seconds=1)
        for day in self._days(begin):
            for at in self._times(day):
                moment = at.timestamp()
                if at >= begin and moment > now:
                    return moment
        return None

    def _days(self, begin: datetime) -> Iterator[datetime]:
        day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        while day.year < begin.year + _YEARS and day.year - 1900 <= FIELDS[5].high:
            if day.month - 1 not in self._sets["month"] or day.year - 1900 not in self._sets["year"]:
                day = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
                continue
            if day.day in self._sets["mday"] and day.isoweekday() % 7 in self._sets["weekday"]:
                yield day
            day += timedelta(days=1)

    def _times(self, day: datetime) -> Iterator[datetime]:
        hours, minutes, seconds = (sorted(self._sets[name]) for name in ("hour", "minute", "second"))
        for hour in hours:
            for minute in minutes:
                for second in seconds:
                    yield day.replace(hour=hour, minute=minute, second=second)
