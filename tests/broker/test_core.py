# SPDX-License-Identifier: LGPL-3.0-or-later
"""Routing, modules, streams, events and the services that every broker has."""

import errno
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.constants import (
    FLUX_NODEID_UPSTREAM,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
)
from rosin.rfc.message import Message
from rosin.rfc.syslog import encode as encode_line
from rosin.testing import Instance


class Echo(BrokerModule):
    """A module with one handler of every kind."""

    name = "echo"
    services = ("mirror",)

    async def start(self) -> None:
        self.gone: list[bytes] = []
        self.pulses = 0
        self.closed_streams = 0

    @request_handler("plain", allow_guest=True)
    def plain(self, msg: Message) -> Any:
        return {"got": msg.data, "userid": msg.userid}

    @request_handler("task")
    async def task(self, msg: Message) -> Any:
        return await self.h.rpc("echo.plain", msg.args)

    @request_handler("stream")
    async def stream(self, msg: Message) -> AsyncIterator[Any]:
        try:
            for number in range(msg.args["count"]):
                yield {"number": number}
            if msg.args.get("wait"):
                await self.sleep(1e9)
        finally:
            self.closed_streams += 1

    @request_handler("deferred")
    def deferred(self, msg: Message) -> Any:
        self.call_later(5.0, lambda: self.respond(msg, {"late": True}))
        return DEFERRED

    @request_handler("fail")
    def fail(self, msg: Message) -> Any:
        if msg.args["how"] == "oserror":
            raise OSError(errno.EEXIST, "it is there already")
        raise ZeroDivisionError("boom")

    @request_handler("mirror.look", prefix=False)
    def look(self, _msg: Message) -> Any:
        return {"mirror": True}

    @event_handler("heartbeat")
    def pulse(self, _msg: Message) -> None:
        self.pulses += 1

    def disconnected(self, sender: bytes) -> None:
        self.gone.append(sender)


@pytest.mark.rfc(5, "name-is-service", "more-services")
@pytest.mark.parametrize("how", ["plain", "task"])
async def test_rpc(how: str) -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        assert (await h.rpc(f"echo.{how}", {"x": 1}))["got"] == {"x": 1}
        assert await h.rpc("mirror.look") == {"mirror": True}


async def test_unknown_service_and_rank() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=r"No service matching no\.such is registered") as caught:
            await h.rpc("no.such")
        assert caught.value.errno == errno.ENOSYS
        with pytest.raises(OSError) as caught:
            await h.rpc("echo.nothing")
        assert caught.value.errno == errno.ENOSYS
        for nodeid in (77, FLUX_NODEID_UPSTREAM):
            with pytest.raises(OSError) as caught:
                await h.rpc("echo.plain", None, nodeid)
            assert caught.value.errno == errno.EHOSTUNREACH


async def test_errors_become_responses() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        with pytest.raises(FileExistsError, match="it is there already"):
            await h.rpc("echo.fail", {"how": "oserror"})
        with pytest.raises(OSError) as caught:
            await h.rpc("echo.fail", {"how": "bug"})
        assert caught.value.errno == errno.EIO
        assert any("ZeroDivisionError" in line for line in inst.logged())
        with pytest.raises(OSError) as caught:
            await h.rpc("echo.task", "[]")
        assert caught.value.errno == errno.EPROTO


async def test_guests_reach_only_what_is_open_to_them() -> None:
    async with Instance([Echo]) as inst:
        guest = await inst.connect(userid=5500)
        assert (await guest.rpc("echo.plain"))["userid"] == 5500
        with pytest.raises(PermissionError):
            await guest.rpc("echo.task", {})
        with pytest.raises(PermissionError):
            await guest.service_register("anything")
        await guest.service_register("5500-mine")


async def test_stream_ends_in_enodata() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        rpc = h.rpc("echo.stream", {"count": 3}, flags=FLUX_RPC_STREAMING)
        assert [answer["number"] async for answer in rpc] == [0, 1, 2]
        with pytest.raises(OSError) as caught:
            await h.rpc("echo.stream", {"count": 3})
        assert caught.value.errno == errno.EPROTO


async def test_stream_is_cancelled_by_its_owner_only() -> None:
    async with Instance([Echo]) as inst:
        h, other = await inst.connect(), await inst.connect()
        rpc = h.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        assert (await rpc)["number"] == 0
        rpc.reset()
        other.rpc("echo.cancel", {"matchtag": rpc.matchtag}, flags=FLUX_RPC_NORESPONSE)
        await inst.settle()
        assert not rpc.is_ready()
        rpc.cancel()
        assert [answer async for answer in rpc] == []


async def test_stream_cancelled_before_its_first_step_is_answered() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        rpc = h.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        rpc.cancel()
        assert [answer async for answer in rpc] == []


@pytest.mark.parametrize("first", [True, False])
async def test_a_task_that_is_cancelled_is_answered(first: bool) -> None:
    """Before its first step, too, as when the message behind it ends the module."""

    class Ending(BrokerModule):
        name = "ending"

        @request_handler("wait")
        async def wait(self, _msg: Message) -> None:
            await self.sleep(1e9)

        @request_handler("end")
        def end(self, _msg: Message) -> None:
            for task in tuple(self._tasks):
                task.cancel()

    async with Instance([Ending]) as inst:
        h = await inst.connect()
        waiting = h.rpc("ending.wait")
        if not first:
            await inst.settle()
        await h.rpc("ending.end")
        with pytest.raises(OSError, match="service is shutting down") as caught:
            await waiting
        assert caught.value.errno == errno.ECANCELED


async def test_disconnect_closes_streams_and_informs_the_service() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        rpc = h.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        await rpc
        await h.close()
        await inst.settle()
        echo: Any = inst.broker.modules["echo"]
        assert echo.gone == [h.client.uuid]
        assert echo.closed_streams == 1


async def test_deferred_answer_on_the_virtual_clock() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        rpc = h.rpc("echo.deferred")
        await inst.advance(4.9)
        assert not rpc.is_ready()
        await inst.advance(0.2)
        assert await rpc == {"late": True}


async def test_events_are_numbered_and_private_ones_are_private() -> None:
    async with Instance([Echo]) as inst:
        owner, guest, sender = (
            await inst.connect(),
            await inst.connect(userid=1),
            await inst.connect(userid=2),
        )
        for h in (owner, guest):
            await h.event_subscribe("")
        assert (await sender.publish("heartbeat.pulse", {"n": 1}))["seq"] == 1
        assert (await sender.publish("secret", {"n": 2}, private=True))["seq"] == 2
        sender.event_send("open")
        await inst.settle()
        assert [(await owner.next_event()).topic for _ in range(3)] == ["heartbeat.pulse", "secret", "open"]
        assert [(await guest.next_event()).topic for _ in range(2)] == ["heartbeat.pulse", "open"]
        echo: Any = inst.broker.modules["echo"]
        assert echo.pulses == 0  # a guest's event reaches clients, but does not steer services
        await owner.publish("heartbeat.pulse", {"n": 3})
        await inst.settle()
        assert echo.pulses == 1


@pytest.mark.rfc(5, "more-services")
async def test_a_client_can_be_a_service() -> None:
    async with Instance() as inst:
        server, h = await inst.connect(), await inst.connect()
        await server.service_register("calc")
        server.on_request("calc.add", lambda msg: server.respond(msg, {"sum": sum(msg.args["terms"])}))
        assert await h.rpc("calc.add", {"terms": [1, 2]}) == {"sum": 3}
        with pytest.raises(OSError, match=r"calc\.mul"):
            await h.rpc("calc.mul", {})
        with pytest.raises(FileExistsError):
            await h.service_register("calc")
        await server.close()
        with pytest.raises(OSError) as caught:
            await h.rpc("calc.add", {"terms": []})
        assert caught.value.errno == errno.ENOSYS


@pytest.mark.rfc(5, "unique-name", "load", "remove")
async def test_modules_are_listed_loaded_once_and_removed() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        mods = {mod["name"]: mod for mod in (await h.rpc("module.list"))["mods"]}
        assert mods["echo"]["services"] == ["mirror"]
        assert mods["echo"]["status"] == 1
        with pytest.raises(FileExistsError):
            await inst.load(Echo)
        with pytest.raises(FileNotFoundError):
            await h.rpc("module.load", {"path": "no-such", "args": []})
        await h.rpc("module.remove", {"name": "echo"})
        with pytest.raises(OSError):
            await h.rpc("echo.plain")
        with pytest.raises(FileNotFoundError):
            await h.rpc("module.remove", {"name": "attr"})


@pytest.mark.rfc(5, "trace")
async def test_messages_of_modules_can_be_watched() -> None:
    async with Instance([Echo]) as inst:
        h, watcher = await inst.connect(), await inst.connect()
        request = {"typemask": 15, "topic_glob": "echo.*", "names": ["echo"], "full": True}
        trace = watcher.rpc("module.trace", request, flags=FLUX_RPC_STREAMING)
        unseen = watcher.rpc("module.trace", {**request, "names": ["other"]}, flags=FLUX_RPC_STREAMING)
        await watcher.rpc("attr.get", {"name": "rank"})  # the traces have begun
        await h.rpc("echo.plain", {"a": 1})
        with pytest.raises(FileExistsError):
            await h.rpc("echo.fail", {"how": "oserror"})
        seen = []
        for _ in range(4):
            seen.append(await trace)
            trace.reset()
        assert [(m["prefix"], m["type"], m["topic"], m["errnum"]) for m in seen] == [
            ("rx", 1, "echo.plain", 0),
            ("tx", 2, "echo.plain", 0),
            ("rx", 1, "echo.fail", 0),
            ("tx", 2, "echo.fail", errno.EEXIST),
        ]
        assert seen[0]["payload"] == {"a": 1}
        assert seen[0]["payload_size"] == len(b'{"a":1}') + 1
        assert seen[3]["errstr"] == "it is there already"
        assert len(inst.broker.traces) == 2
        unseen.cancel("module.trace-cancel")
        assert [answer async for answer in unseen] == []
        await watcher.close()
        await inst.settle()
        assert inst.broker.traces == set()


async def test_attributes() -> None:
    async with Instance(attrs={"test-im.x": "1"}) as inst:
        h = await inst.connect()
        assert await h.rpc("attr.get", {"name": "test-im.x"}) == {"value": "1", "flags": 1}
        for request, exception in (
            ({"name": "nope"}, FileNotFoundError),
            ({"name": 5}, OSError),
        ):
            with pytest.raises(exception):
                await h.rpc("attr.get", request)
        with pytest.raises(PermissionError) as refused:
            await h.rpc("attr.rm", {"name": "test-im.x"})
        assert refused.value.strerror == "Operation not permitted: the attribute never changes"
        await h.rpc("attr.set", {"name": "test.new", "value": "2"})
        assert "test.new" in (await h.rpc("attr.list"))["names"]
        await h.rpc("attr.rm", {"name": "test.new"})
        assert "test.new" not in (await h.rpc("attr.list"))["names"]


async def test_the_log_takes_what_its_readers_understand() -> None:
    async with Instance(modules=[]) as inst:
        h = await inst.connect()
        before = list(inst.broker.ring.lines)
        bad: list[object] = [
            {"x": 1},
            b"",
            b"words\0",
            b"<14>1 - - -\0",
            "<\N{SUPERSCRIPT TWO}>1 - - - - - - x",
        ]
        for line in bad:
            with pytest.raises(OSError) as caught:
                await h.rpc("log.append", line)
            assert caught.value.errno == errno.EPROTO
        assert list(inst.broker.ring.lines) == before
        await h.rpc("log.append", encode_line(6, "fine") + b"\0")
        assert len(inst.broker.ring.lines) == len(before) + 1


async def test_log_is_kept_followed_and_cleared() -> None:
    async with Instance() as inst:
        h = await inst.connect()
        inst.broker.log(6, "test", "one")
        rpc = h.rpc("log.dmesg", {"follow": True}, flags=FLUX_RPC_STREAMING)
        assert (await rpc.raw()).endswith(b"test - - - one\0")
        rpc.reset()
        h.log(3, "two")
        assert b"two" in (await rpc.raw())
        rpc.cancel("log.cancel")
        rpc.reset()
        assert [answer async for answer in rpc] == []
        await h.rpc("log.clear")
        assert inst.logged() == []


@pytest.mark.rfc(5, "ping")
async def test_ping_names_the_route() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        answer = await h.rpc("echo.ping", {"seq": 1})
        assert answer["seq"] == 1
        assert answer["route"].startswith(h.client.uuid[:8].decode() + "!")
