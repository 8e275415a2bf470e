# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the system says of this host's network."""

import ctypes
import ipaddress
import socket
import sys

import pytest

from rosin.process import network


def test_every_host_has_a_loopback_address():
    found = network.addresses()
    assert ("lo", ipaddress.ip_address("127.0.0.1")) in found
    assert {each.interface for each in found} <= {name for _, name in socket.if_nameindex()}


@pytest.mark.parametrize(
    ("family", "data", "ip"),
    [
        (socket.AF_INET, b"\0\0\x0a\1\2\3", "10.1.2.3"),
        (socket.AF_INET6, b"\0\0\0\0\0\0" + bytes(15) + b"\1", "::1"),
        (17, b"\0\0" + bytes(range(18)), None),  # of a network card
    ],
)
def test_addresses_in_memory(family, data, ip):
    memory = ctypes.create_string_buffer(family.to_bytes(2, sys.byteorder) + data)
    found = network._ip(ctypes.addressof(memory), ctypes.string_at)
    assert found == (ip and ipaddress.ip_address(ip))


def test_the_default_interface_is_one_of_this_host():
    assert network.default_interface() in {None, *(name for _, name in socket.if_nameindex())}


HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
NET = "eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#: 0.0.0.0/1, half of a default route as VPNs set it: it begins with 0, and is none.
HALF = "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
DEFAULT = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HEAD + NET + DEFAULT, "eth0"),
        (HEAD + HALF + DEFAULT, "eth0"),
        (HEAD + NET, None),
        (HEAD, None),
        ("", None),
        (HEAD + "\n" + "x\n", None),
    ],
)
def test_the_table_of_routes(monkeypatch, tmp_path, text, name):
    (tmp_path / "route").write_text(text)
    assert network.default_interface(str(tmp_path / "route")) == name
    assert network.default_interface(str(tmp_path / "none")) is None


def test_names():
    assert ipaddress.ip_address("127.0.0.1") in network.resolve("localhost")
    assert network.resolve("::1") == [ipaddress.ip_address("::1")]
    assert network.hostname() == socket.gethostname()


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 80, "a..b"])
def test_a_name_that_means_nothing(name):
    with pytest.raises(OSError) as info:
        network.resolve(name)
    assert str(info.value.strerror).startswith(f"cannot resolve the host name {name}: ")
