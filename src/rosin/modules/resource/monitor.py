# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is online: the broker groups that say so, and those who wait for a number of ranks (RFC 44, online)."""

from __future__ import annotations

from errno import ENOSYS, EPROTO
from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.module import BrokerModule
    from rosin.modules.resource.availability import Availability
    from rosin.rfc.message import Message


class AvailabilityMonitor:
    """``state()`` is the availability of now; ``note(name, ranks)`` posts an event that is not kept."""

    def __init__(
        self,
        module: BrokerModule,
        state: Callable[[], Availability],
        note: Callable[[str, Idset], None],
    ) -> None:
        self._module = module
        self._state = state
        self._note = note
        self._waitups = module.waiters()  # by the number of ranks that are to be online

    async def start(self) -> None:
        """Follow both groups; they are known when this returns."""
        await self._watch("broker.online", self._online)
        await self._watch("broker.torpid", self._torpid)

    async def _watch(self, group: str, changed: Callable[[Idset], None]) -> None:
        """Follow a broker group; without a groups service this broker is all there is."""
        stream = aiter(self._module.h.rpc("groups.get", {"name": group}, flags=FLUX_RPC_STREAMING))
        try:
            first = await anext(stream)
        except OSError as error:
            if error.errno != ENOSYS:
                raise
            changed(Idset("0") if group == "broker.online" else Idset())
            return
        changed(Idset(field(first, "members", str)))
        self._module.create_task(self._follow(group, stream, changed))

    async def _follow(self, group: str, stream: Any, changed: Callable[[Idset], None]) -> None:
        try:
            async for message in stream:
                changed(Idset(field(message, "members", str)))
            text = "the stream ended"
        except (OSError, FormatError) as error:
            text = getattr(error, "strerror", None) or str(error)
        self._module.log.critical(
            f"monitor: {group}: {text}; availability stays as it is until resource is reloaded"
        )

    def everybody(self) -> Idset:
        """All ranks that there are."""
        return Idset.from_range(0, self._state().size - 1)

    def _online(self, now: Idset) -> None:
        came, went = self._state().set_online(now & self.everybody())
        for name, ids in (("online", came), ("offline", went)):
            if ids:
                self._note(name, ids)
        self._answer_waitups()

    def _torpid(self, now: Idset) -> None:
        became, recovered = self._state().set_torpid(now & self.everybody())
        for name, ids in (("torpid", became), ("lively", recovered)):
            if ids:
                self._note(name, ids)

    def force_down(self, ranks: Idset) -> None:
        """Act as if ranks had gone offline."""
        self._online(self._state().online - ranks)

    def wait_up(self, msg: Message) -> None:
        """Answer *msg* when exactly ``up`` ranks are online. Raises OSError EPROTO for too many."""
        wanted = field(msg.args, "up", int)
        if not 0 <= wanted <= self._state().size:
            raise OSError(EPROTO, f"up value is out of range: expected 0 to {self._state().size}")
        self._waitups.add(Waiter(msg, wanted))
        self._answer_waitups()

    def _answer_waitups(self) -> None:
        self._waitups.fulfil(key=len(self._state().online))

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waitups)

    def stop(self) -> None:
        """The service ends: answer all that wait."""
        self._waitups.end(ENOSYS, "resource is unloading")
