# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a connection has brought that nobody has got.

ZeroMQ counts the messages that wait (ZMQ_RCVHWM), and limits a part (ZMQ_MAXMSGSIZE), but not how many parts
a message has: it keeps them until the last one has come. The system counts the bytes of a TCP connection.
Over a UNIX socket, which only brokers of this user can reach, nobody does.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where ``tcpi_bytes_received`` is in ``struct tcp_info`` (Linux 4.1).
_RECEIVED = struct.Struct("=128xQ")
#: What CURVE adds to a part (ZeroMQ RFC 26): command, nonce, authentication, flags.
_ENVELOPE = 8 + 8 + 16 + 1


def came(fd: int) -> int:
    """Bytes that have come by a connection; 0 if that is not known."""
    try:
        with socket.socket(fileno=os.dup(fd)) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
            return int(_RECEIVED.unpack(info)[0])
    except (OSError, struct.error):  # it is none of TCP, has ended itself, or the system is older
        return 0


def size(parts: Sequence[bytes]) -> int:
    """Bytes of a message as they came (ZeroMQ RFC 23): flags and length before each part."""
    total = 0
    for part in parts:
        length = len(part) + _ENVELOPE
        total += length + (2 if length < 256 else 9)
    return total
