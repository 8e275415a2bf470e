# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which address of a host others are told: by vectors."""

from ipaddress import ip_address

import pytest

from rosin.broker.overlay.bootstrap.interface import HostNetwork, choose, hint, tcp_uri
from rosin.errors import FormatError
from rosin.process.network import Address

ADDRESSES = [
    Address("lo", ip_address("127.0.0.1")),
    Address("eth0", ip_address("10.1.2.3")),
    Address("ib0", ip_address("192.168.7.9")),
    Address("lo", ip_address("::1")),
    Address("eth0", ip_address("fe80::1")),
    Address("eth0", ip_address("2001:db8::3")),
    Address("six", ip_address("fe80::2")),
    Address("six", ip_address("2001:db8:6::1")),
    Address("bare", ip_address("fe80::4")),
]
BY_NAME = [ip_address("fe80::9"), ip_address("2001:db8::99"), ip_address("127.0.1.1")]


def never():
    raise AssertionError("not to be asked for")


def host(default="eth0", by_name=BY_NAME, addresses=ADDRESSES):
    return HostNetwork(lambda: addresses, lambda: default, "node1", lambda: by_name)


@pytest.mark.parametrize(
    ("wanted", "ipv6", "chosen"),
    [
        ("default-route", False, "10.1.2.3"),
        ("default-route", True, "2001:db8::3"),
        ("hostname", False, "127.0.1.1"),
        ("hostname", True, "2001:db8::99"),
        ("ib0", False, "192.168.7.9"),
        ("ib0", True, "192.168.7.9"),
        ("six", False, "2001:db8:6::1"),
        ("lo", True, "::1"),
        ("192.168.0.0/16", False, "192.168.7.9"),
        ("192.168.7.1/24", False, "192.168.7.9"),
        ("192.168.0.0/16", True, "192.168.7.9"),
        ("10.1.2.3", False, "10.1.2.3"),
        ("0.0.0.0/0", False, "127.0.0.1"),
        ("2001:db8::/64", False, "2001:db8::3"),
    ],
)
def test_the_choice(wanted, ipv6, chosen):
    assert str(choose(wanted, host(), ipv6=ipv6)) == chosen


@pytest.mark.parametrize("default", [None, "bare", "gone"])
def test_without_an_address_at_the_default_route_the_name_counts(default):
    assert str(choose("default-route", host(default))) == "127.0.1.1"


def test_only_what_is_needed_is_asked_for():
    assert str(choose("ib0", HostNetwork(lambda: ADDRESSES, never, "node1", never))) == "192.168.7.9"
    assert str(choose("hostname", HostNetwork(never, never, "node1", lambda: BY_NAME))) == "127.0.1.1"
    assert (
        str(choose("default-route", HostNetwork(never, lambda: None, "node1", lambda: BY_NAME)))
        == "127.0.1.1"
    )


@pytest.mark.parametrize(
    ("wanted", "where", "error"),
    [
        ("eth9", host(), "tbon.interface-hint=eth9: expected default-route, hostname, a network"),
        ("bare", host(), "or an interface with an address, which are lo (127.0.0.1), eth0 (10.1.2.3)"),
        ("172.16.0.0/12", host(), "tbon.interface-hint=172.16.0.0/12: this host is not in that network"),
        ("10.0.0.0/33", host(), "tbon.interface-hint=10.0.0.0/33: expected default-route"),
        ("eth0", host(addresses=[]), "which are none"),
        ("hostname", host(by_name=[]), "there is no default route, and node1 has no address"),
        ("default-route", host(None, []), "there is no default route, and node1 has no address"),
    ],
)
def test_no_such_network(wanted, where, error):
    with pytest.raises(FormatError) as info:
        choose(wanted, where)
    assert error in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("given", "pmi", "config", "environ", "expected"),
    [
        ({}, None, {}, {}, "default-route"),
        ({}, None, {}, {"FLUX_IPADDR_HOSTNAME": ""}, "hostname"),
        ({}, None, {}, {"FLUX_IPADDR_INTERFACE": "ib0", "FLUX_IPADDR_HOSTNAME": "1"}, "ib0"),
        ({}, None, {"tbon": {"interface-hint": "eth0"}}, {"FLUX_IPADDR_INTERFACE": "ib0"}, "eth0"),
        ({}, "eth1", {"tbon": {"interface-hint": "eth0"}}, {}, "eth1"),
        ({"tbon.interface-hint": "eth2"}, "eth1", {"tbon": {"interface-hint": "eth0"}}, {}, "eth2"),
    ],
)
def test_what_the_hint_is(given, pmi, config, environ, expected):
    assert hint(given, pmi, config, environ) == expected


def test_an_address_of_zeromq():
    assert tcp_uri(ip_address("10.1.2.3")) == "tcp://10.1.2.3:*"
    assert tcp_uri(ip_address("2001:db8::3")) == "tcp://[2001:db8::3]:*"
