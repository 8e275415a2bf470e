# SPDX-License-Identifier: LGPL-3.0-or-later
"""Two brokers and three: requests, responses, events, log lines and disconnects over a link."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.broker.neighbour import ChildBroker, ParentBroker
from rosin.constants import (
    FLUX_MSGFLAG_UPSTREAM,
    FLUX_NODEID_UPSTREAM,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
    FLUX_RPC_STREAMING,
)
from rosin.rfc.message import Message
from rosin.testing import Instance
from rosin.testing.link import Link


class Where(BrokerModule):
    """Says on which rank it runs, who asks and on which way; waits and streams."""

    name = "where"

    async def start(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.gone: list[bytes] = []
        self.waiting: list[Message] = []
        self.streams = 0

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> dict[str, Any]:
        hops = len(msg.route or ())
        return {"rank": self.h.rank, "userid": msg.userid, "rolemask": msg.rolemask, "hops": hops}

    @request_handler("wait", allow_guest=True)
    def wait(self, msg: Message) -> Any:
        self.waiting.append(msg)
        return DEFERRED

    @request_handler("stream")
    async def stream(self, _msg: Message) -> AsyncIterator[dict[str, int]]:
        self.streams += 1
        try:
            for number in range(1_000_000):
                yield {"number": number}
                await self.sleep(1e9)
        finally:
            self.streams -= 1

    @event_handler("pulse", allow_guest=True)
    def pulse(self, msg: Message) -> None:
        self.seen.append((msg.topic, msg.seq))

    def disconnected(self, sender: bytes) -> None:
        self.gone.append(sender)


class There(Where):
    """The same under another name."""

    name = "there"


@asynccontextmanager
async def linked(*modules: list[Any]) -> AsyncIterator[list[Instance]]:
    """Rank 0 with the children 1 and 2, and 3 below 1. ``modules`` of each are its own."""
    tree: list[Instance] = []
    async with AsyncExitStack() as stack:
        for rank, (parent, below) in enumerate(((None, ()), (0, (3,)), (0, ()), (1, ()))):
            up = None if parent is None else tree[parent]
            mine = modules[rank] if rank < len(modules) else []
            one = Instance(mine, rank=rank, size=4, parent=up, below=below)
            tree.append(await stack.enter_async_context(one))
        yield tree


def module(inst: Instance, name: str = "where") -> Any:
    return inst.broker.modules[name]


@pytest.mark.rfc(3, "request-routing")
@pytest.mark.parametrize("rank", range(4))
async def test_a_request_to_anyone_climbs_to_the_service(rank: int) -> None:
    async with linked([Where], [There]) as tree:
        h = await tree[rank].connect()
        answer = await h.rpc("where.get")
        assert (answer["rank"], answer["hops"]) == (0, [1, 2, 2, 3][rank])
        if rank in (1, 3):
            assert (await h.rpc("there.get"))["rank"] == 1
        else:
            with pytest.raises(OSError, match=r"No service matching there\.get is registered") as caught:
                await h.rpc("there.get")
            assert caught.value.errno == errno.ENOSYS


@pytest.mark.parametrize("source", range(4))
@pytest.mark.parametrize("target", range(4))
async def test_a_request_to_a_rank_goes_there_and_climbs_no_further(source: int, target: int) -> None:
    async with linked([Where, There], [Where], [Where], [Where]) as tree:
        h = await tree[source].connect()
        assert (await h.rpc("where.get", None, target))["rank"] == target
        if target:
            with pytest.raises(OSError, match="No service matching there") as caught:
                await h.rpc("there.get", None, target)
            assert caught.value.errno == errno.ENOSYS


@pytest.mark.parametrize("rank", range(4))
async def test_no_rank_no_route(rank: int) -> None:
    async with linked() as tree:
        h = await tree[rank].connect()
        with pytest.raises(OSError) as caught:
            await h.rpc("where.get", None, 4)
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_upstream_passes_over_the_senders_own_rank() -> None:
    async with linked([Where], [Where], [Where], [Where]) as tree:
        for rank, wanted in ((1, 0), (2, 0), (3, 1)):
            h = await tree[rank].connect()
            assert (await h.rpc("where.get", None, FLUX_NODEID_UPSTREAM))["rank"] == wanted
        h = await tree[0].connect()
        with pytest.raises(OSError) as caught:
            await h.rpc("where.get", None, FLUX_NODEID_UPSTREAM)
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_upstream_climbs_on_where_there_is_no_such_service() -> None:
    async with linked([Where], [There], [], [Where]) as tree:
        h = await tree[3].connect()
        assert (await h.rpc("where.get", None, FLUX_NODEID_UPSTREAM))["rank"] == 0


async def test_upstream_of_another_rank_is_for_anyone() -> None:
    """As flux-core, where nodeid is no more than the rank that the request is not for."""
    async with Instance([Where]) as inst:
        h = await inst.connect()
        msg = Message.request("where.get", None, 3, FLUX_MSGFLAG_UPSTREAM, 7)
        msg.route = [b"x"]
        assert inst.broker.router.route(msg) is module(inst).host
        msg.topic = "nobody.there"
        with pytest.raises(OSError) as caught:
            inst.broker.router.route(msg)
        assert caught.value.errno == errno.ENOSYS
        await h.close()


async def test_credentials_pass_but_for_being_local() -> None:
    async with linked([Where]) as tree:
        for userid, role in ((tree[1].broker.owner, FLUX_ROLE_OWNER), (5500, FLUX_ROLE_USER)):
            here, there = await tree[0].connect(userid=userid), await tree[3].connect(userid=userid)
            answer = await here.rpc("where.get")
            assert (answer["userid"], answer["rolemask"]) == (userid, role | FLUX_ROLE_LOCAL)
            answer = await there.rpc("where.get")
            assert (answer["userid"], answer["rolemask"]) == (userid, role)


async def test_a_circle_of_links_is_left() -> None:
    """Each broker has another as its parent."""
    async with (
        Instance(rank=1, size=4) as one,
        Instance(rank=2, size=4, parent=one) as two,
        Instance(rank=3, size=4, parent=two) as three,
    ):
        circle = Link(three.broker, one.broker)
        h = await one.connect()
        for nodeid in (0xFFFFFFFF, 0):
            with pytest.raises(OSError) as caught:
                await h.rpc("nobody.there", None, nodeid)
            assert caught.value.errno == errno.EHOSTUNREACH
        circle.cut()


@pytest.mark.parametrize("rank", range(4))
async def test_an_event_is_numbered_by_rank_0_and_arrives_everywhere(rank: int) -> None:
    async with linked(*[[Where] for _ in range(4)]) as tree:
        h = await tree[rank].connect()
        h.event_send("pulse.one")
        assert (await h.publish("pulse.two", {"x": 1}))["seq"] == tree[0].broker.events.seq
        await tree[0].settle()
        last = tree[0].broker.events.seq
        for inst in tree:
            assert module(inst).seen == [("pulse.one", last - 1), ("pulse.two", last)]
            assert inst.broker.events.seq == last


async def test_events_are_numbered_by_rank_0_only() -> None:
    async with linked() as tree:
        h = await tree[1].connect()
        for nodeid in (0xFFFFFFFF, 1):
            with pytest.raises(OSError, match="rank 0") as caught:
                await h.rpc("event.publish", {"topic": "a", "flags": 0}, nodeid)
            assert caught.value.errno == errno.EPROTO


@pytest.mark.rfc(12, "local-cleared")
async def test_guests_events_keep_their_sender() -> None:
    async with linked([Where], [Where]) as tree:
        guest, other = await tree[1].connect(userid=5500), await tree[0].connect(userid=5501)
        watcher = await tree[0].connect()
        for h in (other, watcher):
            await h.rpc("event.subscribe", {"topic": "mine"})
        guest.event_send("mine.secret", None, private=True)
        msg = await watcher.next_event()
        assert (msg.topic, msg.userid, msg.rolemask) == ("mine.secret", 5500, FLUX_ROLE_USER)
        assert other.events.empty()


async def test_an_event_that_comes_twice_is_dropped_and_a_gap_is_told() -> None:
    async with linked([], [Where]) as tree:
        accept = tree[1].broker.events.accept
        first = tree[1].broker.events.seq + 1
        for seq in (first, first, first + 2, first + 1, first + 5):
            event = Message.event("pulse", None, 0, seq)
            event.rolemask = FLUX_ROLE_USER
            accept(event)
        await tree[1].settle()
        assert [seq for _, seq in module(tree[1]).seen] == [first, first + 2, first + 5]
        gaps = [line for line in tree[1].logged() if "did not arrive" in line]
        assert len(gaps) == 1
        assert gaps[0].endswith(f"event {first + 1} did not arrive")


async def test_log_lines_pass_rank_0_up_to_a_level() -> None:
    """flux-core keeps them where they are from; rank 0 shows them, writes them to its file and to syslog."""
    async with linked() as tree:
        passed: list[bytes] = []
        tree[0].broker.ring.sinks.add(passed.append)
        for rank in (1, 3):
            tree[rank].broker.log(3, "kvs", f"bad {rank}")
            tree[rank].broker.log(4, "kvs", f"odd {rank}")
        await tree[0].settle()
        assert sorted(line.rsplit(b" ", 6)[1:] for line in passed) == [
            [b"kvs", b"-", b"-", b"-", b"bad", rank] for rank in (b"1", b"3")
        ]
        assert not [line for line in tree[0].logged() if "bad" in line]
        assert len([line for line in tree[3].logged() if "bad" in line or "odd" in line]) == 2
        assert not [line for line in tree[1].logged() if "bad 3" in line]


@pytest.mark.rfc(6, "disconnect")
async def test_a_client_that_goes_is_told_to_the_services_it_has_used_elsewhere() -> None:
    async with linked([Where], [Where]) as tree:
        for topic, nodeid, rank in (("where.get", 0xFFFFFFFF, 1), ("where.get", 0, 0), ("where.get", 1, 1)):
            h = await tree[3].connect()
            await h.rpc(topic, None, nodeid)
            await h.close()
            await tree[0].settle()
            assert module(tree[rank]).gone == [h.client.uuid]
            module(tree[rank]).gone.clear()
        h = await tree[1].connect()
        await h.rpc("where.get", None, FLUX_NODEID_UPSTREAM)
        await h.close()
        await tree[0].settle()
        assert (module(tree[0]).gone, module(tree[1]).gone) == ([h.client.uuid], [])


async def test_a_module_that_goes_is_told_too() -> None:
    class Asks(BrokerModule):
        name = "asks"

        async def start(self) -> None:
            await self.h.rpc("where.get")
            await self.h.rpc("where.get", None, FLUX_NODEID_UPSTREAM)

    async with linked([Where], [], [Where]) as tree:
        one = await tree[1].load(Asks)
        two = await tree[2].load(Asks)
        await tree[1].broker.modules.remove("asks")
        await tree[2].broker.modules.remove("asks")
        await tree[0].settle()
        assert sorted(module(tree[0]).gone) == sorted([one.host.uuid, one.host.uuid, two.host.uuid])
        assert module(tree[2]).gone == [two.host.uuid]


async def test_a_broken_link_fails_what_waits_for_it_above() -> None:
    async with linked([], [], [], [Where]) as tree:
        h = await tree[0].connect()
        waits = [h.rpc("where.wait", None, 3), h.rpc("where.stream", None, 3, FLUX_RPC_STREAMING)]
        assert await waits[1] == {"number": 0}
        waits[1].reset()
        assert (await h.rpc("where.get", None, 3))["rank"] == 3
        assert tree[1].link is not None
        tree[1].link.cut()
        for future in waits:
            with pytest.raises(OSError) as caught:
                await future
            assert caught.value.errno == errno.EHOSTUNREACH
        for nodeid in (1, 3):
            with pytest.raises(OSError) as caught:
                await h.rpc("where.get", None, nodeid)
            assert caught.value.errno == errno.EHOSTUNREACH
        assert (await h.rpc("broker.ping", {}, 2))["rank"] == 2


async def test_a_broken_link_fails_what_waits_for_it_below() -> None:
    async with linked([Where]) as tree:
        one, three = await tree[1].connect(), await tree[3].connect()
        waits = [one.rpc("where.wait"), three.rpc("where.wait"), three.rpc("where.wait")]
        await tree[0].settle()
        module(tree[0]).respond(module(tree[0]).waiting.pop(), {})
        assert await waits.pop() == {}
        assert tree[1].link is not None
        tree[1].link.cut()
        for future in waits:
            with pytest.raises(OSError, match="overlay disconnect") as caught:
                await future
            assert caught.value.errno == errno.EHOSTUNREACH
        for nodeid in (0xFFFFFFFF, 0):
            with pytest.raises(OSError) as caught:
                await three.rpc("where.get", None, nodeid)
            assert caught.value.errno == errno.EHOSTUNREACH
        three.event_send("pulse")
        await tree[0].settle()
        assert any("event pulse is lost" in line for line in tree[1].logged())


@pytest.mark.parametrize("end", ["client", "link"])
async def test_streams_end_with_the_link_or_the_client_behind_it(end: str) -> None:
    async with linked([Where]) as tree:
        h = await tree[3].connect()
        stream = h.rpc("where.stream", flags=FLUX_RPC_STREAMING)
        assert await stream == {"number": 0}
        assert module(tree[0]).streams == 1
        if end == "client":
            await h.close()
        else:
            assert tree[1].link is not None
            tree[1].link.cut()
        await tree[0].settle()
        assert module(tree[0]).streams == 0
        assert module(tree[0]).gone == [h.client.uuid]


async def test_many_clients_use_the_same_matchtag() -> None:
    async with linked([Where]) as tree:
        clients = [await tree[rank].connect(userid=5500 + rank) for rank in (1, 2, 3) * 20]
        answers = await asyncio.gather(*(h.rpc("where.get") for h in clients))
        assert [answer["userid"] for answer in answers] == [h.userid for h in clients]


async def test_what_is_answered_is_neither_failed_nor_ended_when_links_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Instance([Where], rank=1, size=3) as inst:
        ups: list[Message] = []
        downs: list[Message] = []
        up = ParentBroker(inst.broker, b"above", ups.append)
        down = ChildBroker(inst.broker, b"below", downs.append, {2})
        up.connected()
        down.connected()
        h = await inst.connect()
        asked = h.rpc("far.get")
        await inst.settle()
        up.receive(ups[-1].response({"x": 1}))
        assert await asked == {"x": 1}
        msg = Message.request("where.get", None, 1, 0, 5)
        msg.rolemask, msg.route = FLUX_ROLE_OWNER, [b"someone"]
        down.receive(msg)
        await inst.settle()
        assert (downs[-1].route, downs[-1].data["rank"]) == ([b"someone"], 1)
        late: list[Message] = []
        monkeypatch.setattr(h.client, "send", late.append)
        up.disconnected()
        down.disconnected()
        await inst.settle()
        assert (late, module(inst).gone) == ([], [])
