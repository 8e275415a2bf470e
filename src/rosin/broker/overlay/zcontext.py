# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ZeroMQ sockets of a broker: how they are made, and when the last one is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from rosin.broker.limits import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from rosin.broker.overlay.transport import Keys

#: Milliseconds in which a closed socket still sends.
_LINGER = 100
#: Messages on their way to, and from, a peer that ZeroMQ holds: others wait where their bytes are counted.
_WATERMARK = 256

#: Bytes that CURVE adds to a part, at most.
_ENVELOPE = 64


class ZmqContext:
    """What the sockets of one broker have in common.

    ``complain(kind, text)`` logs what peers do wrong. ``io_threads``, ``child_rcvhwm`` (messages taken from a
    child before it has to wait; 0: as many as usual), ``user_timeout`` and ``connect_timeout`` (seconds, 0:
    the system's) are the attributes ``tbon.*`` of flux-core. ``trace`` is told what happens to sockets
    (``tbon.zmqdebug``).
    """

    def __init__(
        self,
        complain: Callable[[Hashable, str], None],
        *,
        io_threads: int = 1,
        child_rcvhwm: int = 0,
        user_timeout: float = 20.0,
        connect_timeout: float = 30.0,
        ipv6: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.complain = complain
        self.trace = trace
        self._io_threads = io_threads
        self._child_rcvhwm = child_rcvhwm or _WATERMARK
        self._user_timeout = round(user_timeout * 1000)
        self._connect_timeout = round(connect_timeout * 1000)
        self._ipv6 = ipv6
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._links = 0

    def begin(self) -> zmq.Context[zmq.Socket[bytes]]:
        """The context of sockets, for a link that calls :meth:`end` when it is closed."""
        if self._context is None:
            self._context = zmq.Context(self._io_threads)
        self._links += 1
        return self._context

    def end(self) -> None:
        """A link is closed: after the last one, wait until what was sent has left."""
        self._links -= 1
        if self._links == 0 and self._context is not None:
            self._context.term()
            self._context = None

    def socket(self, kind: int, keys: Keys) -> zmq.Socket[bytes]:
        """A socket with what those of both ends have in common."""
        assert self._context is not None
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, _LINGER)
        socket.setsockopt(zmq.SNDHWM, _WATERMARK)
        socket.setsockopt(zmq.RCVHWM, self._child_rcvhwm if kind == zmq.ROUTER else _WATERMARK)
        socket.setsockopt(zmq.IPV6, self._ipv6)
        socket.setsockopt(zmq.MAXMSGSIZE, OWNER.message + _ENVELOPE)
        if self._user_timeout:
            socket.setsockopt(zmq.TCP_MAXRT, self._user_timeout)
            # Who has nothing to say would never learn that the other end is gone: a probe is answered, too.
            pause = max(1, self._user_timeout // 2000)
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, pause)
            socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, pause)
        if self._connect_timeout and kind == zmq.DEALER:
            socket.setsockopt(zmq.CONNECT_TIMEOUT, self._connect_timeout)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        return socket
