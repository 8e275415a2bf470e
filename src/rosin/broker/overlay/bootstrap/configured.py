# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers whose hosts are listed in the configuration, table ``[bootstrap]``: nobody has to be asked."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

from rosin.broker import attrtable
from rosin.broker.overlay.bootstrap import endpoints, interface
from rosin.broker.overlay.bootstrap.card import Card
from rosin.broker.overlay.bootstrap.hosts import BootstrapSettings, BrokerHost
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ConfiguredBootstrap:
    """A :class:`~rosin.broker.overlay.bootstrap.Bootstrap` by the configuration file of each host.

    A broker may come late or go and come again, so nobody waits for all.
    """

    method = "config"

    def __init__(
        self, config: Mapping[str, Any], attrs: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        """Raises OSError if the table is wrong or this host is not in it."""
        self._hostname = attrs.get("hostname") or socket.gethostname()
        try:
            settings = BootstrapSettings.parse(config)
            self.rank = settings.rank(self._hostname)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        self._settings = settings
        self._brokers = settings.brokers or [BrokerHost(self._hostname)]
        self.size = len(self._brokers)
        self.curve_cert = settings.curve_cert
        self.ipv6 = settings.enable_ipv6
        self._config, self._attrs, self._environ = config, attrs, environ
        self.notices: list[str] = []

    def topology(self, shape: str) -> Sequence[int | None] | None:
        """The ranks above each, by the keys ``parent``, if the tree is to be ``custom``."""
        return self._settings.parents() if shape == "custom" else None

    async def begin(self) -> dict[str, str]:
        """Return the attributes that follow from the list."""
        attrs = {
            "instance-level": "0",
            "broker.mapping": endpoints.one_each(self.size),
            interface.NAME: interface.hint(self._attrs, None, self._config, self._environ),
        }
        if "hostlist" not in self._attrs:
            attrs["hostlist"] = self._settings.hostlist() or self._hostname
        configured = attrtable.configured(self._config)
        if not {"tbon.topo", "tbon.fanout"} & self._attrs.keys() and "tbon.topo" not in configured:
            attrs["tbon.topo"] = "custom"
        return attrs

    def endpoints(self, children: Sequence[int], attrs: Mapping[str, str]) -> list[str]:
        """Where to listen; nowhere in recovery mode. Raises OSError if the list does not say it."""
        if not children or "broker.recovery-mode" in attrs:
            return []
        bind = self._brokers[self.rank].bind
        if bind is None:
            raise self._missing(self.rank, "bind")
        return [bind]

    async def exchange(self, card: Card, ranks: Iterable[int]) -> dict[int, Card]:
        """This broker's card and those of *ranks*: all have one certificate. Raises OSError."""
        if card.uris and self._brokers[self.rank].connect is None:
            raise self._missing(self.rank, "connect")
        cards = {}
        for rank in (self.rank, *ranks):
            broker = self._brokers[rank]
            cards[rank] = Card(broker.host, card.public_key, [broker.connect] if broker.connect else [])
        return cards

    async def reach(self, rank: int, attrs: Mapping[str, str]) -> str:
        """Where others connect to a rank. Raises OSError if the list does not say it."""
        connect = self._brokers[rank].connect
        if connect is None:
            raise self._missing(rank, "connect")
        notice = await unresolved(connect)
        if notice:
            self.notices.append(notice)
        return connect

    def _missing(self, rank: int, key: str) -> OSError:
        return OSError(
            errno.EINVAL,
            f"bootstrap.hosts: {self._brokers[rank].host} (rank {rank}) has brokers below it and needs "
            f'{key}, or bootstrap.default_{key}, such as "tcp://{"%h" if key == "connect" else "eth0"}:%p"',
        )

    async def finish(self) -> dict[str, str]:
        """Nobody is to be told."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


async def unresolved(uri: str) -> str | None:
    """What is wrong with the host of an address to connect to, which ZeroMQ would try for ever, silently."""
    scheme, _, rest = uri.partition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if scheme != "tcp" or not host:
        return None
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return f"{uri}: cannot resolve {host}: {getattr(exc, 'strerror', None) or exc}"
    return None
