# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is at the other end of a connection on this machine (Linux, sock_diag(7), SO_PEERCRED).

A server on the loopback address without credentials can be reached by every user of the machine. The kernel
knows whose socket it is, and tells without privileges. Only an established connection has an owner: sockets
that listen, or linger in TIME_WAIT, answer for somebody else.
"""

from __future__ import annotations

import errno
import ipaddress
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
_ESTABLISHED = 1
_UCRED = struct.Struct("=iII")
#: Offset of idiag_uid in inet_diag_msg: 4 bytes, the socket id (48), expires, rqueue, wqueue.
_UID_AT = _HEADER.size + 4 + 48 + 12


def _packed(address: str, family: int) -> bytes:
    return socket.inet_pton(family, address).ljust(16, b"\0")


def peer_uid(peer: tuple[str, int], own: tuple[str, int]) -> int:
    """The user who owns the socket *peer* of an established connection with *own*. Raises OSError."""
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "the owner of a TCP connection is known on Linux only")
    peer, own = _unmapped(peer), _unmapped(own)
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    # Seen from the peer: its own address is the source.
    sockid = struct.pack(">HH", peer[1], own[1]) + _packed(peer[0], family) + _packed(own[0], family)
    body = _REQUEST.pack(family, _TCP, 0, 0, 1 << _ESTABLISHED) + sockid + struct.pack("=I", 0) + _NO_COOKIE
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
    # The kernel may find a listening socket of that port instead, which is the server's own.
    if _found(answer) != (_ESTABLISHED, peer, own):
        raise OSError(errno.ENOTCONN, f"{peer[0]}:{peer[1]}: the connection is not established")
    return int(struct.unpack_from("=I", answer, _UID_AT)[0])


def _found(answer: bytes) -> tuple[int, tuple[str, int], tuple[str, int]]:
    """The state, source and destination of the socket that an inet_diag_msg tells of.

    One of IPv6 may have a connection of IPv4, as Java's have: then its addresses are mapped ones.
    """
    family, state = answer[_HEADER.size : _HEADER.size + 2]
    ports = struct.unpack_from(">HH", answer, _HEADER.size + 4)
    length = 4 if family == socket.AF_INET else 16
    at = _HEADER.size + 8
    texts = [socket.inet_ntop(family, answer[place : place + length]) for place in (at, at + 16)]
    return state, _unmapped((texts[0], ports[0])), _unmapped((texts[1], ports[1]))


def _unmapped(address: tuple[str, int]) -> tuple[str, int]:
    """An IPv4 address that a socket for both families shows as ::ffff:A.B.C.D."""
    return address[0].removeprefix("::ffff:") if "." in address[0] else address[0], address[1]


def established_peer(sock: socket.socket) -> int | None:
    """The user of this machine at the other end of a connection; None if that cannot be proved.

    To be asked once, when the connection is accepted.
    """
    try:
        if sock.family == socket.AF_UNIX:
            return int(_UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1])
        uid = peer_uid(sock.getpeername()[:2], sock.getsockname()[:2])
        # Asked last: as our side is still established, no other socket can have taken the peer's place.
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except (OSError, AttributeError):
        return None  # it is gone, or not on this machine, or this system does not tell
    return uid if state == _ESTABLISHED else None


def peer_key(uid: int | None, address: str | None) -> str:
    """Who a connection is counted for: a user of this machine, or an address (of IPv6 the network)."""
    if uid is not None:
        return f"user {uid}"
    if address is None:
        return "unknown"
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ascii(address)
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def works() -> bool:
    """Whether this machine tells: tried on a connection of our own."""
    with socket.socket() as server, socket.socket() as client:
        try:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            client.connect(server.getsockname())
            if peer_uid(client.getsockname(), server.getsockname()) != os.getuid():
                return False
            return not _stands_for_others()
        except OSError:
            return False


def _stands_for_others() -> bool:
    """Whether this user's number is the one that stands for all users whom a user namespace does not know."""
    with open("/proc/sys/kernel/overflowuid") as number, open("/proc/self/uid_map") as ranges:
        mapped = sum(int(line.split()[2]) for line in ranges)
        return int(number.read()) == os.getuid() and mapped < (1 << 32) - 1
