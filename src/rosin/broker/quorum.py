# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is there of an instance, as rank 0 follows it: it waits for enough brokers, and tells who is gone."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from rosin.broker.reminder import Reminder, seconds
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
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
        self._enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def reached(self, wanted: int) -> None:
        """Wait until so many are there. Raises OSError if that cannot be known."""
        self._broker.create_task(self._follow(wanted))
        reminder = Reminder(
            self._broker.clock, seconds(self._broker.attrs.value("broker.quorum-warn")), self._remind
        )
        with reminder:
            await self._enough
        if reminder.reminded:
            self._log(3, "quorum reached")

    def _remind(self) -> None:
        self._log(3, f"quorum delayed: waiting for {self._broker.named(self._everybody - self.online)}")

    async def _follow(self, wanted: int) -> None:
        members = self._h.rpc("groups.get", {"name": "broker.online"}, flags=FLUX_RPC_STREAMING)
        try:
            async for answer in members:
                self._take(Idset(field(answer, "members", str)), wanted)
            why = f"groups.get ended with {len(self.online)} of {wanted} brokers online"
            error = OSError(errno.ENODATA, why)
        except OSError as exc:
            error = exc
        except FormatError as exc:
            error = OSError(errno.EPROTO, f"groups.get: {exc}")
        if not self._enough.done():
            self._enough.set_exception(error)
        elif self._broker.state.state in _LOSS:  # later the service goes, at the end of the instance
            self._log(3, f"who is lost is not told any more: {error.strerror}")

    def _take(self, online: Idset, wanted: int) -> None:
        before, self.online = self.online, online
        state = self._broker.state.state
        lost = before - online
        if lost and state in _LOSS:
            self._log(3, f"dead to Flux: {self._broker.named(lost)}")
        enough = len(online) >= wanted
        now = self._broker.clock.monotonic()
        if not self._enough.done() and online and (enough or now - self._told > _INTERVAL):
            self._told = now
            self._log(6, f"online: {self._broker.named(online, 'ranks')}")
        if enough and not self._enough.done():
            self._enough.set_result(None)

    def _log(self, level: int, text: str) -> None:
        self._broker.log(level, "broker", text)
