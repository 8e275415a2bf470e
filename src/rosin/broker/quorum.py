# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is there of an instance, as rank 0 follows it: it waits for enough brokers, and tells who is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rosin.broker.reminder import Reminder, seconds
from rosin.constants import FLUX_RPC_STREAMING
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.module_handle import ModuleHandle

#: Seconds between two lines that say who has come.
_INTERVAL = 5.0
#: States in which nobody leaves in good order.
_LOSS = ("run", "cleanup")


class Quorum:
    """The members of the group ``broker.online``. Requests are sent by ``h``."""

    def __init__(self, broker: Broker, h: ModuleHandle) -> None:
        self._broker = broker
        self._h = h
        self._everybody = Idset.from_range(0, broker.size - 1)
        self.online = Idset("")
        self._told = -_INTERVAL
        self._enough = asyncio.Event()

    async def reached(self, wanted: int) -> None:
        """Wait until so many are there. Raises OSError if that cannot be known."""
        follow = self._broker.tasks.create(self._follow(wanted))
        enough = asyncio.ensure_future(self._enough.wait())
        reminder = Reminder(
            self._broker.clock, seconds(self._broker.attrs.value("broker.quorum-warn")), self._remind
        )
        try:
            with reminder:
                await asyncio.wait((follow, enough), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            follow.cancel()
            raise
        finally:
            enough.cancel()
        if follow.done():
            follow.result()
        if reminder.reminded:
            self._log(3, "quorum reached")

    def _remind(self) -> None:
        self._log(3, f"quorum delayed: waiting for {self._broker.named(self._everybody - self.online)}")

    async def _follow(self, wanted: int) -> None:
        members = self._h.rpc("groups.get", {"name": "broker.online"}, flags=FLUX_RPC_STREAMING)
        try:
            async for answer in members:
                self._take(Idset(field(answer, "members", str)), wanted)
        except OSError:
            if not self._enough.is_set():
                raise  # afterwards the service may go, at the end of the instance

    def _take(self, online: Idset, wanted: int) -> None:
        before, self.online = self.online, online
        state = self._broker.state.state
        lost = before - online
        if lost and state in _LOSS:
            self._log(3, f"dead to Flux: {self._broker.named(lost)}")
        enough = len(online) >= wanted
        now = self._broker.clock.monotonic()
        if not self._enough.is_set() and online and (enough or now - self._told > _INTERVAL):
            self._told = now
            self._log(6, f"online: {self._broker.named(online, 'ranks')}")
        if enough:
            self._enough.set()

    def _log(self, level: int, text: str) -> None:
        self._broker.log(level, "broker", text)
