# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who a client is and what it may do comes from its connection, whatever it writes into its messages."""

import errno
import os
from typing import Any

import pytest

from rosin.broker.limits import GUEST, OWNER
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import (
    FLUX_MSGFLAG_NORESPONSE,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from rosin.rfc.message import Message, decode, encode
from rosin.testing import Instance
from rosin.testing.instance import MemoryFlux

ME, UID, UNKNOWN = os.getuid(), 5500, FLUX_USERID_UNKNOWN
OWNER_HERE = FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL


class Desk(BrokerModule):
    """Keeps what waits, by sender."""

    name = "desk"

    async def start(self) -> None:
        self.waiting: list[Message] = []
        self.gone: list[bytes] = []

    @request_handler("who", allow_guest=True)
    def who(self, msg: Message) -> dict[str, Any]:
        return {"userid": msg.userid, "rolemask": msg.rolemask, "sender": msg.sender.decode()}

    @request_handler("wait", allow_guest=True)
    def wait(self, msg: Message) -> Any:
        self.waiting.append(msg)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        self.gone.append(sender)


def write(h: MemoryFlux, msg: Message) -> None:
    """Send a message as it is, as a program with its own encoder could."""
    h.client.receive(decode(encode(msg), topicless=True))


@pytest.mark.rfc(12, "guest-overwritten", "local-added")
@pytest.mark.parametrize(("userid", "rolemask"), [(0, FLUX_ROLE_OWNER), (1, 0xFFFFFFFF), (UID, 0)])
async def test_a_guest_is_who_the_connection_says(userid: int, rolemask: int) -> None:
    async with Instance([Desk]) as inst:
        guest = await inst.connect(userid=UID)
        got: list[Any] = []
        guest.on_response("desk.who", lambda msg: got.append(msg.data))
        request = Message.request("desk.who")
        request.userid, request.rolemask = userid, rolemask
        write(guest, request)
        await inst.settle()
        assert got[0]["userid"] == UID
        assert got[0]["rolemask"] == FLUX_ROLE_USER | FLUX_ROLE_LOCAL


@pytest.mark.rfc(12, "owner-set")
async def test_an_owner_may_speak_for_another() -> None:
    async with Instance([Desk]) as inst:
        owner = await inst.connect()
        got: list[Any] = []
        owner.on_response("desk.who", lambda msg: got.append(msg.data))
        request = Message.request("desk.who")
        request.userid, request.rolemask = UID, FLUX_ROLE_USER
        write(owner, request)
        request = Message.request("service.add", {"service": f"{owner.userid}-x"})
        request.userid, request.rolemask = UID, FLUX_ROLE_USER
        write(owner, request)
        await inst.settle()
        assert (got[0]["userid"], got[0]["rolemask"]) == (UID, FLUX_ROLE_USER)
        assert f"{owner.userid}-x" not in inst.broker.router.services


@pytest.mark.rfc(12, "owner-unset", "valid", "roles")
@pytest.mark.parametrize(
    ("claim", "credential"),
    [
        ((UNKNOWN, 0), (ME, OWNER_HERE)),
        ((UNKNOWN, FLUX_ROLE_USER), (ME, FLUX_ROLE_USER)),
        ((UID, 0), (UID, OWNER_HERE)),
        ((UID, FLUX_ROLE_USER), (UID, FLUX_ROLE_USER)),
    ],
)
async def test_what_an_owner_leaves_open_is_filled_in(
    claim: tuple[int, int], credential: tuple[int, int]
) -> None:
    async with Instance([Desk]) as inst:
        owner = await inst.connect()
        got: list[Any] = []
        owner.on_response("desk.who", lambda msg: got.append((msg.data["userid"], msg.data["rolemask"])))
        request = Message.request("desk.who")
        request.userid, request.rolemask = claim
        write(owner, request)
        await inst.settle()
        assert got == [credential]


@pytest.mark.rfc(3, "event-private")
@pytest.mark.rfc(12, "private-event")
async def test_who_gets_a_private_event() -> None:
    async with Instance() as inst:
        sender, other, owner = [await inst.connect(userid=userid) for userid in (UID, UID + 1, None)]
        for h in (sender, other, owner):
            await h.event_subscribe("news")
        for private in (True, False):
            sender.event_send("news", {"private": private}, private=private)
        await inst.settle()
        got = [
            [h.events.get_nowait().data["private"] for _ in range(h.events.qsize())]
            for h in (sender, other, owner)
        ]
        assert got == [[True, False], [False], [True, False]]


async def test_a_route_does_not_make_a_client_another() -> None:
    async with Instance([Desk]) as inst:
        guest, owner = await inst.connect(userid=UID), await inst.connect()
        desk: Any = inst.broker.modules["desk"]
        owner.rpc("desk.wait")
        await inst.settle()
        victim = owner.client.uuid
        leave = Message.request("desk.disconnect", flags=FLUX_MSGFLAG_NORESPONSE)
        leave.route = [victim]
        write(guest, leave)
        await inst.settle()
        assert victim not in desk.gone
        assert desk.gone == [guest.client.uuid + b"/" + victim]


async def test_what_a_proxy_asks_comes_back_with_its_own_route() -> None:
    async with Instance([Desk]) as inst:
        proxy = await inst.connect(userid=UID)
        got: list[Message] = []
        proxy.on_response("desk.who", got.append)
        proxy.on_response("event.subscribe", got.append)
        for topic in ("desk.who", "event.subscribe"):
            request = Message.request(topic, {"topic": ""})
            request.route = [b"one", b"two"]
            write(proxy, request)
        await inst.settle()
        back = sorted(msg.topic for msg in got if msg.route == [b"one", b"two"])
        assert back == ["desk.who", "event.subscribe"]
        write(proxy, Message(FLUX_MSGTYPE_REQUEST, "desk.who", aux1=0, route=[b"x"] * 17))
        await inst.settle()
        assert got[-1].errnum == errno.EPROTO


async def test_a_request_without_a_route_is_answered() -> None:
    async with Instance([Desk]) as inst:
        h = await inst.connect()
        got: list[Message] = []
        h.on_response("desk.who", got.append)
        request = Message(FLUX_MSGTYPE_REQUEST, "desk.who")
        assert decode(encode(request)).route is None
        write(h, request)
        await inst.settle()
        assert got[0].data["sender"] == h.client.uuid.decode()


async def test_a_guest_answers_nobody_who_has_not_asked() -> None:
    async with Instance([Desk]) as inst:
        guest, owner = await inst.connect(userid=UID), await inst.connect()
        rpc = owner.rpc("desk.wait")
        await inst.settle()
        forged = Message(
            FLUX_MSGTYPE_RESPONSE, "desk.wait", {"x": 1}, matchtag=rpc.matchtag, route=[owner.client.uuid]
        )
        write(guest, forged)
        await inst.settle()
        assert not rpc.is_ready()


async def test_a_guest_answers_what_it_was_asked_and_once() -> None:
    async with Instance() as inst:
        guest, owner = await inst.connect(userid=UID), await inst.connect()
        asked: list[Message] = []
        guest.on_request(f"{UID}-calc.*", asked.append)
        await guest.service_register(f"{UID}-calc")
        once = owner.rpc(f"{UID}-calc.once")
        many = owner.rpc(f"{UID}-calc.many", flags=FLUX_RPC_STREAMING)
        await inst.settle()
        first, stream = sorted(asked, key=lambda msg: msg.streaming)
        assert first.matchtag != stream.matchtag
        other = first.response({"n": 0})
        other.matchtag += 100
        guest._send(other)
        guest.respond(first, {"n": 1})
        assert (await once)["n"] == 1
        for number in (1, 2):
            guest.respond(stream, {"n": number})
            assert (await many)["n"] == number
            many.reset()
        guest.respond_error(stream, errno.ENODATA)
        assert [answer async for answer in many] == []
        assert guest.client.guest is not None
        assert not guest.client.guest._asked
        owner.rpc(f"{UID}-calc.never")
        await inst.settle()
        assert len(guest.client.guest._asked) == 1
        await owner.close()
        await inst.settle()
        assert not guest.client.guest._asked


async def test_an_owner_answers_what_it_was_asked() -> None:
    async with Instance() as inst:
        server, owner = await inst.connect(), await inst.connect()
        server.on_request("calc.*", lambda msg: server.respond(msg, {"n": 1}))
        await server.service_register("calc")
        assert (await owner.rpc("calc.once"))["n"] == 1


@pytest.mark.parametrize("userid", [None, UID])
async def test_a_message_without_a_topic_is_refused(userid: int | None) -> None:
    async with Instance() as inst:
        h = await inst.connect(userid=userid)
        got: list[Message] = []
        h.on_response("-", got.append)
        write(h, Message(FLUX_MSGTYPE_REQUEST, "", matchtag=0, route=[]))
        write(h, Message(FLUX_MSGTYPE_EVENT, ""))
        long = "x" * (1 + (GUEST if userid else OWNER).topic)
        with pytest.raises(OSError, match="topic of") as caught:
            await h.rpc(long)
        assert caught.value.errno == errno.EPROTO
        assert [msg.errnum for msg in got] == [errno.EPROTO]
        assert inst.broker.events.seq == 0
        assert sum("topic is empty" in line for line in inst.logged()) == 1


@pytest.mark.parametrize(
    "args",
    [{"topic": "", "flags": 0}, {"topic": "a" * 256, "flags": 0}, {"topic": "a", "flags": 4}, {"topic": "a"},
     {"topic": "a", "flags": 0, "payload": "no base64!"}, {"topic": 5, "flags": 0}],
)  # fmt: skip
async def test_events_that_cannot_be_published(args: dict[str, Any]) -> None:
    async with Instance() as inst:
        h = await inst.connect(userid=UID)
        with pytest.raises(OSError) as caught:
            await h.rpc("event.publish", args)
        assert caught.value.errno == errno.EPROTO
        assert inst.broker.events.seq == 0


async def test_statistics_that_name_somebody_are_the_owners() -> None:
    async with Instance(["content", "kvs", "kvs-watch", "heartbeat"]) as inst:
        guest, owner = await inst.connect(userid=UID), await inst.connect()
        for name in ("content", "kvs", "kvs-watch"):
            assert await owner.rpc(f"{name}.stats-get")
            with pytest.raises(PermissionError):
                await guest.rpc(f"{name}.stats-get")
        assert (await guest.rpc("heartbeat.stats-get"))["period"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("kvs.setroot-pause", {"namespace": "primary"}),
        ("kvs.setroot-unpause", {"namespace": "primary"}),
        ("kvs.tail", {"namespace": "primary", "key": "a", "flags": 0, "offset": 0}),
        ("kvs-watch.more", {"matchtag": 1, "count": 1}),
    ],
)
async def test_what_services_say_to_each_other_is_not_for_guests(topic: str, payload: Any) -> None:
    async with Instance(["content", "kvs", "kvs-watch"]) as inst:
        guest = await inst.connect(userid=UID)
        with pytest.raises(PermissionError):
            await guest.rpc(topic, payload)


async def test_to_ask_for_a_group_does_not_make_it() -> None:
    async with Instance(["groups"]) as inst:
        guest = await inst.connect(userid=UID)
        for number in range(10):
            assert (await guest.rpc("groups.get", {"name": f"g{number}"}))["members"] == ""
        groups: Any = inst.broker.modules["groups"]
        assert groups.membership.groups == {}


async def test_a_message_of_a_guest_has_a_limited_number_of_values() -> None:
    async with Instance([Desk]) as inst:
        guest, owner = await inst.connect(userid=UID), await inst.connect()
        bomb = '{"x":[' + "[]," * GUEST.values + "[]]}"
        with pytest.raises(OSError, match="exceeds the limit of 65536 values") as caught:
            await guest.rpc("desk.who", bomb)
        assert caught.value.errno == errno.EPROTO
        guest._send(Message.event("x", bomb))
        await inst.settle()
        assert inst.broker.events.seq == 0
        assert (await owner.rpc("desk.who", bomb))["userid"] == owner.userid
