# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules take some of what has arrived at a time."""

import asyncio

from rosin.broker.module import BrokerModule, request_handler
from rosin.testing.instance import Instance


class Patient(BrokerModule):
    """Notes what it gets."""

    name = "patient"

    async def start(self):
        self.seen = []

    @request_handler("note")
    def note(self, msg):
        self.seen.append(msg.args["number"])


async def test_many_requests_for_a_module_leave_others_their_turn(monkeypatch):
    async with Instance([Patient]) as inst:
        h = await inst.connect()
        peer = inst.broker.modules.peers["patient"]
        drains, drain = [], peer._drain
        monkeypatch.setattr(peer, "_drain", lambda: (drains.append(1), drain()))
        monkeypatch.setattr("rosin.broker.module_peer.SECONDS", 0.0)
        peer.defer(True)
        answers = [h.rpc("patient.note", {"number": number}) for number in range(40)]
        await inst.settle()
        peer.defer(False)
        await asyncio.gather(*answers)
        assert peer.module.seen == list(range(40))
        assert len(drains) == 14  # three at a time
