# SPDX-License-Identifier: LGPL-3.0-or-later
"""The handle of a broker module: no socket, messages pass to the router as objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_USERID_UNKNOWN,
)
from rosin.handle.aio import LoopHandle
from rosin.rfc.message import Message
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.broker import Broker
    from rosin.broker.module import BrokerModule


class ModuleHandle(LoopHandle):
    """A module's ``self.h``: every future of it is awaited or given a continuation."""

    def __init__(self, broker: Broker, module: BrokerModule) -> None:
        super().__init__(module.loop)
        self._broker = broker
        self._module = module
        self._used: set[tuple[str, int, int]] = set()

    @property
    def userid(self) -> int:
        """The instance owner."""
        return self._broker.owner

    @property
    def rank(self) -> int:
        return self._broker.rank

    def attr_get(self, name: str) -> str:
        """A broker attribute. Raises FileNotFoundError if there is none."""
        return self._broker.attrs.get(name)[0]

    def _defer(self, callback: Callable[[], None]) -> None:
        self._broker.turn.soon(callback)

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        return self._module.call_later(after, callback)

    def _send(self, msg: Message) -> None:
        if msg.userid == FLUX_USERID_UNKNOWN and not msg.rolemask:
            msg.userid, msg.rolemask = self._broker.credential
        if self._broker.traces:
            self._broker.trace("tx", self._module, msg)
        tx = self._module.counts["tx"]
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            tx[1] += 1
            self._broker.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            tx[0] += 1
            if msg.route is not None:
                msg.route.append(self._module.uuid)
            self._used.add((msg.topic[: msg.topic.rfind(".")], msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM))
            self._broker.route_request(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            tx[2] += 1
            self._broker.publish(msg)

    def _receive_event(self, msg: Message) -> None:
        for prefix, callback, allow in self._events:
            if msg.topic.startswith(prefix) and allowed(msg.rolemask, allow):
                self._module._guard(partial(callback, msg))

    def _call(self, callback: Callable[[Message], Any], msg: Message) -> None:
        self._module._guard(lambda: callback(msg))

    def _disconnect(self) -> None:
        """Tell the services this module has used that it is gone (RFC 6)."""
        used, self._used = self._used, set()
        router = self._broker.router
        for service, nodeid, upstream in used:
            here = router.services.get(service)
            if here is not self._module if here else router.leads_away(nodeid, upstream):
                flags = FLUX_MSGFLAG_NORESPONSE | upstream
                self._send(Message.request(f"{service}.disconnect", None, nodeid, flags))
