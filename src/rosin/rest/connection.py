# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client's connection: what it owes has a deadline, and who owes nothing but a promise has little room.

uvicorn waits for ever for the rest of a request, so that a few hundred half requests take all descriptors.
Here a request's head and body each have a deadline, and of the connections that are in no request (new ones,
half heads, idle ones) the oldest goes when there are too many.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

#: Seconds in which a request's head, and then its body, must have come.
HEAD_TIME = 10.0
BODY_TIME = 60.0
_MOST_WAITING = 1024
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's protocol with deadlines. Each server uses a class of its own, made by :func:`connections`."""

    #: Connections in no request, the one that has waited longest first.
    waiting: ClassVar[dict[Connection, None]]
    room: ClassVar[int]

    _owes: str | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        super().connection_lost(exc)
        self.waiting.pop(self, None)
        self._set_deadline(None)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request is answered; the next may have come already."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        in_request = state is not h11.IDLE
        if in_request:
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
