# SPDX-License-Identifier: LGPL-3.0-or-later
"""overlay.drain: whether what was sent to a client of another broker has been taken there."""

import asyncio
import errno
from contextlib import asynccontextmanager

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.remote.protocol import drain_request
from rosin.testing.tree import InstanceTree


class Kept(BrokerModule):
    """Keeps a request."""

    name = "kept"

    @request_handler("get", allow_guest=True)
    def get(self, msg):
        self.msg = msg
        return DEFERRED


class Reader:
    """A client of a rank that reads when the test says."""

    def __init__(self, brokers, handle):
        self.brokers = brokers
        self.handle = handle
        self._reads = asyncio.Event()
        handle.client.drained = self._reads.wait

    def read(self):
        self._reads.set()

    async def way_from(self, rank):
        """The payload of a question of who answers the client on this rank."""
        self.handle.rpc("kept.get", {}, rank)
        await self.brokers.settle()
        return drain_request(self.brokers[rank].broker.modules["kept"].msg)


@asynccontextmanager
async def chain(at=0, userid=None):
    """Four brokers, each below the one before; and a client of one."""
    async with InstanceTree(4, [Kept], topo="kary:1") as brokers:
        yield brokers, Reader(brokers, await brokers.connect(at, userid))


@pytest.mark.parametrize(("at", "rank"), [(0, 3), (3, 0), (1, 2), (2, 1), (2, 2)])
async def test_it_waits_for_the_client_wherever_that_is(at, rank):
    async with chain(at) as (brokers, reader):
        way = await reader.way_from(rank)
        asked = asyncio.ensure_future((await brokers.connect(rank)).rpc("overlay.drain", way))
        await brokers.settle()
        assert not asked.done()
        reader.read()
        assert (await asked)["share"] == 64 << 20


async def test_those_who_wait_for_the_same_client_share():
    async with chain() as (brokers, reader):
        asked = []
        for rank in (1, 2, 3, 0):
            way = await reader.way_from(rank)
            asked.append(asyncio.ensure_future((await brokers.connect(rank)).rpc("overlay.drain", way)))
        await brokers.settle()
        reader.read()
        assert [answer["share"] for answer in await asyncio.gather(*asked)] == [16 << 20] * 4
        again = await (await brokers.connect(3)).rpc("overlay.drain", await reader.way_from(3))
        assert again["share"] == 64 << 20


@pytest.mark.parametrize("how", ["client", "link"])
async def test_nobody_waits_for_who_is_gone(how):
    async with chain() as (brokers, reader):
        way = await reader.way_from(3)
        asked = asyncio.ensure_future((await brokers.connect(3)).rpc("overlay.drain", way))
        await brokers.settle()
        if how == "link":
            brokers.network.cut(1, 2)
        else:
            await reader.handle.close()
            await brokers.settle()
            asked = (await brokers.connect(3)).rpc("overlay.drain", way)
        assert (await asked)["share"] == 64 << 20


async def test_a_way_leads_on_or_nowhere():
    """Brokers do not pass on to each other what somebody has made up."""
    async with chain() as (brokers, _reader):
        uuids = [each.broker.uuid.decode() for each in brokers]
        h = await brokers.connect(1, 4242)  # a guest's job may have a shell that asks
        before = dict(brokers.network.passed)
        for route in ([], ["x"], ["\x00", "\xff"], ["ā"], [uuids[1]] * 1000):
            assert (await h.rpc("overlay.drain", {"route": route}))["share"]
        assert (await h.rpc("overlay.drain", {"route": [uuids[0], uuids[1]] * 500 + [uuids[0]]}))["share"]
        await brokers.settle()
        passed = {way: count - before[way] for way, count in brokers.network.passed.items()}
        assert passed[1, 0] == passed[0, 1] == 1
        assert passed.get((1, 2), 0) == 0
        for wrong in (None, 7, [7], "x"):
            with pytest.raises(OSError, match="route") as caught:
                await h.rpc("overlay.drain", {"route": wrong})
            assert caught.value.errno == errno.EPROTO


@pytest.mark.parametrize(
    "answer", [errno.ENOSYS, errno.EIO, {}, {"share": 0}, {"share": 1 << 40}, {"share": 5}]
)
async def test_a_broker_on_the_way_that_answers_otherwise(monkeypatch, answer):
    """flux-core's does not know the question."""
    async with chain() as (brokers, reader):
        way = await reader.way_from(3)
        overlay = brokers[1].broker.modules["overlay"]

        async def drain(_msg):
            if isinstance(answer, int):
                raise OSError(answer, "not here")
            return answer

        monkeypatch.setattr(overlay._methods["overlay.drain"], "func", drain)
        asked = (await brokers.connect(3)).rpc("overlay.drain", way)
        if answer in (errno.ENOSYS, {"share": 5}):
            assert (await asked)["share"] == (64 << 20 if answer == errno.ENOSYS else 5)
        else:
            with pytest.raises(OSError, match=r"not here|share"):
                await asked
