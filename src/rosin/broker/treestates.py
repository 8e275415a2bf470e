# SPDX-License-Identifier: LGPL-3.0-or-later
"""The events of a broker's life that depend on the brokers above and below it.

A broker follows the state of the one above (``state-machine.monitor``): it joins once that one has started,
runs when that one runs, and ends when that one shuts down. Rank 0 runs when enough others are online. Who
shuts down waits for those below to be gone. Alone, a broker waits for nobody, and does not import how.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rosin.broker.state import STATES
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.module_handle import ModuleHandle
    from rosin.broker.overlay.children import Child
    from rosin.broker.services.config import ConfigService
    from rosin.broker.services.overlay import OverlayService

_SHUTDOWN = STATES.index("shutdown")
#: Seconds after which a broker that ends looks again whether those below it are alive.
_LOOK = 1.0


class TreeStates:
    """Each method waits for one event and returns its name. Requests are sent by ``h``."""

    def __init__(self, broker: Broker, h: ModuleHandle) -> None:
        self._broker = broker
        self._h = h
        #: The state of the broker above, None when it is lost.
        self._above: str | None = STATES[0]
        #: All states that it has told of; it may leave one before anybody here looks.
        self._told: set[str] = set()
        self._changed = asyncio.Event()

    async def join(self) -> str:
        """The broker above has let this one in, and has started; there is none above rank 0."""
        if not self._broker.rank:
            return "parent-none"
        above = self._overlay.links.above
        assert above is not None
        try:
            await above.joined()
        except OSError:  # it is in the log
            return "parent-fail"
        self._broker.create_task(self._follow())
        return "parent-ready" if await self._reaches("quorum", "run") else "parent-fail"

    async def _follow(self) -> None:
        monitor = self._h.rpc(
            "state-machine.monitor", {"final": _SHUTDOWN}, FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING
        )
        why: str | None = "it tells its state no more"
        try:
            async for answer in monitor:
                self._enter(_state(answer))
        except OSError as exc:
            why = exc.strerror
        except FormatError as exc:
            why = str(exc)
        if self._above is not None and STATES.index(self._above) >= _SHUTDOWN:
            return
        self._log(f"the broker above is lost: {why}")
        self._enter(None)

    def _enter(self, state: str | None) -> None:
        self._above = state
        if state is not None:
            self._told.add(state)
        self._changed.set()
        self._changed = asyncio.Event()

    async def _reaches(self, *states: str) -> bool:
        """Wait until the broker above has been in one of these; False: it is beyond them, or lost."""
        last = STATES.index(states[-1])
        while self._above is not None:
            if not self._told.isdisjoint(states):
                return True
            if STATES.index(self._above) > last:
                return False
            await self._changed.wait()
        return False

    @property
    def _overlay(self) -> OverlayService:
        service: OverlayService = self._broker.modules["overlay"]  # type: ignore[assignment]
        return service

    async def sync(self) -> str:
        """There is the configuration of the broker above; rank 0 has its own."""
        if not self._broker.rank:
            return "sync-none"
        config: ConfigService = self._broker.modules["config"]  # type: ignore[assignment]
        try:
            await config.follow()
        except OSError as exc:
            self._log(f"no configuration from the broker above: {exc.strerror}")
            return "sync-fail"
        return "sync-success"

    async def quorum(self) -> str:
        """Enough brokers are online; above rank 0: the one above runs."""
        try:
            if self._broker.rank:
                await self._h.rpc("groups.join", {"name": "broker.online"})
                return "quorum-full" if await self._reaches("run") else "quorum-fail"
            wanted = int(self._attr("broker.quorum"))
            if wanted > 1:
                from rosin.broker.quorum import Quorum

                await Quorum(self._broker, self._h).reached(wanted)
        except OSError as exc:
            self._log(f"who is online cannot be known: {exc.strerror}")
            return "quorum-fail"
        return "quorum-full"

    def _attr(self, name: str) -> str:
        return self._broker.attrs.value(name)

    def _log(self, text: str) -> None:
        self._broker.log(3, "broker", text)

    async def end(self) -> str:
        """Above rank 0: the broker above shuts down, or is lost."""
        return "shutdown" if await self._reaches("shutdown") else "parent-fail"

    async def children(self) -> str:
        """The brokers below are gone, or those that are left do not answer any more (``tbon.torpid_max``)."""
        if not self._broker.router.below:
            return "children-none"

        from rosin.broker.reminder import Reminder, seconds

        def left() -> list[Child]:
            return [child for child in self._overlay.links.below.children if child.online]

        def look() -> None:
            if left() and all(child.torpid for child in left()):
                names = self._broker.named(Idset(child.rank for child in left()))
                self._log(f"shutdown goes on without {names}: no sign of life")
                gone.cancel()

        def remind() -> None:
            below = Idset(child.rank for child in left())
            self._log(f"shutdown delayed: waiting for {len(below)} peers: {self._broker.named(below)}")

        clock = self._broker.clock
        gone = asyncio.ensure_future(self._broker.childless())
        limit = Reminder(clock, seconds(self._attr("broker.shutdown-timeout")), gone.cancel)
        try:
            warn = seconds(self._attr("broker.shutdown-warn"))
            with limit, Reminder(clock, warn, remind), Reminder(clock, _LOOK, look):
                await asyncio.wait((gone,))
        finally:
            gone.cancel()
        if limit.reminded:
            self._log("shutdown timeout")
        return "children-complete"

    async def goodbye(self) -> str:
        """The broker above knows that this one goes."""
        above = self._overlay.links.above if self._broker.rank else None
        if above is not None:
            await above.goodbye()
        return "goodbye"


def _state(answer: Any) -> str:
    """The state that ``state-machine.monitor`` tells of. Raises FormatError."""
    number = field(answer, "state", int)
    if not 0 <= number < len(STATES):
        raise FormatError(f"state-machine.monitor: {number} is no state of a broker")
    return STATES[number]
