# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where deliveries go: a URL, and of its addresses those that one may make this server talk to.

A server that calls any URL can be used to reach what only it can: itself, services of its network, the
metadata of its cloud. Addresses are looked at when they have been resolved, and these are connected to, so
that a name which changes meanwhile leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_LONGEST = 2048
#: Networks of IPv6 with IPv4 addresses inside, which lead who knows where.
_TUNNELS = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "::/96"))
)
_MOST_ADDRESSES = 8
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart."""

    url: str
    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def parse_url(text: str) -> Target:
    """A URL to deliver to. Raises ValueError."""
    example = "such as https://example.org/hook"
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError(f"url: expected at most {_LONGEST} characters of a URL, {example}")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname
    except ValueError as exc:
        raise ValueError(f"url: {exc}; {example}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError(f"url: expected https:// or http:// and a host, {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: a name and password do not belong into it: the secret signs deliveries")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(text, secure, host.rstrip("."), port or (443 if secure else 80), path)


def allowed(address: Address, networks: Networks) -> bool:
    """Whether an address is one of the internet, or in a network that the operator allows."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if any(address in network for network in networks):
        return True
    if address.version == 6 and any(address in network for network in _TUNNELS):
        return False
    return address.is_global and not address.is_multicast


async def resolve(target: Target, networks: Networks) -> list[str]:
    """The addresses of a target to connect to. Raises OSError if it has none that may be."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise OSError(f"{target.host}: no name server answers") from None
    except (OSError, UnicodeError) as exc:
        raise OSError(f"{target.host}: {getattr(exc, 'strerror', None) or 'not a host name'}") from None
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    good = [text for text in addresses if "%" not in text and allowed(ipaddress.ip_address(text), networks)]
    if not good:
        where = addresses[0] if addresses else "nowhere"
        text = (
            f"{target.host} is {where}, which is no address of the internet (see rosin serve --allow-webhook)"
        )
        raise OSError(text)
    return good[:_MOST_ADDRESSES]
