# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of the connections of a ZeroMQ socket (``zmq_socket_monitor``)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import zmq

from rosin.broker.overlay.loopsocket import LoopSocket

if TYPE_CHECKING:
    from collections.abc import Callable

_EVENT = struct.Struct("=hi")
ACCEPTED = int(zmq.EVENT_ACCEPTED)
UP = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
DOWN = int(zmq.EVENT_DISCONNECTED)
#: The peer does not speak CURVE, or proves another key than it should; it may be the first to notice.
STRANGER = int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
#: The peer has been refused, or refuses.
REFUSED = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
_WANTED = ACCEPTED | UP | DOWN | STRANGER | REFUSED
#: More events than ever wait.
_ALL = 1 << 30


class SocketMonitor:
    """Calls ``happened(event, value)`` in the loop; with ``ACCEPTED`` and ``DOWN`` the value is a descriptor.

    ``trace``, if there is one, is told of every event there is, as text.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        socket: zmq.Socket[bytes],
        happened: Callable[[int, int], None],
        trace: Callable[[str], None] | None,
    ) -> None:
        self._watched = socket
        self._happened = happened
        self._trace = trace
        address = f"inproc://monitor-{int(socket.getsockopt(zmq.FD))}"
        socket.monitor(address, int(zmq.EVENT_ALL) if trace else _WANTED)
        pair = context.socket(zmq.PAIR)
        pair.linger = 0
        pair.rcvhwm = 0
        pair.connect(address)
        self._socket = LoopSocket(pair, self._event)

    def _event(self, frames: list[zmq.Frame]) -> None:
        event, value = _EVENT.unpack(frames[0].bytes)
        if self._trace is not None:
            what = str(zmq.Event(event).name).lower().replace("_", " ")
            self._trace(f"socket {frames[1].bytes.decode(errors='replace')}: {what} {value}")
        if event & _WANTED:
            self._happened(event, value)

    def catch_up(self) -> None:
        """Tell at once of all that has happened."""
        self._socket.drain(_ALL)

    def close(self) -> None:
        """Watch no longer: before the socket is closed."""
        if not self._socket.closed:
            self._watched.disable_monitor()
            self._socket.close()
