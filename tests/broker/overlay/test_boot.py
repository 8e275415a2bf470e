# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the attributes of a broker make of the links to others."""

import asyncio

import pytest
import zmq

from rosin.broker.overlay.boot import boot, zeromq
from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.services.overlay import OverlayService
from rosin.testing import Instance
from rosin.testing.bootstrap import MemoryBootstrap
from rosin.testing.tree import InstanceTree

USUAL = {
    "tbon.zmq_io_threads": "1",
    "tbon.child_rcvhwm": "0",
    "tbon.tcp_user_timeout": "20s",
    "tbon.connect_timeout": "30s",
    "tbon.zmqdebug": "0",
}


async def test_the_sockets_are_as_the_attributes_say():
    async with Instance(attrs=USUAL) as inst:
        usual = zeromq(inst.broker, ipv6=False)
        assert (usual._io_threads, usual._user_timeout, usual._connect_timeout) == (1, 20_000, 30_000)
        assert (usual._child_rcvhwm, usual._ipv6, usual.trace) == (256, False, None)
    changed = {
        "tbon.zmq_io_threads": "3",
        "tbon.child_rcvhwm": "7",
        "tbon.tcp_user_timeout": "2s",
        "tbon.connect_timeout": "0s",
        "tbon.zmqdebug": "1",
    }
    async with Instance(attrs=changed) as inst:
        other = zeromq(inst.broker, ipv6=True)
        assert (other._io_threads, other._user_timeout, other._connect_timeout) == (3, 2_000, 0)
        assert (other._child_rcvhwm, other._ipv6) == (7, True)
        assert other.trace is not None
        other.trace("a socket is open")
        assert any("a socket is open" in line for line in inst.logged())


@pytest.mark.parametrize(
    ("timeout", "probe"), [("20s", (1, 10, 10)), ("0.5s", (1, 1, 1)), ("0s", (-1, -1, -1))]
)
async def test_silent_connections_are_probed_as_long_as_may_be_unacknowledged(timeout, probe):
    async with Instance(attrs={**USUAL, "tbon.tcp_user_timeout": timeout}) as inst:
        transport = zeromq(inst.broker, ipv6=False)
        transport.begin()
        try:
            for kind in (zmq.ROUTER, zmq.DEALER):
                with transport.socket(kind, BrokerCertificate.generate()) as socket:
                    options = (zmq.TCP_KEEPALIVE, zmq.TCP_KEEPALIVE_IDLE, zmq.TCP_KEEPALIVE_INTVL)
                    assert tuple(map(socket.getsockopt, options)) == probe
        finally:
            transport.end()


@pytest.mark.parametrize("shape", ["ring", "kary:x", "mincrit:-1"])
async def test_a_shape_that_is_none(shape):
    async with Instance(attrs={"tbon.topo": shape}, size=3) as inst:
        service = inst.broker.modules["overlay"]
        assert isinstance(service, OverlayService)
        with pytest.raises(OSError, match=r"tbon\.topo"):
            await boot(service, MemoryBootstrap(0, 3), None)


async def test_signs_of_life_come_as_often_as_asked_and_only_then():
    async with InstanceTree(2, attrs={"tbon.torpid_min": "1s", "tbon.torpid_max": "3s"}) as tree:
        network = tree.network
        before = network.passed[1, 0]
        await tree.advance(10.5)
        assert network.passed[1, 0] - before == 10
        network.partition({1})
        await tree.advance(4)
        assert tree.logged(0, "broker on host1 (rank 1) has been unresponsive for")
        network.heal()
        await asyncio.sleep(0)
