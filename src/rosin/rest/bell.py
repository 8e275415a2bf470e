# SPDX-License-Identifier: LGPL-3.0-or-later
"""A wake-up call for any number of tasks that follow something in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Bell:
    """Tasks :meth:`wait`; :meth:`ring` wakes all that wait now."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Future[bool], None] = {}

    def ring(self) -> None:
        """Wake those who wait."""
        if self._waiters:
            waiters, self._waiters = self._waiters, {}
            for waiter in waiters:
                _settle(waiter, True)

    async def wait(self, timeout: float) -> bool:
        """Wait for the next ring; False if *timeout* seconds passed without one."""
        return await any_of([self], timeout)

    def add(self, waiter: asyncio.Future[bool]) -> None:
        """Settle *waiter* with the next ring."""
        self._waiters[waiter] = None

    def forget(self, waiter: asyncio.Future[bool]) -> None:
        """It does not wait any more."""
        self._waiters.pop(waiter, None)


async def any_of(bells: Iterable[Bell], timeout: float) -> bool:
    """Wait until one of them rings; False if *timeout* seconds passed without."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bool] = loop.create_future()
    waited = list(bells)
    for bell in waited:
        bell.add(waiter)
    timer = loop.call_later(timeout, _settle, waiter, False)
    try:
        return await waiter
    finally:
        timer.cancel()
        for bell in waited:
            bell.forget(waiter)


def _settle(waiter: asyncio.Future[bool], rang: bool) -> None:
    if not waiter.done():
        waiter.set_result(rang)
