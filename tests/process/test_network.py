# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the system says of this host's network."""

import ipaddress
import socket

import pytest

from rosin.process import network


def test_every_host_has_a_loopback_address():
    found = network.addresses()
    assert ("lo", ipaddress.ip_address("127.0.0.1")) in found
    assert {each.interface for each in found} <= {name for _, name in socket.if_nameindex()}


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
