# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connection to the broker above: a DEALER socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import zmq

from rosin.broker.overlay import zmonitor
from rosin.broker.overlay.backlog import Backlog
from rosin.broker.overlay.cert import decode_key
from rosin.broker.overlay.loopsocket import LoopSocket
from rosin.broker.overlay.zendpoint import check

if TYPE_CHECKING:
    from rosin.broker.overlay.transport import AboveLost, FromAbove, Keys
    from rosin.broker.overlay.zcontext import ZmqContext


class ZmqUplink:
    """One connection, once: when it breaks, nobody can know what of that on its way has arrived."""

    def __init__(self, context: ZmqContext, receive: FromAbove, lost: AboveLost) -> None:
        self._common = context
        self._receive = receive
        self._lost = lost
        self._context = context.begin()
        self._socket: LoopSocket | None = None
        self._monitor: zmonitor.SocketMonitor | None = None
        #: What waits for it.
        self.outflow = Backlog()
        self._uri = ""
        self._up = False
        self._broken = ""
        self._open = True

    def open(self, uri: str, server_key: str, keys: Keys, identity: bytes) -> None:
        """Begin to connect. Raises OSError, FormatError, zmq.ZMQError."""
        check(uri)
        decode_key(server_key)
        self._uri = uri
        socket = self._common.socket(zmq.DEALER, keys)
        self._socket = LoopSocket(socket, self._take, self._news)
        socket.setsockopt(zmq.IDENTITY, identity)
        socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
        self._monitor = zmonitor.SocketMonitor(self._context, socket, self._happened, self._common.trace)
        socket.connect(uri)

    def send(self, frames: list[bytes]) -> None:
        """Send a message; it waits where it is while there is no connection."""
        if self._socket is None or self._socket.closed:
            return
        if not self.outflow and self._socket.send(frames):
            return
        if not self.outflow.append(frames):
            self._break(f"does not read: {self.outflow.size} bytes wait for it")

    def close(self) -> None:
        """End the connection; what ZeroMQ has still leaves. Closing twice is no error."""
        if self._open:
            self._open = False
            self.outflow.clear()
            if self._monitor is not None:
                self._monitor.close()
            if self._socket is not None:
                self._socket.close()
            self._common.end()

    def _take(self, frames: list[zmq.Frame]) -> None:
        self._receive([frame.bytes for frame in frames])

    def _news(self) -> None:
        """All that has come is taken."""
        if self._broken:
            self._break(self._broken)
        elif self.outflow and self._socket is not None:
            self.outflow.flush(self._socket)

    def _happened(self, event: int, _value: int) -> None:
        if event == zmonitor.UP:
            self._up = True
        elif event == zmonitor.REFUSED:
            self._break("does not accept the key of this broker")
        elif event & zmonitor.STRANGER:
            self._complain("breaks off when keys are exchanged: is its certificate another one?")
        elif self._up and self._socket is not None:
            self._broken = "has closed the connection"
            self._socket.check()

    def _break(self, why: str) -> None:
        if self._open:
            self._complain(why)
            self.close()
            asyncio.get_running_loop().call_soon(self._lost)

    def _complain(self, text: str) -> None:
        self._common.complain(("parent", text), f"the broker at {self._uri} {text}")
