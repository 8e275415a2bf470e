# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where a module of this process and its broker meet: a peer to the router, the host to the module."""

from __future__ import annotations

import asyncio
import errno
from time import thread_time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rosin.broker.module import BrokerModule
from rosin.broker.peer import Peer
from rosin.broker.turn import SECONDS
from rosin.constants import FLUX_MSGTYPE_EVENT

if TYPE_CHECKING:
    from rosin.broker.switch import Switch
    from rosin.rfc.message import Message

M = TypeVar("M", bound=BrokerModule)


class ModulePeer(Peer, Generic[M]):
    """The seat of one module (see :class:`rosin.broker.host.Host`), from its load to its removal.

    What arrives in a turn is passed to the module in one go, unless that takes long. ``path`` is where its
    class is from.
    """

    def __init__(self, switch: Switch, cls: type[M], name: str, args: list[str], path: str) -> None:
        super().__init__()
        self.switch = switch
        self.path = path
        self._inbox: list[Message] = []
        self._draining = False
        self._held = False
        self._last = switch.clock.monotonic()
        self.rank = switch.rank
        self.credential = switch.credential
        self.attrs = switch.attrs.values()
        self.config = switch.config
        self.clock = switch.clock
        self.zygote = switch.zygote
        self.programs = switch.programs
        self.traces = switch.traces
        self.log = switch.log
        self.soon = switch.turn.soon
        self.last = switch.turn.last
        self.route_request = switch.route_request
        self.route_response = switch.route_response
        self.publish = switch.publish
        self.backlog_of = switch.backlog_of
        self.room = switch.room
        self.module = cls(self, name, args)
        self._starting: asyncio.Future[None] | None = None
        self._stopping: asyncio.Future[None] | None = None
        #: It is up, or has not come up.
        self.came = asyncio.Event()
        self._interrupted = False
        #: It has been removed.
        self.over = asyncio.Event()

    # -- for the module ---------------------------------------------------------------------------

    def subscribe(self, topic: str) -> None:
        self.subscriptions.add(topic)

    def unsubscribe(self, topic: str) -> None:
        self.subscriptions.remove(topic)

    def reaches(self, service: str, nodeid: int, upstream: int) -> bool:
        router = self.switch.router
        here = router.services.get(service) if router.stays(nodeid, upstream) else None
        return here is not self if here else router.leads_away(nodeid, upstream)

    def trace(self, prefix: str, msg: Message) -> None:
        if self.module.listed:  # the broker's own services stay out of sight
            now = self.clock.now()
            for trace in self.switch.traces:
                trace.record(prefix, self.module.module_name, msg, now)

    # -- for the router ---------------------------------------------------------------------------

    def deliver_request(self, msg: Message) -> None:
        self._inbox.append(msg)
        if not self._draining and not self._held:
            self._go_on()

    deliver_event = deliver_request

    def deliver_response(self, msg: Message) -> None:
        if self.traces:
            self.trace("rx", msg)
        self.module.h.receive_response(msg)

    def _go_on(self) -> None:
        self._draining = True
        self.soon(self._drain)

    def _drain(self) -> None:
        """Pass on what has arrived; when that takes long, the rest in another turn."""
        self._draining = False
        inbox, self._inbox = self._inbox, []
        self._last = self.clock.monotonic()
        module = self.module
        until = thread_time() + SECONDS
        for place, msg in enumerate(inbox, 1):
            try:
                if self.traces:
                    self.trace("rx", msg)
                if msg.type == FLUX_MSGTYPE_EVENT:
                    module.receive_event(msg)
                else:
                    module.receive_request(msg)
            except Exception as exc:  # those behind it are not to wait for ever, and neither is its sender
                module.respond_exception(msg, exc)
            if place & 3 == 3 and place < len(inbox) and thread_time() > until:
                self._inbox[:0] = inbox[place:]
                self._go_on()
                break

    def defer(self, on: bool) -> None:
        """Hold back what arrives, or let it pass again (``module.debug``)."""
        self._held = on
        if not on and self._inbox and not self._draining:
            self._go_on()

    # -- for the broker ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the service. Raises what its start raises, and OSError ECANCELED if that is interrupted."""
        self._starting = asyncio.ensure_future(self.module.initialize())
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            raise OSError(errno.ECANCELED, "its start has been interrupted") from None
        finally:
            self.came.set()

    async def stop(self) -> None:
        """Answer what is queued, run the service's own stop, and retire it."""
        if self._inbox:
            self._drain()
        self._stopping = asyncio.ensure_future(self.module.stop())
        if self._interrupted and not self.module.apart:
            self.module.loop.call_soon(self._stopping.cancel)  # it has a first step
        try:
            await self._stopping
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            self.log(4, self.module.module_name, "its end has been interrupted")
        await self.retire()

    def interrupt(self) -> None:
        """Let its start last no longer, nor its end, now or when it comes."""
        self._interrupted = True
        self.module.interrupt()
        if self._starting is not None and not self._starting.done() and not self.module.apart:
            self._starting.cancel()
        if self._stopping is not None and not self.module.apart:
            self._stopping.cancel()

    async def retire(self) -> None:
        """End a module that has stopped or did not start; what is queued is answered with ENOSYS."""
        self.module.retire()
        if self._inbox:
            self._drain()
        await self.module.finalize()

    def describe(self) -> dict[str, Any]:
        """The module's entry in ``module.list`` (RFC 5)."""
        services = [name for name, peer in self.switch.router.services.items() if peer is self]
        last = self._last if self.module.last_heard is None else self.module.last_heard
        return {
            "name": self.module.module_name,
            "path": self.path,
            "idle": int(self.clock.monotonic() - last),
            "status": self.module.status,
            "services": [name for name in services if name != self.module.module_name],
            "sendqueue": 0,
            "recvqueue": len(self._inbox),
            "pid": self.module.pid,
        }
