# SPDX-License-Identifier: LGPL-3.0-or-later
"""Time stamps of logs: seconds, ISO 8601, offsets, and the short human form of dmesg."""

from __future__ import annotations

import time

GREEN = "\x1b[32m"
BOLD_GREEN = "\x1b[1m\x1b[32m"
RESET = "\x1b[0m"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso(seconds: float) -> str:
    """ISO 8601 with microseconds, in local time with its offset (``Z`` for UTC)."""
    whole = int(seconds)
    local = time.localtime(whole)
    offset = local.tm_gmtoff
    zone = "Z"
    if offset:
        hours, minutes = divmod(abs(offset) // 60, 60)
        zone = f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{int((seconds - whole) * 1e6):06}{zone}"


def parse_iso(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time. Raises ValueError."""
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


class HumanClock:
    """Date and minute when the minute changes, else the seconds since the entry that began the minute.

    With ``delta`` the seconds since the entry before.
    """

    __slots__ = ("_base", "_delta", "_minute")

    def __init__(self, delta: bool = False) -> None:
        self._delta = delta
        self._minute: tuple[int, ...] = ()
        self._base = 0.0

    def stamp(self, seconds: float, color: bool = False) -> str:
        """The stamp of the next entry, in brackets."""
        local = time.localtime(seconds)
        minute = local[:5]
        if minute == self._minute:
            text = f"[{seconds - self._base:+11.6f}]"
            if self._delta:
                self._base = seconds
            return f"{GREEN}{text}{RESET}" if color else text
        self._minute, self._base = minute, seconds
        text = f"[{_MONTHS[local.tm_mon - 1]}{local.tm_mday:02} {local.tm_hour:02}:{local.tm_min:02}]"
        return f"{BOLD_GREEN}{text}{RESET}" if color else text
