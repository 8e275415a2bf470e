# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers as processes to which something happens, as ``python -m benchmarks.chaos_hosts`` does it."""

import subprocess
import sys

import pytest

from rosin.testing import hostnet
from rosin.testing.chaos.hosts import HostChaos

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

namespaces = pytest.mark.skipif(not hostnet.possible(), reason="needs namespaces and TUN devices")


@pytest.mark.parametrize("kind", ["leaf", "root"])
def test_a_broker_is_killed(kind, tmp_path):
    with HostChaos(1, str(tmp_path), [0, 0], [kind], jobs=5) as chaos:
        chaos.round()
        assert chaos.problems == []
        assert len(chaos.ids) > 5


@namespaces
def test_a_host_is_cut_off(tmp_path):
    with HostChaos(1, str(tmp_path), [0, 0], ["one-way"], jobs=3) as chaos:
        chaos.round()
        assert chaos.problems == []


@namespaces
def test_packets_are_delayed_and_lost():
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 9), 0.5)"

    def why(network):
        words = ["ip", "netns", "exec", network.namespace(0), sys.executable, "-c", connect]
        done = subprocess.run([*words, hostnet.address(1)], capture_output=True, text=True, check=False)
        return done.stderr.splitlines()[-1].partition(":")[0]

    with hostnet.TunNetwork(2) as network:
        assert why(network) == "ConnectionRefusedError"
        network.loss = {(1, 0): 1.0}
        assert why(network) == "TimeoutError"
        network.heal()
        network.delay = {(0, 1): 0.3, (1, 0): 0.3}
        assert why(network) == "TimeoutError"
        network.heal()
        assert why(network) == "ConnectionRefusedError"
