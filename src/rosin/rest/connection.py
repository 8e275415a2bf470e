# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client's connection: what it owes has a deadline, and who owes nothing but a promise has little room.

uvicorn waits for ever for the rest of a request, so that a few hundred half requests take all descriptors.
Here a request's head and body each have a deadline, and of the connections that are in no request (new ones,
half heads, idle ones) and of those that have shown no credentials the oldest goes when there are too many.
Who has credentials shows them at once, and is never kept out.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rosin.rest.peer import established_peer

if TYPE_CHECKING:
    import asyncio

#: Seconds in which a request's head, and then its body, must have come.
HEAD_TIME = 10.0
BODY_TIME = 60.0
_MOST_WAITING = 1024
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's protocol with deadlines. Each server uses a class of its own, made by :func:`connections`.

    Requests find it as ``scope["rosin.connection"]``.
    """

    #: Strangers, and connections in no request; the one that has waited longest first.
    waiting: ClassVar[dict[Connection, None]]
    room: ClassVar[int]

    #: The user of this machine at the other end, where the kernel proves one.
    uid: int | None = None
    _admitted = False
    _upgraded = False
    _owes: str | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        # Asked only now, and once: later the same address may be another socket's.
        self.uid = established_peer(transport.get_extra_info("socket"))
        self._watch()

    def admit(self) -> None:
        """A request has shown who it is from: this is no stranger."""
        self._admitted = True
        self.waiting.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        super().connection_lost(exc)
        self.waiting.pop(self, None)
        self._set_deadline(None)

    def handle_events(self) -> None:
        """Bytes have come, or there is time for the next request."""
        super().handle_events()
        if self.scope is not None:
            self.scope["rosin.connection"] = self  # type: ignore[typeddict-unknown-key]
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It becomes another kind of connection, which has deadlines of its own."""
        self._upgraded = True
        self.waiting.pop(self, None)
        self._set_deadline(None)
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """What has come is not HTTP. There may be an answer under way, or a request that waits for a body."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        self.transport.close()

    def on_response_complete(self) -> None:
        """A request is answered; the next may have come already."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        if self._upgraded or self.transport.is_closing():
            return
        state = self.conn.their_state
        in_request = state is not h11.IDLE
        if in_request and self._admitted:
            self.waiting.pop(self, None)
        elif self not in self.waiting:
            self.waiting[self] = None
            if len(self.waiting) > self.room:
                next(iter(self.waiting)).give_up()
        if state is h11.SEND_BODY:
            self._set_deadline("body")
        elif not in_request and (self.cycle is None or self.conn.trailing_data[0]):
            self._set_deadline("head")
        else:  # it has sent all, or is idle, for which uvicorn has a timer
            self._set_deadline(None)

    def _set_deadline(self, owes: str | None) -> None:
        """Begin to wait for a part; the time does not begin anew with each byte of it."""
        if owes == self._owes:
            return
        self._owes = owes
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if owes is not None:
            seconds = HEAD_TIME if owes == "head" else BODY_TIME
            self._deadline = self.loop.call_later(seconds, self.give_up)

    def give_up(self) -> None:
        """End the connection; with 408 if its request has no answer yet."""
        self.waiting.pop(self, None)
        self._set_deadline(None)
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_TOO_SLOW)
        self.transport.close()


def connections() -> type[Connection]:
    """The protocol class of one server, with room for waiting clients as its descriptors allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    room = _MOST_WAITING if soft == resource.RLIM_INFINITY else min(_MOST_WAITING, soft // 2)
    return type("Connection", (Connection,), {"waiting": {}, "room": room})
