# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tests without waiting: what happens by itself, and what a virtual clock makes happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rosin.broker.clock import VirtualClock

if TYPE_CHECKING:
    from rosin.broker.clock import Clock


class Timed:
    """What has a ``clock``, and a loop that it shares with the test."""

    clock: Clock
    #: Turns of the loop in which everything happens that waits for nothing, and those that a timer is given.
    turns = 50
    turns_of_a_timer = 50

    async def settle(self, turns: int | None = None) -> None:
        """Let the loop run until everything that does not wait for time or I/O has happened."""
        for _ in range(self.turns if turns is None else turns):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move the virtual clock, firing each timer at its time."""
        assert isinstance(self.clock, VirtualClock)
        until = self.clock.monotonic() + seconds
        await self.settle()
        while self.clock.step(until):
            await self.settle(self.turns_of_a_timer)
        await self.settle()
