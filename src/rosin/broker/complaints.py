# SPDX-License-Identifier: LGPL-3.0-or-later
"""Log lines about what others do wrong: one for each user and kind a minute, however often it happens."""

from __future__ import annotations

from collections.abc import Callable, Hashable

#: Seconds for which a kind is silent after a line.
INTERVAL = 60.0
#: Kinds that are remembered; the one that was logged first is forgotten first.
_MAX = 512


class Complaints:
    """Writes by ``write(text)`` what it is called with, unless the same kind has just been written."""

    def __init__(self, write: Callable[[str], None], now: Callable[[], float]) -> None:
        self._write = write
        self._now = now
        self._kinds: dict[Hashable, tuple[float, int]] = {}  # when it was logged, how often since

    def __call__(self, kind: Hashable, text: str) -> None:
        """Log ``text``, about something of this ``kind`` (such as: what, of which user)."""
        now = self._now()
        logged, unsaid = self._kinds.pop(kind, (now - INTERVAL, 0))
        if now - logged < INTERVAL:
            self._kinds[kind] = (logged, unsaid + 1)
            return
        self._kinds[kind] = (now, 0)
        if len(self._kinds) > _MAX:
            del self._kinds[next(iter(self._kinds))]
        self._write(f"{text} ({unsaid} more of this kind since the last line)" if unsaid else text)
