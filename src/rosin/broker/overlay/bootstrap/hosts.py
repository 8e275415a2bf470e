# SPDX-License-Identifier: LGPL-3.0-or-later
"""The table ``[bootstrap]`` of the configuration: the brokers of an instance, by rank.

The keys are those of flux-config-bootstrap(5). What is wrong raises FormatError, one line that names the key
and the accepted form. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import Table
from rosin.errors import FormatError, did_you_mean
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.payload import describe, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Brokers of an instance: ranks beyond it have a meaning of their own (RFC 3).
MAX_SIZE = 1 << 24
#: Bytes of a socket's path, and of a whole address.
_PATH, _URI = 108, 2048
_KEYS = ("hosts", "curve_cert", "default_port", "default_bind", "default_connect", "enable_ipv6")
_ENTRY = ("host", "bind", "connect", "parent")
#: A label of a domain name (RFC 1035); a name has at most 253 characters.
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_NAME = 253


class BrokerHost(NamedTuple):
    """A broker: its host, where it listens and others connect, and the host of the broker above."""

    host: str
    bind: str | None = None
    connect: str | None = None
    parent: str | None = None


class BootstrapSettings:
    """The table. ``brokers``: by rank; empty when it names no hosts, which is an instance of one broker."""

    def __init__(
        self, brokers: list[BrokerHost], curve_cert: str | None = None, *, enable_ipv6: bool = False
    ) -> None:
        self.brokers = brokers
        self.curve_cert = curve_cert
        self.enable_ipv6 = enable_ipv6
        self.ranks = {broker.host: rank for rank, broker in enumerate(brokers)}

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> BootstrapSettings:
        """Read them; one that is missing is empty."""
        table = Table(config, "bootstrap", _KEYS)
        port = table.integer("default_port", 0, 0, 65535) if "default_port" in table.values else None
        defaults = {key: table.get(f"default_{key}", str) for key in ("bind", "connect")}
        brokers = [
            _finished(place, entry, defaults, port)
            for place, entry in _expand(table.get("hosts", list, [])).values()
        ]
        settings = cls(
            brokers,
            table.get("curve_cert", str) or None,
            enable_ipv6=table.get("enable_ipv6", bool, False),
        )
        if len(brokers) > 1 and not settings.curve_cert:
            raise FormatError(
                "bootstrap.curve_cert: several hosts need the path of the certificate that all brokers have; "
                "rosin keygen makes one"
            )
        settings.parents()
        return settings

    def rank(self, hostname: str) -> int:
        """The rank of a host. Raises FormatError for one that is not in the list."""
        if not self.brokers:
            return 0
        rank = self.ranks.get(hostname)
        if rank is None:
            hosts = self.hostlist()
            raise FormatError(
                f"bootstrap.hosts: this host, {hostname}, is not in the list, which has "
                f"{hosts if len(hosts) <= 80 else f'{hosts[:80]}...'}; -Shostname=NAME says which one it is"
            )
        return rank

    def hostlist(self) -> str:
        """The names of all hosts, by rank (RFC 29)."""
        return Hostlist.from_names(broker.host for broker in self.brokers).encode()

    def parents(self) -> list[int | None]:
        """The rank above each: that of ``parent``, else 0. Raises FormatError if they are no tree."""
        above: list[int | None] = [None]
        for rank, broker in enumerate(self.brokers[1:], 1):
            above.append(self.ranks[broker.parent] if broker.parent else 0)
            self._check_parent(rank, broker)
        if self.brokers and self.brokers[0].parent:
            raise FormatError(
                f"bootstrap.hosts: {self.brokers[0].host} is the first of the list, the root of the tree, "
                "and cannot have a parent"
            )
        self._check_circles(above)
        return above

    def _check_parent(self, rank: int, broker: BrokerHost) -> None:
        if broker.parent and self.ranks[broker.parent] == rank:
            raise FormatError(f"bootstrap.hosts: {broker.host} cannot be its own parent")

    def _check_circles(self, above: list[int | None]) -> None:
        rooted = {0}
        for rank in range(len(above)):
            way: dict[int, None] = {}
            at = rank
            while at not in rooted:
                if at in way:
                    names = ", ".join(self.brokers[each].host for each in list(way)[:8])
                    raise FormatError(f"bootstrap.hosts: the parents of {names} run in a circle")
                way[at] = None
                up = above[at]
                assert up is not None  # only the root has none
                at = up
            rooted.update(way)


def _expand(hosts: list[Any]) -> dict[str, tuple[str, dict[str, str]]]:
    """The entry of each host and its place: of a host that comes again, the keys that it has not yet."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for number, entry in enumerate(hosts):
        place = f"bootstrap.hosts[{number}]"
        for host in _hosts(place, entry):
            _place, known = found.setdefault(host, (place, {"host": host}))
            for key, value in entry.items():
                known.setdefault(key, value)
        if len(found) > MAX_SIZE:
            raise FormatError(f"bootstrap.hosts: more than {MAX_SIZE} hosts")
    for host, (place, entry) in found.items():
        parent = entry.get("parent")
        if parent is not None and parent not in found:
            raise FormatError(f"{place}.parent: {describe(parent)} of {host} is none of the hosts")
    return found


def _hosts(place: str, entry: Any) -> Hostlist:
    if not isinstance(entry, dict):
        raise FormatError(f"{place}: expected a table, got {describe(entry)}")
    for key, value in entry.items():
        if key not in _ENTRY:
            hint = did_you_mean(key[:64], _ENTRY) or f"; known: {', '.join(_ENTRY)}"
            raise FormatError(f"{place}.{key if key.isprintable() else describe(key)}: unknown key{hint}")
        if not isinstance(value, str):
            raise FormatError(f"{place}.{key}: expected {type_name(str)}, got {describe(value)}")
    if "host" not in entry:
        raise FormatError(f'{place}.host: missing; it is the hosts of the entry, such as "node[0-7]"')
    try:
        hosts = Hostlist(entry["host"])
    except FormatError as exc:
        raise FormatError(f"{place}.host: expected a hostlist: {exc}") from None
    for host in hosts:
        if len(host) > _NAME or not all(map(_LABEL.match, host.split("."))):
            raise FormatError(
                f"{place}.host: {describe(host)} is no host name (RFC 1035): letters, digits and hyphens "
                "between dots"
            )
    return hosts


def _finished(
    place: str, entry: Mapping[str, str], defaults: Mapping[str, str | None], port: int | None
) -> BrokerHost:
    host = entry["host"]
    uris = {}
    for key in ("bind", "connect"):
        template, name = entry.get(key), f"{place}.{key}"
        if template is None:
            template, name = defaults[key], f"bootstrap.default_{key}"
        uris[key] = None if template is None else _address(name, fill(name, template, host, port))
    return BrokerHost(host, uris["bind"], uris["connect"], entry.get("parent"))


def fill(name: str, template: str, host: str, port: int | None) -> str:
    """Put ``%h``, the host, and ``%p``, the port, into an address; ``%%`` is a ``%``. Raises FormatError."""
    if "%p" in template.replace("%%", "") and port is None:
        raise FormatError(f"{name}: {describe(template)} has %p, but there is no bootstrap.default_port")
    words = {"%h": host, "%p": str(port), "%%": "%"}
    return re.sub("%[hp%]", lambda found: words[found[0]], template)


def _address(name: str, uri: str) -> str:
    """Check where a broker of the list listens or is found, which must be known before it is started."""
    scheme, found, rest = uri.partition("://")
    if not found or scheme not in ("tcp", "ipc") or not rest or len(uri) > _URI or not uri.isprintable():
        raise FormatError(
            f"{name}: expected an address such as tcp://HOST:PORT or ipc://PATH, got {describe(uri)}"
        )
    if scheme == "ipc" and len(rest.encode()) > _PATH:
        raise FormatError(f"{name}: the path of {describe(uri)} is longer than {_PATH} bytes")
    if ":*" in uri:
        raise FormatError(f"{name}: {describe(uri)} leaves the port open; others could not know it")
    return uri
