# SPDX-License-Identifier: LGPL-3.0-or-later
"""The socket between a broker and a module's process: messages, after one byte that lets the process in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rosin.rfc.message import Message

#: Bytes that may wait for the other side, which does not read; more are never needed by one that does.
MAX_BACKLOG = 1 << 30
_ACCEPTED = b"\0"


class Channel(asyncio.Protocol):
    """One end. ``lost(text)`` is called once when the other one is gone, with what was wrong, if anything."""

    def __init__(self, receive: Callable[[Message], None], lost: Callable[[str], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._reader = FrameReader(topicless=True)
        self._waiting = False  # for the byte of the other side
        self._transport: asyncio.Transport | None = None
        self._fault = ""

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        receive: Callable[[Message], None],
        lost: Callable[[str], None],
        *,
        guest: bool = False,
    ) -> Channel:
        """Use a connected socket. *guest*: the other side lets this one in."""
        channel = cls(receive, lost)
        channel._waiting = guest
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
        if not guest:
            assert channel._transport is not None
            channel._transport.write(_ACCEPTED)
        return channel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._lost(self._fault)

    def data_received(self, data: bytes) -> None:
        if self._waiting:
            self._waiting = False
            if data[:1] != _ACCEPTED:
                self._break("it is not let in")
                return
            data = data[1:]
        try:
            messages = self._reader.feed(data)
        except FormatError as exc:
            self._break(str(exc))
            return
        for msg in messages:
            self._receive(msg)

    def _break(self, fault: str) -> None:
        self._fault = fault
        assert self._transport is not None
        self._transport.abort()

    def send(self, msg: Message) -> None:
        """Pass a message; to one that has gone it is lost."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(frame(msg))
        if self._transport.get_write_buffer_size() > MAX_BACKLOG:
            self._break("it does not read what is sent to it")

    def backlog(self) -> int:
        """Bytes that wait for the other side."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close this end when what waits has been sent."""
        if self._transport is not None:
            self._transport.close()
