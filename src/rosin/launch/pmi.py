# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the PMI server by which the brokers find each other, between the protocol and their sockets."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.pmi.server import Abort, Server
from rosin.rfc.pmi.wire import MAPPING_KEY, MAX_LINE, VALUE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.reactor import Reactor
    from rosin.rfc.taskmap import TaskMap

#: The name of the key-value space; flux-core's.
_KVSNAME = "-"


class PmiService:
    """Serves ``size`` processes, each on a socket pair of its own.

    ``taskmap``: which of them share a node; nothing is said of that if it is unknown. ``trace(rank, text)``
    is told each line. ``broken(text)`` is called once, when not all can come together any more.
    """

    def __init__(
        self,
        reactor: Reactor,
        size: int,
        taskmap: TaskMap,
        trace: Callable[[int, str], None] | None,
        broken: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._size = size
        self._trace = trace
        self._broken = broken
        self._keys = _first_keys(taskmap)
        self._first = self._server(size)
        self._servers: dict[
            int, Server
        ] = {}  # of each process: the one for all, or one for a latecomer alone
        self._channels: dict[int, _Channel] = {}
        self._waiting: set[int] = set()  # in a barrier
        self._missing: set[int] = set()  # ended before the last barrier
        self._over = False

    def _server(self, local_size: int) -> Server:
        server = Server(_KVSNAME, self._size, local_size, self._keys)
        server.exchange = lambda keys: self._exchange(server, keys)
        return server

    def connect(self, rank: int) -> socket.socket:
        """A new process of this rank: its end of the connection, which the caller closes."""
        self.disconnect(rank)
        ours, theirs = socket.socketpair()
        # Who comes again when all the others have met finds what they have told each other.
        self._servers[rank] = self._server(1) if rank in self._first.finalized else self._first
        self._missing.discard(rank)
        self._channels[rank] = _Channel(self._reactor, ours, lambda line: self._request(rank, line))
        return theirs

    def disconnect(self, rank: int) -> None:
        """A process has ended: those that wait for it would wait for ever."""
        channel = self._channels.pop(rank, None)
        if channel is None:
            return
        channel.drain()
        channel.close()
        server = self._servers[rank]
        if server is self._first and rank not in server.finalized:
            self._missing.add(rank)
        self._waiting.discard(rank)
        self._check()

    def close(self) -> None:
        """Close all connections."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def _request(self, rank: int, line: str) -> None:
        if self._trace is not None:
            self._trace(rank, f"C: {line}")
        server = self._servers[rank]
        if "cmd=barrier_in" in line and server is self._first:
            self._waiting.add(rank)
        try:
            self._send(server.request(rank, line))
        except Abort as abort:
            self._break(f"{rank}: PMI_Abort(): {abort}")
        except FormatError as error:
            self._break(f"{rank}: PMI-1 wire protocol error: {error}")
        self._check()

    def _exchange(self, server: Server, keys: dict[str, str]) -> None:
        self._keys |= keys
        if server is self._first:
            self._waiting.clear()
        self._send(server.barrier_complete())

    def _send(self, replies: list[tuple[int, str]]) -> None:
        for rank, text in replies:
            if self._trace is not None:
                self._trace(rank, f"S: {text.rstrip()}")
            channel = self._channels.get(rank)
            if channel is not None:
                channel.send(text.encode())

    def _check(self) -> None:
        if self._waiting and self._missing:
            rank = min(self._missing)
            self._break(f"broker {rank} ended before all brokers had found each other: ending the others")

    def _break(self, text: str) -> None:
        if not self._over:
            self._over = True
            self._broken(text)


def _first_keys(taskmap: TaskMap) -> dict[str, str]:
    if taskmap.unknown:
        return {}
    keys = {MAPPING_KEY: taskmap.encode_pmi(), "flux.taskmap": _json.dumps(taskmap.wrap()).decode()}
    return {key: value for key, value in keys.items() if len(value) < VALUE_MAX}


class _Channel:
    """The connection of one process. Nothing is read from one that does not take its answers."""

    def __init__(self, reactor: Reactor, sock: socket.socket, received: Callable[[str], None]) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._sock = sock
        self._received = received
        self._in = b""
        self._out = b""
        self._closed = False
        reactor.add_fd(sock.fileno(), self._readable, passive=True)

    def _readable(self, _revents: int = 0) -> None:
        try:
            data = self._sock.recv(MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # it says no more; it is gone when its process is
            self._reactor.remove_fd(self._sock.fileno())
            return
        *lines, self._in = (self._in + data).split(b"\n")
        if len(self._in) > MAX_LINE:
            lines.append(self._in)  # which the protocol refuses
            self._in = b""
        for line in lines:
            if not self._closed:
                self._received(line.decode("utf-8", "replace"))

    def drain(self) -> None:
        """Take what a process has said before its end."""
        if not self._out:
            self._readable()

    def send(self, data: bytes) -> None:
        """Send an answer, or keep it until it is taken."""
        self._out += data
        self._writable()
        if self._out and not self._closed:
            self._reactor.remove_fd(self._sock.fileno())
            self._reactor.add_fd(self._sock.fileno(), self._writable, select.POLLOUT, passive=True)

    def _writable(self, revents: int = 0) -> None:
        try:
            self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            return
        except OSError:
            self._out = b""  # nobody is there to take it
        if revents and not self._out:
            self._reactor.remove_fd(self._sock.fileno())
            self._reactor.add_fd(self._sock.fileno(), self._readable, passive=True)

    def close(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            self._reactor.remove_fd(self._sock.fileno())
            self._sock.close()
