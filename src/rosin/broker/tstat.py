# SPDX-License-Identifier: LGPL-3.0-or-later
"""Running statistics, as services report them in ``stats-get`` (flux-core's tstat)."""

from __future__ import annotations


class Tstat:
    """Count, range, mean and standard deviation of a series of numbers (Welford)."""

    __slots__ = ("_m2", "count", "max", "mean", "min")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin a new series."""
        self.count = 0
        self.min: float = 0
        self.max: float = 0
        self.mean = self._m2 = 0.0

    def add(self, value: float) -> None:
        """Take one number into account."""
        self.min = min(self.min, value) if self.count else value
        self.max = max(self.max, value) if self.count else value
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self._m2 += delta * (value - self.mean)

    def report(self) -> dict[str, float]:
        """The JSON form."""
        stddev = (self._m2 / (self.count - 1)) ** 0.5 if self.count > 1 else 0.0
        return {
            "count": self.count,
            "min": self.min,
            "max": self.max,
            "mean": self.mean,
            "stddev": stddev,
        }
