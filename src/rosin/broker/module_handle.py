# SPDX-License-Identifier: LGPL-3.0-or-later
"""The handle of a broker module: no socket, messages pass to the router as objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker.attrs import unknown
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
    import asyncio
    from collections.abc import Callable

    from rosin.broker.host import Host


class ModuleHandle(LoopHandle):
    """A module's ``self.h``: every future of it is awaited or given a continuation.

    ``guard(callback)`` calls what a message or a timer is for, and logs what it raises.
    """

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, guard: Callable[[Callable[[], Any]], None]
    ) -> None:
        super().__init__(loop)
        self._host = host
        self._guard = guard
        self._used: set[tuple[str, int, int]] = set()
        #: Messages sent and received: requests, responses, events, control messages.
        self.counts = {"tx": [0, 0, 0, 0], "rx": [0, 0, 0, 0]}

    @property
    def userid(self) -> int:
        """The instance owner."""
        return self._host.credential[0]

    @property
    def rank(self) -> int:
        return self._host.rank

    def attr_get(self, name: str) -> str:
        """A broker attribute. Raises FileNotFoundError if there is none."""
        try:
            return self._host.attrs[name]
        except KeyError:
            raise unknown(name) from None

    def _defer(self, callback: Callable[[], None]) -> None:
        self._host.soon(callback)

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        return self._host.clock.call_later(after, partial(self._guard, callback))

    def _send(self, msg: Message) -> None:
        host = self._host
        if msg.userid == FLUX_USERID_UNKNOWN and not msg.rolemask:
            msg.userid, msg.rolemask = host.credential
        if host.traces:
            host.trace("tx", msg)
        tx = self.counts["tx"]
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            tx[1] += 1
            host.route_response(msg)
        elif msg.type == FLUX_MSGTYPE_REQUEST:
            tx[0] += 1
            if msg.route is not None:
                msg.route.append(host.uuid)
            self._used.add((msg.topic[: msg.topic.rfind(".")], msg.aux1, msg.flags & FLUX_MSGFLAG_UPSTREAM))
            host.route_request(msg)
        elif msg.type == FLUX_MSGTYPE_EVENT:
            tx[2] += 1
            host.publish(msg)

    def receive_response(self, msg: Message) -> None:
        """Take a response."""
        self.counts["rx"][1] += 1
        self._receive(msg)

    def receive_event(self, msg: Message) -> None:
        """Take an event that has passed the module's own handlers."""
        for prefix, callback, allow in self._events:
            if msg.topic.startswith(prefix) and allowed(msg.rolemask, allow):
                self._guard(partial(callback, msg))

    def _call(self, callback: Callable[[Message], Any], msg: Message) -> None:
        self._guard(partial(callback, msg))

    def disconnect(self) -> None:
        """Tell the services this module has used that it is gone (RFC 6)."""
        used, self._used = self._used, set()
        for service, nodeid, upstream in used:
            if self._host.reaches(service, nodeid, upstream):
                flags = FLUX_MSGFLAG_NORESPONSE | upstream
                self._send(Message.request(f"{service}.disconnect", None, nodeid, flags))
