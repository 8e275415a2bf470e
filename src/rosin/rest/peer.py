# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is at the other end of a TCP connection on this machine (Linux, sock_diag(7)).

A server on the loopback address without credentials can be reached by every user of the machine. The kernel
knows whose socket it is, and tells without privileges.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_TCP = 6
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_NO_COOKIE = b"\xff" * 8
_TCP_ESTABLISHED = 1
_STATE_AT = _HEADER.size + 1
#: Offset of idiag_uid in inet_diag_msg: 4 bytes, the socket id (48), expires, rqueue, wqueue.
_UID_AT = _HEADER.size + 4 + 48 + 12


def _packed(address: str, family: int) -> bytes:
    return socket.inet_pton(family, address).ljust(16, b"\0")


def peer_uid(peer: tuple[str, int], own: tuple[str, int]) -> int:
    """The user who owns the socket *peer* that is connected to *own*. Raises OSError.

    Only an established connection has an owner: the kernel says 0 for one that its process has closed.
    """
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "the owner of a TCP connection is known on Linux only")
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    # Seen from the peer: its own address is the source.
    sockid = struct.pack(">HH", peer[1], own[1]) + _packed(peer[0], family) + _packed(own[0], family)
    body = _REQUEST.pack(family, _TCP, 0, 0, 0xFFFFFFFF) + sockid + struct.pack("=I", 0) + _NO_COOKIE
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as link:
        link.settimeout(1.0)
        link.send(header + body)
        answer = link.recv(8192)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        raise OSError(-code, f"{peer[0]}:{peer[1]}: {os.strerror(-code)}")
    if answer[_STATE_AT] != _TCP_ESTABLISHED:
        raise OSError(errno.ENOTCONN, f"{peer[0]}:{peer[1]}: the connection is not established")
    return int(struct.unpack_from("=I", answer, _UID_AT)[0])


def works() -> bool:
    """Whether this machine tells: tried on a connection of our own."""
    with socket.socket() as server, socket.socket() as client:
        try:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            client.connect(server.getsockname())
            return peer_uid(client.getsockname(), server.getsockname()) == os.getuid()
        except OSError:
            return False
