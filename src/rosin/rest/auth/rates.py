# SPDX-License-Identifier: LGPL-3.0-or-later
"""How many requests a second: of a stranger from one address, and of a user if the settings say so."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

#: Requests without credentials that an address may make at once, and a second.
STRANGER_BURST, STRANGER_RATE = 1000, 200.0
_KEYS = 4096


class Rates:
    """A bucket for each key, which holds *burst* requests and gets *rate* of them a second."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int:
        """Take one; 0, or the seconds after which there is another."""
        now = self._clock()
        left, since = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        if len(self._left) > _KEYS:
            self._left.popitem(last=False)
        return 0 if taken else int((1 - left) / self._rate) + 1
