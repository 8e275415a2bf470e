# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whose events and requests reach a handler (RFC 12): the owner's, and a guest's only where it says so."""

import pytest

from rosin.broker.module import BrokerModule, event_handler, request_handler
from rosin.constants import FLUX_MSGTYPE_EVENT
from rosin.rfc.message import Message
from rosin.testing import Instance

GUEST = 5500


class Listener(BrokerModule):
    """Hears events in all the ways in which a module can."""

    name = "listener"

    async def start(self) -> None:
        self.heard: list[str] = []
        await self.h.event_subscribe("by-handle")
        self.h.on_event("by-handle.owner", lambda msg: self.heard.append(msg.topic))
        self.h.on_event("by-handle.all", lambda msg: self.heard.append(msg.topic), allow_guest=True)

    @event_handler("owner")
    def owners(self, msg: Message) -> None:
        self.heard.append(msg.topic)

    @event_handler("all", allow_guest=True)
    def everybodys(self, msg: Message) -> None:
        self.heard.append(msg.topic)

    @request_handler("heard")
    def tell(self, _msg: Message) -> dict[str, list[str]]:
        return {"heard": self.heard}


async def test_a_module_hears_the_owner_unless_it_says_otherwise() -> None:
    async with Instance([Listener]) as inst:
        guest, owner = await inst.connect(userid=GUEST), await inst.connect()
        topics = ["owner.1", "all.1", "by-handle.owner", "by-handle.all", "listener.stats-clear"]
        for topic in topics:
            await guest.publish(topic)
            guest.event_send(topic)
        await inst.settle()
        heard = (await owner.rpc("listener.heard"))["heard"]
        assert sorted(heard) == ["all.1", "all.1", "by-handle.all", "by-handle.all"]
        listener: Listener = inst.broker.modules["listener"]  # type: ignore[assignment]
        listener.heard.clear()
        received = listener.h.counts["rx"][2]
        for topic in topics[:4]:
            await owner.publish(topic)
        await inst.settle()
        assert listener.heard == topics[:4]
        assert listener.h.counts["rx"][2] == received + 4  # the guest's stats-clear cleared nothing


async def test_a_client_hears_the_owner_unless_it_says_otherwise() -> None:
    async with Instance() as inst:
        guest, owner, client = await inst.connect(userid=GUEST), await inst.connect(), await inst.connect()
        await client.event_subscribe("")
        heard: list[tuple[str, int]] = []

        def hear(msg: Message) -> None:
            heard.append((msg.topic, msg.userid))

        client.on_event("owner", hear)
        client.on_event("all", hear, allow_guest=True)
        client.on_message(hear, FLUX_MSGTYPE_EVENT, "watched.*")
        client.on_message(hear, FLUX_MSGTYPE_EVENT, "shown.*", allow_guest=True)
        topics = ["owner", "all", "watched.x", "shown.x"]
        for publisher in (guest, owner):
            for topic in topics:
                await publisher.publish(topic)
        await inst.settle()
        mine = owner.userid
        assert heard == [("all", GUEST), ("shown.x", GUEST), *((topic, mine) for topic in topics)]
        assert client.events.empty()  # what was dropped is not left for others


async def test_a_service_of_a_client_serves_the_owner_unless_it_says_otherwise() -> None:
    async with Instance() as inst:
        guest, owner, server = await inst.connect(userid=GUEST), await inst.connect(), await inst.connect()
        await server.service_register("calc")
        server.on_request("calc.mine", lambda msg: server.respond(msg, {"userid": msg.userid}))
        server.on_request(
            "calc.ours", lambda msg: server.respond(msg, {"userid": msg.userid}), allow_guest=True
        )
        with pytest.raises(PermissionError, match="owner credentials"):
            await guest.rpc("calc.mine")
        assert (await guest.rpc("calc.ours"))["userid"] == GUEST
        assert (await owner.rpc("calc.mine"))["userid"] == owner.userid
