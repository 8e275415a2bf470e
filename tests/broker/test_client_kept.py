# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is remembered of a client, how much of it, and who is told when the client goes."""

import errno
from typing import Any

import pytest

from rosin.broker.limits import GUEST
from rosin.testing import Instance

from .test_client import UID, Desk


async def test_what_waits_for_an_answer_is_limited_and_given_back() -> None:
    async with Instance([Desk]) as inst:
        guest, second = await inst.connect(userid=UID), await inst.connect(userid=UID)
        desk: Any = inst.broker.modules["desk"]
        account = guest.client.account
        assert second.client.account is account
        big = '{"x":"' + "x" * (1 << 20) + '"}'
        rpcs = [guest.rpc("desk.wait", big) for _ in range(70)]
        await inst.settle()
        refused = [rpc for rpc in rpcs if rpc.is_ready()]
        assert 5 < len(refused) < 10
        with pytest.raises(BlockingIOError, match="too many requests of user 5500"):
            await refused[0]
        with pytest.raises(BlockingIOError):
            await second.rpc("desk.who")
        for msg in desk.waiting:
            desk.respond(msg)
        await inst.settle()
        assert account.held == 0
        assert (await second.rpc("desk.who"))["userid"] == UID
        guest.rpc("desk.wait", big)
        await inst.settle()
        assert account.held > 1 << 20
        await guest.close()
        assert account.held == 0
        await second.close()
        assert UID not in inst.broker.guests


async def test_services_used_are_told_and_no_others_remembered() -> None:
    async with Instance([Desk]) as inst:
        h = await inst.connect()
        for number in range(20):
            with pytest.raises(OSError):
                await h.rpc(f"nothing-{number}.x")
        await h.rpc("desk.who")
        with pytest.raises(OSError):
            await h.rpc("desk.a.b.c")
        # A program may serve each family of methods by itself, as a job shell does: it is told by their name.
        assert {service for service, _nodeid, _flag in h.client._used} == {"desk", "desk.a.b"}
        for number in range(3000):
            h.rpc(f"desk.{number}.x").then(lambda _rpc: None)
        await inst.settle()
        assert len(h.client._used) <= 1025
        await h.close()
        await inst.settle()
        desk: Any = inst.broker.modules["desk"]
        assert desk.gone == [h.client.uuid]


async def test_a_service_of_made_up_methods_is_told() -> None:
    async with Instance([Desk]) as inst:
        h = await inst.connect()
        for number in range(1025):
            h.rpc(f"desk.{number}.x").then(lambda _rpc: None)
        await inst.settle()
        await h.close()
        await inst.settle()
        desk: Any = inst.broker.modules["desk"]
        assert desk.gone == [h.client.uuid]


@pytest.mark.parametrize(("topic", "service"), [(0, 0), (1, 0), (0, 1)])
async def test_names_have_a_limit(topic: int, service: int) -> None:
    async with Instance() as inst:
        guest = await inst.connect(userid=UID)

        async def ask() -> None:
            await guest.event_subscribe("t" * (GUEST.topic + topic))
            await guest.service_register(f"{UID}-".ljust(GUEST.topic + service, "s"))

        if topic or service:
            with pytest.raises(OSError, match="a topic has at most" if topic else "is not a service name"):
                await ask()
        else:
            await ask()


async def test_services_that_are_gone_make_room_for_others() -> None:
    async with Instance([Desk]) as inst:
        h, server = await inst.connect(), await inst.connect()
        for number in range(1024):
            inst.broker.router.add_service(f"s{number}", server.client)
            h.rpc(f"s{number}.x").then(lambda _rpc: None)
        await inst.settle()
        await server.close()
        with pytest.raises(OSError):
            await h.rpc("desk.a.b.c")
        assert {service for service, _nodeid, _flag in h.client._used} == {"desk.a.b"}


async def test_a_service_that_was_away_is_told() -> None:
    async with Instance([Desk]) as inst:
        h, server = await inst.connect(), await inst.connect()
        told: list[str] = []
        server.on_request("calc.*", lambda msg: told.append(msg.topic))
        await server.service_register("calc")
        h.rpc("calc.add").then(lambda _rpc: None)
        await inst.settle()
        await server.service_unregister("calc")
        await h.rpc("desk.who")
        await server.service_register("calc")
        await h.close()
        await inst.settle()
        assert told == ["calc.add", "calc.disconnect"]


async def test_subscriptions_and_services_have_a_limit() -> None:
    async with Instance() as inst:
        guest = await inst.connect(userid=UID)
        for number in range(GUEST.subscriptions):
            guest.event_subscribe(f"topic.{number}.")
        with pytest.raises(OSError, match="at most 1024 subscriptions") as caught:
            await guest.event_subscribe("one-more")
        assert caught.value.errno == errno.ENOSPC
        await guest.event_subscribe("topic.7.")  # once more
        await inst.broker.modules["event"].h.publish("topic.900.x")
        assert (await guest.next_event()).topic == "topic.900.x"
        for number in range(GUEST.services):
            await guest.service_register(f"{UID}-{number}")
        with pytest.raises(OSError, match="at most 256 services"):
            await guest.service_register(f"{UID}-more")
        await guest.service_unregister(f"{UID}-0")
        await guest.service_register(f"{UID}-more")
        await guest.close()
        assert not [name for name in inst.broker.router.services if name.startswith(f"{UID}-")]
