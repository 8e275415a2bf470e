# SPDX-License-Identifier: LGPL-3.0-or-later
"""A wake-up call for any number of tasks that follow something in memory."""

from __future__ import annotations

import asyncio


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
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters[waiter] = None
        timer = loop.call_later(timeout, _settle, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiters.pop(waiter, None)


def _settle(waiter: asyncio.Future[bool], rang: bool) -> None:
    if not waiter.done():
        waiter.set_result(rang)
