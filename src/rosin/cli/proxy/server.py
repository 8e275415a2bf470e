# SPDX-License-Identifier: LGPL-3.0-or-later
"""The proxy's sockets: the connection to the broker, and a UNIX socket for programs."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, cast

from rosin.cli.proxy.multiplexer import Multiplexer
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.cli.proxy.multiplexer import ProxyClient
    from rosin.rfc.message import Message

#: Bytes that may wait for a program that does not read; then it is cut off.
MAX_BACKLOG = 1 << 28


class Upstream(asyncio.Protocol):
    """The connection to the broker, which has been accepted."""

    def __init__(self, receive: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._full = False
        #: Called with whether the broker does not read at present.
        self.on_full: Callable[[bool], None] = lambda _full: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except FormatError:
            assert self._transport is not None
            self._transport.abort()
            return
        for msg in messages:
            self._receive(msg)

    def send(self, msg: Message) -> None:
        """Pass a message to the broker; what is sent to one that has gone is lost."""
        if self._transport is not None:
            self._transport.write(frame(msg))

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self.on_full(True)

    def resume_writing(self) -> None:
        self.on_full(False)


class Downstream(asyncio.Protocol):
    """A program."""

    def __init__(self, server: ProxyServer) -> None:
        self._server = server
        self._reader = FrameReader()
        self._client: ProxyClient | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if _user(self.transport) not in (os.getuid(), 0):
            self.transport.write(b"\1")  # EPERM
            self.transport.close()
            return
        self.transport.write(b"\0")
        self._client = self._server.joined(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.transport = None
        if self._client is not None:
            self._server.left(self, self._client)

    def data_received(self, data: bytes) -> None:
        if self._client is None:
            return
        try:
            messages = self._reader.feed(data)
        except FormatError:
            assert self.transport is not None
            self.transport.abort()
            return
        for msg in messages:
            self._server.programs.from_client(self._client, msg)

    def send(self, msg: Message) -> None:
        """Pass a message to the program."""
        if self.transport is None:
            return
        self.transport.write(frame(msg))
        if self.transport.get_write_buffer_size() > MAX_BACKLOG:
            self.transport.abort()

    def hold(self, held: bool) -> None:
        """Read nothing from the program, or go on."""
        if self.transport is None or self.transport.is_closing():
            return
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()


def _user(transport: asyncio.Transport) -> int:
    sock = transport.get_extra_info("socket")
    return int(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


class ProxyServer:
    """Programs on a UNIX socket, and a connection to a broker. ``lost()`` is called when that has ended."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._upstream: Upstream | None = None
        self._connections: set[Downstream] = set()
        self._full = False
        self.programs = Multiplexer(self._send)
        self._listener: asyncio.AbstractServer | None = None

    async def listen(self, path: str) -> None:
        """Let programs in."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_unix_server(lambda: Downstream(self), path)

    async def connect(self, sock: socket.socket) -> None:
        """Use this connection, which the broker has accepted. What programs had asked before is lost."""
        self.cut_off()
        loop = asyncio.get_running_loop()
        upstream = Upstream(self.programs.from_broker, self._lost)
        upstream.on_full = self._hold
        await loop.create_unix_connection(lambda: upstream, sock=sock)
        self._upstream = upstream

    def _send(self, msg: Message) -> None:
        if self._upstream is not None:
            self._upstream.send(msg)

    def _hold(self, full: bool) -> None:
        self._full = full
        for connection in self._connections:
            connection.hold(full)

    def joined(self, connection: Downstream) -> ProxyClient:
        """A program has connected."""
        self._connections.add(connection)
        connection.hold(self._full)
        return self.programs.join(connection)

    def left(self, connection: Downstream, client: ProxyClient) -> None:
        """A program has gone."""
        self._connections.discard(connection)
        self.programs.leave(client)

    def cut_off(self) -> None:
        """End the connections of all programs."""
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """End everything."""
        if self._listener is not None:
            self._listener.close()
        self.cut_off()
        await asyncio.sleep(0)  # they leave
        if self._upstream is not None:
            self._upstream.close()
        await asyncio.sleep(0)
