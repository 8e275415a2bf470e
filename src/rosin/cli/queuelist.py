# SPDX-License-Identifier: LGPL-3.0-or-later
"""Queues as ``rosin queue list`` shows them: signs, colors, and limits as ranges."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosin.queue import QueueInfo

_GREEN, _YELLOW, _RED, _OFF = "\033[01;32m", "\033[01;33m", "\033[01;31m", "\033[0;0m"
_UNITS = ("nnodes", "ncores", "ngpus")


class Mark(str):
    """A sign such as ✔ that has an ``ascii`` form, which stands for it where output cannot show it."""

    ascii: str

    def __new__(cls, sign: str, letter: str) -> Mark:
        try:
            sign.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            sign = letter
        new = super().__new__(cls, sign)
        new.ascii = letter
        return new


_YES, _NO, _PAUSED = ("✔", "y"), ("✗", "n"), ("⏸", "p")


class Ranges:
    """``MIN-MAX`` for nodes, cores and GPUs; ``effective``: with no maximum above what the queue has."""

    def __init__(self, queue: QueueInfo) -> None:
        low, high, everything = queue.limits.min, queue.limits.max, queue.resources.all
        self.effective: Any = type("Effective", (), {})()
        for unit in _UNITS:
            least, most = getattr(low, unit), getattr(high, unit)
            setattr(self, unit, f"{least}-{most}")
            setattr(self.effective, unit, f"{least}-{min(most, getattr(everything, unit))}")


class ShownLimits:
    """The limits of a queue, and their ``range``."""

    def __init__(self, queue: QueueInfo) -> None:
        self._limits = queue.limits
        self.range = Ranges(queue)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._limits, name)


class QueueRow:
    """A queue with the columns that are made for people; other columns are the queue's own attributes."""

    def __init__(self, queue: QueueInfo, color: bool) -> None:
        self._queue = queue
        self._paused = queue.blocked == "parent" and not queue.started
        self._color = color
        self.limits = ShownLimits(queue)
        self.queue = queue.name
        self.queuem = f"{queue.name}*" if queue.name and queue.is_default else queue.name
        self.enabled = Mark(*(_YES if queue.enabled else _NO))
        self.started = Mark(*(_YES if queue.started else _PAUSED if self._paused else _NO))
        self.submission = "enabled" if queue.enabled else "disabled"
        self.scheduling = "started" if queue.started else "stopped (parent)" if self._paused else "stopped"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    @property
    def color_enabled(self) -> str:
        return "" if not self._color else _GREEN if self._queue.enabled else _RED

    @property
    def color_started(self) -> str:
        if not self._color:
            return ""
        return _GREEN if self._queue.started else _YELLOW if self._paused else _RED

    @property
    def color_off(self) -> str:
        return _OFF if self._color else ""
