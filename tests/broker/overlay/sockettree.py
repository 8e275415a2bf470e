# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers of three ranks that are joined by real sockets, one of whom the test plays."""

import asyncio

from rosin.broker.module import BrokerModule, event_handler, request_handler
from rosin.broker.overlay.boot import boot
from rosin.broker.overlay.bootstrap import Card
from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.overlay.zmq import ZmqTransport
from rosin.testing.bootstrap import MemoryBootstrap
from rosin.testing.instance import Instance


class Where(BrokerModule):
    """Answers with what it knows of who asks, and keeps the numbers of events."""

    name = "where"

    async def start(self):
        self.seen = []
        self.gate = asyncio.Event()

    @request_handler("wait")
    async def wait(self, _msg):
        await self.gate.wait()
        return {"rank": self.h.rank}

    @request_handler("get", allow_guest=True)
    def get(self, msg):
        return {"rank": self.h.rank, "rolemask": msg.rolemask, "userid": msg.userid}

    @event_handler("pulse", allow_guest=True)
    def pulse(self, msg):
        self.seen.append(msg.seq)


class SocketBootstrap(MemoryBootstrap):
    """Brokers in a directory; their cards are in a dictionary."""

    def __init__(self, rank, size, directory, cards, ready):
        super().__init__(rank, size)
        self._directory = directory
        self._cards = cards
        self._ready = ready

    def endpoints(self, children, _attrs):
        return [f"ipc://{self._directory}/tbon-{self.rank}"] if children else []

    async def exchange(self, card, ranks):
        self._cards.setdefault(self.rank, card)
        ranks = {self.rank, *ranks}
        while not ranks <= self._cards.keys():
            await asyncio.sleep(0)
        return {rank: self._cards[rank] for rank in ranks}

    async def finish(self):
        """Who is above knows the key of this one."""
        self._ready.add(self.rank)
        while 0 not in self._ready:
            await asyncio.sleep(0)
        return {}

    async def reach(self, rank, _attrs):
        return self._cards[rank].uris[0]


class Tree:
    """Brokers of three ranks, those of which are missing that the test plays."""

    def __init__(self, directory, played):
        self.directory = directory
        self.certs = {played: BrokerCertificate.generate()}
        self.ready = set()
        uris = [f"ipc://{directory}/tbon-0"] if played == 0 else []
        self.cards = {played: Card(f"host{played}", self.certs[played].public, uris)}
        self.brokers = {
            rank: Instance(
                [Where],
                rank=rank,
                size=3,
                attrs={"hostname": f"host{rank}", "hostlist": "host[0-2]", "tbon.topo": "kary:0"},
            )
            for rank in range(3)
            if rank != played
        }

    async def start(self):
        for instance in self.brokers.values():
            await instance.__aenter__()
        await asyncio.gather(*(self._join(rank) for rank in self.brokers))

    async def _join(self, rank):
        broker = self.brokers[rank].broker
        bootstrap = SocketBootstrap(rank, 3, self.directory, self.cards, self.ready)
        await boot(broker.modules["overlay"], bootstrap, ZmqTransport(broker.complain))

    async def stop(self):
        for rank in sorted(self.brokers, reverse=True):
            await self.brokers[rank].stop()

    def where(self, rank):
        return self.brokers[rank].broker.modules["where"]

    def logged(self, rank, text):
        return [line for line in self.brokers[rank].logged() if text in line]
