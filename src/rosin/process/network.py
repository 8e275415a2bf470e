# SPDX-License-Identifier: LGPL-3.0-or-later
"""The addresses of this host, as the system tells them: the only place that asks."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import NamedTuple

#: More addresses than any host has: a list that goes on for longer is not followed.
_MOST = 4096


class Address(NamedTuple):
    """An address that an interface has; ``ip`` without a zone."""

    interface: str
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses() -> list[Address]:
    """All addresses of all interfaces, in the system's order. Raises OSError."""
    import ctypes

    class Entry(ctypes.Structure):
        pass

    Entry._fields_ = [
        ("next", ctypes.POINTER(Entry)),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
        ("netmask", ctypes.c_void_p),
        ("other", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    ]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.freeifaddrs.argtypes = [ctypes.c_void_p]
    first = ctypes.POINTER(Entry)()
    if libc.getifaddrs(ctypes.byref(first)):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot list this host's network interfaces: errno {number}")
    found = []
    try:
        at = first
        for _ in range(_MOST):
            if not at:
                break
            entry = at.contents
            ip = _ip(entry.address, ctypes.string_at) if entry.address else None
            if ip is not None:
                found.append(Address(entry.name.decode(errors="replace"), ip))
            at = entry.next
    finally:
        libc.freeifaddrs(first)
    return found


def _ip(address: int, read: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """What a ``struct sockaddr`` at this place of the memory holds, if that is an Internet address."""
    assert callable(read)
    head = read(address, 2)
    family = int.from_bytes(head, sys.byteorder) if sys.platform.startswith("linux") else head[1]
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(read(address + 4, 4))
    if family == socket.AF_INET6:
        return ipaddress.IPv6Address(read(address + 8, 16))
    return None


def default_interface(table: str = "/proc/net/route") -> str | None:
    """The interface of the IPv4 default route; None if there is none, or where it cannot be known."""
    try:
        with open(table, encoding="ascii", errors="replace") as stream:
            lines = stream.read(1 << 20).splitlines()
    except OSError:
        return None
    for line in lines[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000":
            return words[0]
    return None


def hostname() -> str:
    """What the system calls this host."""
    return socket.gethostname()


def resolve(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of a host by its name, in the resolver's order. Raises OSError that names it."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise OSError(exc.errno, f"cannot resolve the host name {host}: {exc.strerror}") from None
    except UnicodeError:
        raise OSError(socket.EAI_NONAME, f"cannot resolve the host name {host}: it is none") from None
    return [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
