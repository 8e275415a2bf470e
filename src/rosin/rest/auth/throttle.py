# SPDX-License-Identifier: LGPL-3.0-or-later
"""Failed logins: whoever guesses a name is slowed down, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from rosin.rest.problem import Problem

#: Failed logins that a client may make at once for one name, and the seconds after which it has one more.
BURST = 10
REFILL = 6.0
#: Seconds that each guess at a secret that can be guessed takes after that, and how many wait for their turn.
DELAY = 1.0
_QUEUE = 4
_KEYS = 4096

Key = tuple[str, str]


class Failures:
    """How many failed logins each (name, source) has left: a bucket that refills with time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def _level(self, key: Key) -> float:
        spent, since = self._spent.get(key, (0.0, 0.0))
        return max(0.0, spent - (self._clock() - since) / REFILL)

    def add(self, key: Key) -> None:
        """Count a failure."""
        self._spent[key] = (min(self._level(key) + 1, BURST), self._clock())
        self._spent.move_to_end(key)
        if len(self._spent) > _KEYS:
            self._spent.popitem(last=False)

    def locked(self, key: Key) -> int:
        """Seconds until this name may be tried again from there, 0 for now."""
        over = self._level(key) - (BURST - 1)
        return int(over * REFILL) + 1 if over > 0 else 0


class Throttle:
    """Counts failures, and lets guesses at weak secrets wait.

    A long random token cannot be guessed, so a right one comes in at once whatever others have tried. A
    password can: after some failures each further try at that name from that source takes a second, and few
    wait for their turn. A right one still comes in.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.failures = Failures(clock)
        self._sleep = sleep
        self._queues: dict[Key, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, name: str, source: str) -> AsyncIterator[None]:
        """Wait for the turn to try a secret that can be guessed. Raises Problem 429 if too many wait."""
        key = (name, source)
        if not self.failures.locked(key):
            yield
            return
        lock, waiting = self._queues.get(key, (asyncio.Lock(), 0))
        if waiting >= _QUEUE:
            raise self._too_many(key)
        self._queues[key] = (lock, waiting + 1)
        try:
            async with lock:
                await self._sleep(DELAY)
                yield
        finally:
            lock, waiting = self._queues[key]
            if waiting > 1:
                self._queues[key] = (lock, waiting - 1)
            else:
                del self._queues[key]

    def failed(self, name: str, source: str) -> None:
        """Count wrong credentials. Raises Problem 429 for who has failed too often."""
        key = (name, source)
        if self.failures.locked(key):
            raise self._too_many(key)
        self.failures.add(key)

    def _too_many(self, key: Key) -> Problem:
        seconds = max(self.failures.locked(key), 1)
        text = f"too many failed logins from this address; try again in {seconds} seconds"
        return Problem(429, text, {"Retry-After": str(seconds)})
