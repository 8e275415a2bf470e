# SPDX-License-Identifier: LGPL-3.0-or-later
"""What RFC 3, 6, 10, 11, 12 and 16 ask of a broker and its services, seen by a client."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_NODEID_ANY,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from rosin.rfc import blobref, treeobj
from rosin.rfc.message import Message, decode
from rosin.testing import Instance


class Echo(BrokerModule):
    """A service with a method of every kind."""

    name = "echo"

    async def start(self) -> None:
        self.held: list[Message] = []
        self.gone: list[bytes] = []
        self.ended = 0

    @request_handler("plain", allow_guest=True)
    def plain(self, msg: Message) -> Any:
        return {"got": msg.data, "userid": msg.userid, "rolemask": msg.rolemask, "nodeid": msg.nodeid}

    @request_handler("raw")
    def raw(self, msg: Message) -> bytes:
        return msg.raw

    @request_handler("fail", allow_guest=True)
    def fail(self, _msg: Message) -> Any:
        raise OSError(errno.EBUSY, "it is in use")

    @request_handler("wait")
    async def wait(self, msg: Message) -> Any:
        await asyncio.sleep(0)
        for _ in range(msg.args["turns"]):
            await asyncio.sleep(0)
        return msg.args

    @request_handler("stream")
    async def stream(self, msg: Message) -> AsyncIterator[Any]:
        try:
            for number in range(msg.args["count"]):
                yield {"number": number}
            if msg.args.get("wait"):
                await self.sleep(1e9)
        finally:
            self.ended += 1

    def disconnected(self, sender: bytes) -> None:
        self.gone.append(sender)


async def fails(rpc: Any) -> int:
    with pytest.raises(OSError) as caught:
        await rpc
    return caught.value.errno or 0


async def raw_request(h: Any, msg: Message) -> list[Message]:
    """Send a message as it is and return the messages that came back in the next turns."""
    got: list[Message] = []
    take, h.arrived = h.arrived, lambda body: got.append(decode(body))
    try:
        h.client.receive(msg)
        for _ in range(20):
            await asyncio.sleep(0)
    finally:
        h.arrived = take
    return got


@pytest.mark.rfc(3, "request-routing", "service-name", "no-service", "response-copies", "matchtag")
@pytest.mark.rfc(6, "one-request", "response-copies", "success", "undeliverable", "anywhere")
async def test_requests_reach_a_service_by_its_name() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        (answer,) = await raw_request(
            h, Message.request("echo.plain", {"x": 1}, FLUX_NODEID_ANY, matchtag=77)
        )
        assert (answer.type, answer.topic, answer.matchtag, answer.errnum) == (2, "echo.plain", 77, 0)
        assert answer.args["got"] == {"x": 1}
        (answer,) = await raw_request(h, Message.request("echo.plain", None, 0, matchtag=78))
        assert (answer.errnum, answer.matchtag) == (0, 78)
        for topic in ("no-such.echo", "echo.no-such"):
            (answer,) = await raw_request(h, Message.request(topic, matchtag=5))
            assert (answer.errnum, answer.topic, answer.matchtag) == (errno.ENOSYS, topic, 5)
        (answer,) = await raw_request(h, Message.request("echo.plain", None, 77, matchtag=6))
        assert answer.errnum == errno.EHOSTUNREACH


@pytest.mark.rfc(6, "one-request", "success", "failure", "stream-end", "stream-flag-set")
@pytest.mark.rfc_vectors(6)
@pytest.mark.parametrize(
    ("topic", "payload", "flags", "wanted"),
    [
        ("attr.get", {"name": "size"}, 0, [(0, 0, b'{"value":"1","flags":1}\0')]),
        ("attr.get", {"name": "badkey"}, 0, [(errno.ENOENT, 0, None)]),
        (
            "log.dmesg",
            {"follow": False, "nobacklog": False},
            0x40,
            [(0, 0x40, b"test message"), (errno.ENODATA, 0x40, None)],
        ),
    ],
    ids=["getattr", "error", "dmesg"],
)
async def test_figures_of_the_text(topic: str, payload: Any, flags: int, wanted: list[Any]) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await h.rpc("log.clear")
        inst.broker.log(5, "test", "test message")
        answers = await raw_request(h, Message.request(topic, payload, flags=flags, matchtag=1))
        assert [(answer.topic, answer.matchtag) for answer in answers] == [(topic, 1)] * len(wanted)
        assert [(answer.errnum, answer.flags & 0x40) for answer in answers] == [row[:2] for row in wanted]
        for answer, (_, _, body) in zip(answers, wanted, strict=True):
            assert body is None or body in (answer.payload or b"")


@pytest.mark.rfc(6, "failure", "error-text", "noresponse")
@pytest.mark.rfc(3, "noresponse", "string-nul", "errnum")
async def test_failures() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        (answer,) = await raw_request(h, Message.request("echo.fail", matchtag=1))
        assert (answer.errnum, answer.payload) == (errno.EBUSY, b"it is in use\0")
        for topic in ("echo.fail", "echo.plain", "no-such.x"):
            msg = Message.request(topic, flags=FLUX_RPC_NORESPONSE)
            msg.flags = 0x04
            assert await raw_request(h, msg) == []


@pytest.mark.rfc(6, "any-order", "matchtag")
async def test_answers_in_another_order_find_their_requests() -> None:
    async with Instance([Echo]) as inst:
        h, other = await inst.connect(), await inst.connect()
        rpcs = [
            (n, client.rpc("echo.wait", {"turns": n})) for n in range(99, -1, -1) for client in (h, other)
        ]
        for turns, rpc in rpcs:
            assert (await rpc)["turns"] == turns


@pytest.mark.rfc(6, "streaming-flag", "stream-end", "stream-flag-set", "payload")
@pytest.mark.rfc(3, "json-object")
async def test_streams() -> None:
    async with Instance([Echo]) as inst:
        h = await inst.connect()
        answers = await raw_request(h, Message.request("echo.stream", {"count": 3}, flags=0x40, matchtag=1))
        assert [answer.errnum for answer in answers] == [0, 0, 0, errno.ENODATA]
        assert all(answer.streaming for answer in answers[:3])
        (answer,) = await raw_request(h, Message.request("echo.stream", {"count": 3}, matchtag=1))
        assert answer.errnum == errno.EPROTO
        for payload in ("[1]", '"a"', "nonsense"):
            assert await fails(h.rpc("echo.wait", payload)) == errno.EPROTO
        assert await h.rpc("echo.raw", bytes(range(256))).raw() == bytes(range(256))


@pytest.mark.rfc(6, "cancel", "cancel-noresponse", "cancel-own", "canceled")
async def test_a_stream_is_cancelled_by_who_asked_for_it() -> None:
    async with Instance([Echo]) as inst:
        h, other = await inst.connect(), await inst.connect()
        rpc = h.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        await rpc
        rpc.reset()
        assert (
            await raw_request(other, Message.request("echo.cancel", {"matchtag": rpc.matchtag}, flags=4))
            == []
        )
        assert not rpc.is_ready()
        rpc.cancel()
        assert [answer async for answer in rpc] == []
        assert inst.broker.modules["echo"].ended == 1  # type: ignore[attr-defined]


@pytest.mark.rfc(6, "disconnect", "sender")
async def test_a_client_that_goes_away_is_told_to_its_services() -> None:
    async with Instance([Echo]) as inst:
        h, other = await inst.connect(), await inst.connect()
        await h.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        kept = other.rpc("echo.stream", {"count": 1, "wait": True}, flags=FLUX_RPC_STREAMING)
        await kept
        await h.close()
        await inst.settle()
        service: Any = inst.broker.modules["echo"]
        assert service.gone == [h.client.uuid]
        assert service.ended == 1


@pytest.mark.rfc(3, "event-sequence", "event-private")
@pytest.mark.rfc(12, "private-event")
async def test_events() -> None:
    async with Instance() as inst:
        owner, guest, sender = [await inst.connect(userid=userid) for userid in (None, 5500, 5501)]
        for h in (owner, guest, sender):
            await h.event_subscribe("a")
        for topic, private in (("a.one", False), ("a.two", True), ("a.three", False)):
            await sender.publish(topic, {"n": 1}, private=private)
        await inst.settle()

        def seen(h: Any) -> list[tuple[str, int]]:
            return [(msg.topic, msg.seq) for msg in iter_events(h)]

        every = [("a.one", 1), ("a.two", 2), ("a.three", 3)]
        assert (seen(owner), seen(sender), seen(guest)) == (every, every, [every[0], every[2]])


def iter_events(h: Any) -> list[Message]:
    return [h.events.get_nowait() for _ in range(h.events.qsize())]


# -- credentials ----------------------------------------------------------------------------------


@pytest.mark.rfc(12, "owner-unset", "owner-set", "guest-overwritten", "local-added")
async def test_credentials_are_assigned_on_receipt() -> None:
    async with Instance([Echo]) as inst:
        owner, guest = await inst.connect(), await inst.connect(userid=5500)

        async def credential(h: Any, userid: int, rolemask: int) -> tuple[int, int]:
            msg = Message.request("echo.plain", matchtag=1)
            msg.userid, msg.rolemask = userid, rolemask
            (answer,) = await raw_request(h, msg)
            return answer.args["userid"], answer.args["rolemask"]

        assert await credential(owner, FLUX_USERID_UNKNOWN, 0) == (inst.broker.owner, 1 | 4)
        assert await credential(owner, 5501, 2) == (5501, 2)
        assert await credential(guest, FLUX_USERID_UNKNOWN, 0) == (5500, 2 | 4)
        assert await credential(guest, inst.broker.owner, 1) == (5500, 2 | 4)


@pytest.mark.rfc(12, "allow-mask", "eperm", "owner-always")
async def test_services_decide_by_role() -> None:
    async with Instance([Echo]) as inst:
        owner, guest = await inst.connect(), await inst.connect(userid=5500)
        assert await fails(guest.rpc("echo.wait", {"turns": 0})) == errno.EPERM
        assert await fails(guest.rpc("echo.fail")) == errno.EBUSY
        assert (await owner.rpc("echo.wait", {"turns": 0})) == {"turns": 0}
        msg = Message.request("echo.wait", {"turns": 0}, flags=4)
        assert await raw_request(guest, msg) == []


# -- content --------------------------------------------------------------------------------------


@pytest.mark.rfc(
    10,
    *("retain", "uninterpreted", "digest", "store", "load", "unknown", "visible", "dropcache", "zero"),
    *("validate", "flush"),
)
async def test_content_is_kept_by_its_digest() -> None:
    async with Instance(["content", "content-sqlite"]) as inst:
        h = await inst.connect()
        for blob in (b"foo\n", b"", b"\0" * 5, bytes(range(256)) * 1000):
            digest = await h.rpc("content.store", blob or None).raw()
            assert digest == blobref.digest(blob)
            await h.rpc("content.dropcache")
            assert await h.rpc("content.load", digest).raw() == blob
        assert await fails(h.rpc("content.load", bytes(20))) == errno.ENOENT
        assert await fails(h.rpc("content-backing.validate", bytes(20))) == errno.ENOENT
        await h.rpc("content.flush")
        assert (await h.rpc("content.stats-get"))["dirty"] == 0
        assert await h.rpc("content-backing.validate", blobref.digest(b"foo\n")).raw() == b""


@pytest.mark.rfc(10, "hash", "hash-attribute")
async def test_the_hash_is_chosen_once() -> None:
    async with Instance(["content"], attrs={"content.hash": "sha256"}) as inst:
        h = await inst.connect()
        assert await h.attr("content.hash") == "sha256"
        assert await h.rpc("content.store", b"foo").raw() == blobref.digest(b"foo", "sha256")
        assert await fails(h.rpc("attr.set", {"name": "content.hash", "value": "sha1"})) == errno.EINVAL


@pytest.mark.rfc(10, "guests", "flush-without-backing", "too-large")
async def test_what_the_content_service_refuses() -> None:
    async with Instance() as inst:
        await inst.load("content", ["blob-size-limit=10"])
        h, guest = await inst.connect(), await inst.connect(userid=5500)
        for topic in ("content.store", "content.load", "content.flush", "content.dropcache"):
            assert await fails(guest.rpc(topic, b"x")) == errno.EPERM
        assert await fails(h.rpc("content.flush")) == errno.ENOSYS
        assert await fails(h.rpc("content.store", b"x" * 11)) == errno.EFBIG
        assert await h.rpc("content.store", b"x" * 10).raw() == blobref.digest(b"x" * 10)


# -- kvs ------------------------------------------------------------------------------------------


async def load(h: Any, ref: str) -> bytes:
    return bytes(await h.rpc("content.load", blobref.parse(ref)[1]).raw())


@pytest.mark.rfc(11, "objects", "dir", "dirref", "val", "valref", "append")
async def test_the_kvs_is_a_tree_of_blobs() -> None:
    async with Instance(["content", "kvs"]) as inst:
        h = await inst.connect()

        async def commit(key: str, data: bytes, flags: int = 0) -> None:
            ops = [{"key": key, "flags": flags, "dirent": treeobj.val(data)}]
            await h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})

        await commit("a.b", b"small")
        await commit("a.large", b"x" * 100_000)
        await commit("log", b"one\n", flags=32)
        await commit("log", b"two\n", flags=32)
        root = treeobj.decode(
            await load(h, (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootref"])
        )
        assert root["type"] == "dir"
        assert root["data"]["a"]["type"] == "dirref"
        below = treeobj.decode(await load(h, root["data"]["a"]["data"][0]))
        assert treeobj.val_data(below["data"]["b"]) == b"small"
        assert below["data"]["large"]["type"] == "valref"
        blobs = [await load(h, ref) for ref in below["data"]["large"]["data"]]
        assert b"".join(blobs) == b"x" * 100_000
        log = root["data"]["log"]
        assert log["type"] == "valref"
        assert b"".join([await load(h, ref) for ref in log["data"]]) == b"one\ntwo\n"
        await commit("a.large", b"y" * 5000, flags=32)
        changed = treeobj.decode(
            await load(h, (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootref"])
        )
        large = treeobj.decode(await load(h, changed["data"]["a"]["data"][0]))["data"]["large"]
        assert large["data"][: len(below["data"]["large"]["data"])] == below["data"]["large"]["data"]
        blobs = [await load(h, ref) for ref in large["data"]]
        assert b"".join(blobs) == b"x" * 100_000 + b"y" * 5000
        for ref in (root["data"]["a"]["data"][0], *large["data"]):
            assert blobref.blobref(await load(h, ref)) == ref


# -- a job in the KVS -----------------------------------------------------------------------------


@pytest.mark.rfc(16, "directory", "ingest", "eventlog", "scheduler", "guest-final", "exec")
@pytest.mark.rfc(24, "keys", "eventlog", "header-first")
@pytest.mark.rfc(50, "key", "init-first", "starting", "complete", "done-last", "shell-events", "no-state")
@pytest.mark.rfc(21, "submit-first", "replay", "no-context", "stable")
def test_what_a_job_leaves_in_the_kvs(real_instance: Any) -> None:
    from rosin.rfc import eventlog, exec_eventlog, fluid, ioencode, jobpath, sign, states

    told = real_instance.run("run", "-n2", "echo", "hello")
    assert (told.returncode, told.stdout) == (0, "hello\nhello\n")
    jobid = fluid.parse(real_instance.run("job", "last").stdout)

    def get(key: str) -> str:
        return str(real_instance.run("kvs", "get", "--raw", jobpath.job_key(jobid, key)).stdout)

    payload, _, mechanism = sign.unwrap(get("J"))
    jobspec = json.loads(get("jobspec"))
    assert mechanism == "none"
    assert json.loads(payload)["tasks"] == jobspec["tasks"]
    log = eventlog.decode_entries(get("eventlog"))
    assert states.replay(log) == 64
    assert [log[0]["name"], log[-1]["name"]] == ["submit", "clean"]
    bare = [entry["name"] for entry in log if not entry.get("context")]
    assert bare == ["validate", "depend", "start", "free", "clean"]
    assert json.loads(get("R"))["version"] == 1
    execution = eventlog.decode_entries(get("guest.exec.eventlog"))
    exec_eventlog.validate(execution)
    names = [entry["name"] for entry in execution]
    assert (names[0], names[-1]) == ("init", "done")
    assert {"starting", "complete", "shell.init", "shell.start"} <= set(names)
    output = eventlog.decode_entries(get("guest.output"))
    assert [entry["name"] for entry in output].index("header") == 0
    assert [entry["name"] for entry in output].count("header") == 1
    encodings = ioencode.decode_header(output[0]["context"])
    chunks = [ioencode.decode_data(e["context"], encodings) for e in output if e["name"] == "data"]
    assert b"".join(chunk.data for chunk in chunks if chunk.stream == "stdout") == b"hello\nhello\n"
    assert json.loads(real_instance.run("kvs", "get", "--treeobj", jobpath.guest_key(jobid)).stdout)[
        "type"
    ] in ("dir", "dirref")
    assert jobpath.guest_namespace(jobid) not in real_instance.run("kvs", "namespace", "list").stdout
