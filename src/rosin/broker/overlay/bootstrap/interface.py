# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which of this host's addresses other brokers connect to: ``tbon.interface-hint``. Pure.

The hint is ``default-route`` (the interface of the default route, or without one the host's name),
``hostname`` (what this host's name means), the name of an interface, or a network in CIDR notation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker import attrtable
from rosin.errors import FormatError

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Mapping, Sequence

    from rosin.process.network import Address

    Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

NAME = "tbon.interface-hint"
DEFAULT_ROUTE, HOSTNAME = "default-route", "hostname"


class HostNetwork(NamedTuple):
    """What there is to choose from; each is asked for only when it is needed."""

    addresses: Callable[[], Sequence[Address]]
    #: The interface of the default route.
    default_interface: Callable[[], str | None]
    name: str
    #: The addresses of the host's name.
    by_name: Callable[[], Sequence[Ip]]


def hint(
    given: Mapping[str, str], pmi: str | None, config: Mapping[str, object], environ: Mapping[str, str]
) -> str:
    """The hint: as given, else as the enclosing instance says, the configuration, or old variables."""
    old = environ.get("FLUX_IPADDR_INTERFACE") or (HOSTNAME if "FLUX_IPADDR_HOSTNAME" in environ else None)
    for value in (given.get(NAME), pmi, attrtable.configured(config).get(NAME), old):
        if value:
            return str(value)
    return DEFAULT_ROUTE


def choose(hint: str, host: HostNetwork, *, ipv6: bool = False) -> Ip:
    """The address; one of the other family if there is none of the wanted one. Raises FormatError."""
    if hint == HOSTNAME:
        return _of_name(host, ipv6)
    if hint == DEFAULT_ROUTE:
        interface = host.default_interface()
        address = _preferred(_at(interface, host.addresses()), ipv6) if interface else None
        return _of_name(host, ipv6) if address is None else address
    addresses = host.addresses()
    address = _preferred(_at(hint, addresses), ipv6)
    if address is None:
        network = _network(hint, addresses)
        address = _preferred([each.ip for each in addresses if each.ip in network], ipv6)
    if address is None:
        raise FormatError(f"{NAME}={hint}: this host is not in that network; it has {_known(addresses)}")
    return address


def _at(interface: str, addresses: Sequence[Address]) -> list[Ip]:
    return [each.ip for each in addresses if each.interface == interface]


def _network(hint: str, addresses: Sequence[Address]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    import ipaddress

    try:
        return ipaddress.ip_network(hint, strict=False)
    except ValueError:
        raise FormatError(
            f"{NAME}={hint}: expected {DEFAULT_ROUTE}, {HOSTNAME}, a network such as 10.0.0.0/8, or an "
            f"interface with an address, which are {_known(addresses)}"
        ) from None


def _known(addresses: Sequence[Address]) -> str:
    names = [f"{each.interface} ({each.ip})" for each in addresses if not each.ip.is_link_local]
    return ", ".join(names[:16]) or "none"


def _of_name(host: HostNetwork, ipv6: bool) -> Ip:
    address = _preferred(host.by_name(), ipv6)
    if address is None:
        raise FormatError(
            f"{NAME}: there is no default route, and {host.name} has no address; "
            f"name an interface or a network: -S{NAME}=10.0.0.0/8"
        )
    return address


def _preferred(found: Sequence[Ip], ipv6: bool) -> Ip | None:
    """The first of the wanted family, else the first; one that is valid on one link alone is none."""
    usable = [ip for ip in found if not (ip.version == 6 and ip.is_link_local)]
    wanted = [ip for ip in usable if (ip.version == 6) == ipv6]
    return next(iter(wanted or usable), None)


def tcp_uri(ip: Ip) -> str:
    """Where to bind for an address: any port of it. ZeroMQ wants brackets around IPv6."""
    return f"tcp://[{ip}]:*" if ip.version == 6 else f"tcp://{ip}:*"
