# SPDX-License-Identifier: LGPL-3.0-or-later
"""Points in time as users write them: ``+1h``, ``-15m``, ``now``, ``3pm``, ``tomorrow 8:30``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNITS = {
    "second": 1,
    "sec": 1,
    "minute": 60,
    "min": 60,
    "hour": 3600,
    "hr": 3600,
    "day": 86400,
    "week": 604800,
}
_NAMED_TIMES = {"midnight": (0, 0, 0), "noon": (12, 0, 0), "morning": (6, 0, 0), "evening": (18, 0, 0)}


#: What a time in the past looks like, for messages.
PAST_FORM = "a time such as -1h, '2 days ago', 'yesterday 8:30', 2026-05-03T14:00, or seconds since 1970"
#: The same for one to come.
FUTURE_FORM = "a time such as +1h, 3pm, 'tomorrow 8:00', 2026-05-03T14:00"


def parse_time(text: str, now: float | None = None) -> float:
    """Seconds since the epoch that ``text`` names in local time. Raises ValueError.

    ``now``, ``+FSD``, ``-FSD``, ISO 8601, ``[DAY] [TIME]`` with a day such as ``today``, ``tomorrow``,
    ``friday``, ``next friday``, ``May 3``, ``5/3/2026`` and a time such as ``8pm``, ``20:15``, ``noon``;
    ``in 2 hours``, ``2 days ago``. A time of day alone is one of today, a day alone begins at midnight.
    """
    base = time.time() if now is None else now
    if text == "now":
        return base
    if text[:1] in ("+", "-"):
        from rosin.rfc import fsd

        try:
            offset = fsd.parse(text[1:])
        except ValueError:
            raise ValueError("invalid Flux standard duration") from None
        return base + offset if text[0] == "+" else base - offset
    from datetime import datetime

    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        pass
    result = _relative(text, base)
    if result is None:
        result = _Calendar(text, datetime.fromtimestamp(base)).timestamp()
    return result


def _relative(text: str, base: float) -> float | None:
    """``in 2 hours``, ``2 hours from now``, ``2 hours ago``."""
    words = text.lower().split()
    sign = 1
    if words[:1] == ["in"]:
        words = words[1:]
    elif words[-2:] == ["from", "now"]:
        words = words[:-2]
    elif words[-1:] == ["ago"]:
        words, sign = words[:-1], -1
    else:
        return None
    total = 0.0
    for number, unit in zip(words[::2], words[1::2], strict=False):
        factor = _UNITS.get(unit.removesuffix("s"))
        count = {"a": "1", "an": "1"}.get(number, number)
        if factor is None or not count.replace(".", "", 1).isdecimal():
            raise ValueError(f'Invalid datetime: "{text}"')
        total += float(count) * factor
    if not words or len(words) % 2:
        raise ValueError(f'Invalid datetime: "{text}"')
    return base + sign * total


def parse_since(text: str) -> float:
    """The time of ``--since=WHEN``: see :func:`parse_time`, or seconds since the epoch. Raises ValueError."""
    now = time.time()
    try:
        when = parse_time(text, now)
    except ValueError:
        when = _seconds(text)
    if when > now:
        raise ValueError(f"--since={text} appears to be in the future: it takes {PAST_FORM}")
    return when


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if seconds != seconds:
        raise ValueError(f"--since={text}: Invalid datetime: it takes {PAST_FORM}")
    return max(seconds, 0.0)


class _Calendar:
    """Words that name a day, or a time of day, or both."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text = text
        self._now = now
        self._day: datetime | None = None
        self._time: tuple[int, int, int] | None = None
        words = [word for word in text.lower().replace(",", " ").split() if word not in ("at", "on", "the")]
        at = 0
        while at < len(words):
            used = self._take(words[at], words[at + 1 :])
            if not used:
                raise self._bad()
            at += used
        if not words:
            raise self._bad()

    def _bad(self) -> ValueError:
        return ValueError(f'Invalid datetime: "{self._text}"')

    def _take(self, word: str, rest: list[str]) -> int:
        """Understand a word, together with those behind it that belong to it; returns how many it took."""
        if word == "next" and rest and self._weekday(rest[0]):
            return 2
        if rest and rest[0] in ("am", "pm") and self._clock(word + rest[0]):
            return 2
        if word[:3] in _MONTHS and rest:
            return self._month(word, rest)
        return int(self._weekday(word) or self._named(word) or self._clock(word) or self._date(word))

    def _set_day(self, year: int, month: int, day: int) -> bool:
        from datetime import datetime

        try:
            self._day = datetime(year, month, day)
        except ValueError:
            raise self._bad() from None
        return True

    def _named(self, word: str) -> bool:
        from datetime import timedelta

        if word in _NAMED_TIMES:
            self._time = _NAMED_TIMES[word]
            return True
        offset = {"today": 0, "tomorrow": 1, "yesterday": -1}.get(word)
        if offset is None:
            return False
        day = self._now + timedelta(days=offset)
        return self._set_day(day.year, day.month, day.day)

    def _weekday(self, word: str) -> bool:
        from datetime import timedelta

        if len(word) < 3:
            return False
        for number, name in enumerate(_DAYS):
            if name.startswith(word):
                day = self._now + timedelta(days=(number - self._now.weekday() - 1) % 7 + 1)
                return self._set_day(day.year, day.month, day.day)
        return False

    def _month(self, word: str, rest: list[str]) -> int:
        number = rest[0].rstrip("stndrh")
        if not number.isdecimal():
            return 0
        month, year, used = _MONTHS.index(word[:3]) + 1, self._now.year, 2
        if len(rest) > 1 and len(rest[1]) == 4 and rest[1].isdecimal():
            year, used = int(rest[1]), 3
        elif (month, int(number)) < (self._now.month, self._now.day):
            year += 1
        self._set_day(year, month, int(number))
        return used

    def _date(self, word: str) -> bool:
        parts = word.split("/")
        if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
            return False
        year = int(parts[2]) if len(parts) == 3 else self._now.year
        return self._set_day(year + 2000 if year < 100 else year, int(parts[0]), int(parts[1]))

    def _clock(self, word: str) -> bool:
        half = word[-2:] if word[-2:] in ("am", "pm") else ""
        parts = word.removesuffix(half).split(":")
        if len(parts) > 3 or not all(part.isdecimal() for part in parts) or (len(parts) == 1 and not half):
            return False
        numbers = [int(part) for part in parts] + [0, 0]
        if half and not 1 <= numbers[0] <= 12:
            raise self._bad()
        if half:
            numbers[0] = numbers[0] % 12 + (12 if half == "pm" else 0)
        if numbers[0] > 23 or numbers[1] > 59 or numbers[2] > 59:
            raise self._bad()
        self._time = (numbers[0], numbers[1], numbers[2])
        return True

    def timestamp(self) -> float:
        day = self._day or self._now
        hour, minute, second = self._time or (0, 0, 0)
        return day.replace(hour=hour, minute=minute, second=second, microsecond=0).timestamp()
