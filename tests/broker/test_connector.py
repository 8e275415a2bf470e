# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connector over real sockets: who is let in and as whom, what is kept for whom, what ends all that."""

import asyncio
import errno
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rosin.broker import connector as connector_module
from rosin.broker import guest_client, guestwork
from rosin.broker.connector import ConnectorLocal
from rosin.broker.limits import GUEST
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_MSGFLAG_STREAMING,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
)
from rosin.handle.aio import AsyncFlux
from rosin.handle.framing import FrameReader, frame
from rosin.process.directory import socket_path
from rosin.rfc.message import Message
from rosin.testing import Instance

ME = os.getuid()
SOMEBODY = 4242
MEGABYTE = "x" * (1 << 20)


class Echo(BrokerModule):
    """Answers with what it was sent, or with a flood."""

    name = "echo"
    given = 0

    @request_handler("who", allow_guest=True)
    def who(self, msg: Message) -> dict[str, int]:
        return {"userid": msg.userid, "rolemask": msg.rolemask}

    @request_handler("large", allow_guest=True)
    def large(self, _msg: Message) -> dict[str, str]:
        return {"data": 2 * MEGABYTE}

    @request_handler("flood", allow_guest=True)
    async def flood(self, msg: Message) -> AsyncIterator[dict[str, str]]:
        for _ in range(msg.args["count"]):
            self.given += 1
            yield {"data": MEGABYTE}


class Local:
    """An instance with a connector; ``owner`` is its owner, and this process a guest unless that is it."""

    def __init__(self, owner: int = SOMEBODY, access: dict[str, bool] | None = None) -> None:
        self.owner = owner
        access = {"allow-guest-user": True} if access is None else access
        self.inst = Instance([Echo], config={"access": access})
        self.socks: list[socket.socket] = []

    async def __aenter__(self) -> "Local":
        await self.inst.__aenter__()
        self.inst.broker.credential = (self.owner, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL)
        self.connector: ConnectorLocal = await self.inst.load(ConnectorLocal)
        self.connector.listen()
        self.uri = self.inst.broker.attrs.value("local-uri")
        self.echo: Any = self.inst.broker.modules["echo"]
        return self

    async def __aexit__(self, *exc: Any) -> None:
        for sock in self.socks:
            sock.close()
        await self.inst.__aexit__(None, None, None)

    async def raw(self) -> tuple[socket.socket, int]:
        """A socket of a program that reads only when it wants to, and the broker's answer byte."""
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        self.socks.append(sock)
        loop = asyncio.get_running_loop()
        with socket_path(self.uri.removeprefix("local://")) as name:
            await loop.sock_connect(sock, name)
        return sock, (await loop.sock_recv(sock, 1))[0]

    async def until(self, condition: Any) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    def logged(self, text: str) -> int:
        return sum(text in line for line in self.inst.logged())


async def send(sock: socket.socket, *messages: Message | bytes) -> None:
    for msg in messages:
        data = msg if isinstance(msg, bytes) else frame(msg)
        await asyncio.get_running_loop().sock_sendall(sock, data)


async def receive(sock: socket.socket, count: int) -> list[Message]:
    reader, messages = FrameReader(), []
    while len(messages) < count:
        data = await asyncio.get_running_loop().sock_recv(sock, 1 << 20)
        assert data
        messages += reader.feed(data)
    return messages


async def closed(sock: socket.socket) -> bool:
    try:
        while await asyncio.get_running_loop().sock_recv(sock, 1 << 20):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.rfc(12, "guests-refused", "peer-owner", "root-owner")
@pytest.mark.parametrize(
    ("owner", "access", "expected"),
    [
        (ME, {}, (ME, FLUX_ROLE_OWNER)),
        (SOMEBODY, {}, None),
        (SOMEBODY, {"allow-guest-user": True}, (ME, FLUX_ROLE_USER)),
        pytest.param(
            SOMEBODY,
            {"allow-root-owner": True},
            (SOMEBODY, FLUX_ROLE_OWNER) if ME == 0 else None,
            id="root may be made owner, nobody else",
        ),
        (SOMEBODY, {"allow-root-owner": False, "allow-guest-user": True}, (ME, FLUX_ROLE_USER)),
    ],
)
async def test_who_is_let_in(owner: int, access: dict[str, bool], expected: tuple[int, int] | None) -> None:
    async with Local(owner, access) as local:
        if expected is None:
            with pytest.raises(OSError, match="Operation not permitted") as caught:
                await AsyncFlux.connect(local.uri)
            assert caught.value.errno == errno.EPERM
            assert not local.connector.clients
            return
        async with await AsyncFlux.connect(local.uri) as h:
            answer = await h.rpc("echo.who")
            assert (answer["userid"], answer["rolemask"]) == (expected[0], expected[1] | FLUX_ROLE_LOCAL)
            if expected[1] == FLUX_ROLE_OWNER:
                stats = await h.rpc("connector-local.stats-get")
                assert stats["server"]["clients"][0]["userid"] == expected[0]
            else:
                with pytest.raises(PermissionError):
                    await h.rpc("connector-local.stats-get")


async def test_bad_frames_end_a_connection_and_are_logged_once() -> None:
    async with Local() as local:
        too_long = frame(Message.request("echo.who"))[:4] + struct.pack(">I", GUEST.message + 1)
        for data in (b"\0" * 8, too_long, too_long, b"\0" * 8):
            sock, _ = await local.raw()
            await send(sock, data)
            assert await closed(sock)
        assert local.logged(f"client of user {ME}: stream: ") == 1
        assert not local.connector.clients
        assert not local.inst.broker.guests


async def test_a_request_without_a_topic_is_answered() -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        await send(sock, Message.request("", matchtag=7), Message.request("echo.who", matchtag=8))
        first, second = await receive(sock, 2)
        assert (first.matchtag, first.errnum) == (7, errno.EPROTO)
        assert (second.matchtag, second.errnum) == (8, 0)


async def test_half_messages_are_counted_for_all_connections_of_a_user() -> None:
    async with Local() as local:
        half = frame(Message.request("echo.who", MEGABYTE * 15))[:-1]
        socks = []
        for _ in range(4):
            sock, _ = await local.raw()
            await send(sock, half)
            socks.append(sock)
        account = local.inst.broker.guests[ME]
        await local.until(lambda: account.held == 4 * len(half))
        sock, _ = await local.raw()
        with pytest.raises(OSError):  # cut off before it is through
            await send(sock, half + half)
        assert local.logged("bytes are kept for it; connection closed") == 1
        for sock in socks:
            sock.close()
        await local.until(lambda: not local.connector.clients)
        assert account.held == 0


async def test_who_does_not_read_is_not_listened_to() -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        pings = [Message.request("echo.ping", {"pad": MEGABYTE}, matchtag=tag) for tag in range(1, 41)]
        sender = asyncio.create_task(send(sock, *pings))
        (client,) = local.connector.clients
        await local.until(lambda: client._paused)
        await local.inst.settle()
        assert client.account.held < 8 << 20
        assert not sender.done()
        answers = await receive(sock, 40)
        assert [msg.matchtag for msg in answers] == list(range(1, 41))
        await sender
        assert client.account.held == 0


async def test_who_reads_again_is_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when what it said before that is done at once."""
    monkeypatch.setattr(guestwork, "monotonic", lambda: 0.0)
    async with Local() as local:
        sock, _ = await local.raw()
        topics = ("echo.large", "echo.who")
        await send(sock, b"".join(frame(Message.request(topic, matchtag=1)) for topic in topics))
        (client,) = local.connector.clients
        await local.until(lambda: client._paused)
        await receive(sock, 2)
        await send(sock, Message.request("echo.who", matchtag=2))
        assert [msg.matchtag for msg in await receive(sock, 1)] == [2]


async def test_a_burst_is_answered_completely_and_in_order() -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        requests = [Message.request("echo.who", matchtag=tag) for tag in range(1, 2001)]
        sender = asyncio.create_task(send(sock, b"".join(map(frame, requests))))
        assert [msg.matchtag for msg in await receive(sock, 2000)] == list(range(1, 2001))
        await sender


async def test_guests_work_a_little_between_two_looks_at_the_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections they have: as if each message took a whole slice."""
    clock = itertools.count()
    monkeypatch.setattr(guestwork, "monotonic", lambda: 2 * guestwork.SLICE * next(clock))
    async with Local() as local:
        requests = [Message.request("echo.who", matchtag=tag) for tag in range(1, 101)]
        socks = [(await local.raw())[0] for _ in range(5)]
        for sock in socks:
            await send(sock, b"".join(map(frame, requests)))
        done, most = local.echo.h.counts["rx"][0], 0
        while done < 500:
            before, done = done, local.echo.h.counts["rx"][0]
            most = max(most, done - before)
            await asyncio.sleep(0)
        assert most == 1
        for sock in socks:
            assert [msg.matchtag for msg in await receive(sock, 100)] == list(range(1, 101))


async def test_small_messages_that_wait_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        (client,) = local.connector.clients
        assert isinstance(client, guest_client.GuestClient)
        monkeypatch.setattr(local.connector.guestwork, "offer", lambda worker: worker.postpone())
        data = b"".join(map(frame, [Message.request("a", matchtag=tag) for tag in range(1, 101)]))
        await send(sock, data + b"rest")
        await local.until(lambda: client._busy)
        assert not client.work() or client._messages
        waiting = len(client._messages)
        assert waiting == 99
        assert client.account.held == waiting * 512 + len(b"rest")
        sock.close()
        while client.work():
            pass
        client.work()
        await local.until(lambda: not local.connector.clients)
        assert client.account.held == 0


async def test_events_for_who_does_not_read_end_its_connection() -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        await send(sock, Message.request("event.subscribe", {"topic": ""}, matchtag=1))
        await receive(sock, 1)
        for _ in range(100):
            local.echo.h.event_send("news", {"data": MEGABYTE})
            await local.inst.settle(3)
        await local.until(lambda: not local.connector.clients)
        assert await closed(sock)
        assert local.logged("it does not read") == 1
        assert not local.inst.broker.guests


@pytest.mark.parametrize("owner", [ME, SOMEBODY])
async def test_streams_stand_still_for_who_does_not_read(owner: int) -> None:
    async with Local(owner) as local:
        sock, _ = await local.raw()
        flood = Message.request("echo.flood", {"count": 40}, flags=FLUX_MSGFLAG_STREAMING, matchtag=1)
        await send(sock, flood)
        (client,) = local.connector.clients
        await local.until(lambda: client._drained is not None)
        await local.inst.settle()
        assert local.echo.given < 8
        answers = await receive(sock, 41)
        assert [msg.errnum for msg in answers] == 40 * [0] + [errno.ENODATA]


@pytest.mark.parametrize("owner", [ME, SOMEBODY])
async def test_what_a_program_says_before_it_goes_is_heard(owner: int) -> None:
    """Also when the broker wants to tell it something first, which nobody takes any more."""
    async with Local(owner) as local:
        sock, answer = await local.raw()
        assert not answer
        name = f"{ME}-last"
        await send(sock, Message.request("service.add", {"service": name}, matchtag=1))
        await send(sock, Message.request("event.subscribe", {"topic": "news"}, matchtag=2))
        await receive(sock, 2)
        h = await AsyncFlux.connect(local.uri)
        small, large = h.rpc(f"{name}.small"), h.rpc(f"{name}.large")
        requests = await receive(sock, 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        last = {"data": "x" * (1 << 16)}
        words = frame(requests[0].response({"value": 1})) + frame(requests[1].response(last))
        assert sock.send(words) == len(words)
        sock.close()
        local.inst.broker.publish(Message.event("news.of-today", {}))  # before it looks at its sockets
        assert await small == {"value": 1}
        assert await large == last
        await local.until(lambda: name not in local.inst.broker.router.services)
        await h.close()


async def test_a_stream_ends_with_its_client() -> None:
    async with Local() as local:
        sock, _ = await local.raw()
        flood = Message.request("echo.flood", {"count": 40}, flags=FLUX_MSGFLAG_STREAMING, matchtag=1)
        await send(sock, flood)
        (client,) = local.connector.clients
        await local.until(lambda: client._drained is not None)
        sock.close()
        await local.until(lambda: not local.echo._streams)
        assert local.echo.given < 8


@pytest.mark.parametrize("where", ["_reader", "receive"])
@pytest.mark.parametrize("exc", [MemoryError(), ZeroDivisionError("bug")])
async def test_a_fault_between_two_bytes_ends_the_connection(
    where: str, exc: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> Any:
        raise exc

    class Broken:
        missing = 0
        feed = staticmethod(fail)

    async with Local() as local:
        for _ in range(2):
            sock, _ = await local.raw()
            (client,) = local.connector.clients
            monkeypatch.setattr(client, where, Broken() if where == "_reader" else fail)
            await send(sock, Message.request("echo.who", matchtag=1), Message.request("echo.who", matchtag=2))
            assert await closed(sock)
            await local.until(lambda: not local.connector.clients)
        assert local.logged(f"{type(exc).__name__} while its messages were taken") == 1
        async with await AsyncFlux.connect(local.uri) as h:
            assert await h.rpc("echo.who")


async def test_a_guest_has_a_limited_number_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "MAX_GUEST_CONNECTIONS", 3)
    async with Local() as local:
        answers = [(await local.raw())[1] for _ in range(5)]
        assert answers == [0, 0, 0, errno.EMFILE, errno.EMFILE]
        assert local.logged(f"client of user {ME} refused: user {ME} has 3 connections") == 1
        local.socks[0].close()
        await local.until(lambda: len(local.connector.clients) == 2)
        assert (await local.raw())[1] == 0
    async with Local(ME) as local:
        assert [(await local.raw())[1] for _ in range(5)] == [0] * 5


async def test_guests_leave_descriptors_to_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Local() as local:
        await local.raw()
        monkeypatch.setattr(connector_module, "descriptors", lambda: 8)  # all but as many are open already
        assert (await local.raw())[1] == errno.EMFILE


async def test_a_large_message_of_the_owner_may_come_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Local(ME) as local:
        sock, _ = await local.raw()
        (client,) = local.connector.clients
        monkeypatch.setattr(client.limits, "held", 1 << 20)  # what is queued, not what a message may be
        ping = Message.request("echo.ping", {"pad": MEGABYTE * 3}, matchtag=1)
        sender = asyncio.create_task(send(sock, ping))
        (answer,) = await receive(sock, 1)
        assert len(answer.data["pad"]) == 3 << 20
        await sender
        assert client.account.held == 0
