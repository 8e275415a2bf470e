# SPDX-License-Identifier: LGPL-3.0-or-later
"""The links between brokers: who is let in, what passes, what becomes of who waits when a link breaks."""

import asyncio
import errno
from contextlib import asynccontextmanager

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_NODEID_UPSTREAM,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
    FLUX_RPC_STREAMING,
)
from rosin.rfc.frames import decode_frames
from rosin.testing.tree import InstanceTree


class Where(BrokerModule):
    """Says where it is; keeps who waits, and what was published."""

    name = "where"

    async def start(self):
        self.waiting = []
        self.gone = []
        self.seen = []

    @request_handler("get", allow_guest=True)
    def get(self, msg):
        return {"rank": self.h.rank, "userid": msg.userid, "rolemask": msg.rolemask}

    @request_handler("wait")
    def wait(self, msg):
        self.waiting.append(msg)
        return DEFERRED

    @event_handler("pulse", allow_guest=True)
    def pulse(self, msg):
        self.seen.append(msg.seq)

    def disconnected(self, sender):
        self.gone.append(sender)


@asynccontextmanager
async def tree(size=4, **options):
    """Of two children each: 3 and 4 are below 1, 5 and 6 below 2."""
    async with InstanceTree(size, [Where], topo="kary:2", **options) as brokers:
        yield brokers


@pytest.mark.parametrize("published", [0, 5])
async def test_who_has_just_joined_misses_no_event_unseen(published):
    """The answer to hello says which event was the last, and was for an interior broker, too."""
    async with tree(4, missing=[1, 3]) as brokers:
        h = await brokers.connect(0)
        for _ in range(published):
            await h.rpc("event.publish", {"topic": "pulse", "flags": 0})
        for rank in (1, 3):
            await brokers.restart(rank)
            assert brokers[rank].broker.events.seq == published
        for share in ({3: 1.0}, {}):
            brokers.network.loss = share
            await h.rpc("event.publish", {"topic": "pulse", "flags": 0})
            await brokers.settle()
        assert brokers[1].broker.modules["where"].seen == [published + 1, published + 2]
        assert brokers[3].broker.modules["where"].seen == [published + 2]
        assert [line for line in brokers[3].logged() if f"event {published + 1} did not arrive" in line]


async def test_a_request_finds_its_rank_from_everywhere():
    async with tree(7) as brokers:
        for sender in (0, 3, 6):
            h = await brokers.connect(sender)
            for rank in range(7):
                assert (await h.rpc("where.get", {}, rank))["rank"] == rank


async def test_to_nobody_in_particular_goes_up():
    async with tree(4) as brokers:
        h = await brokers.connect(3)
        assert (await h.rpc("where.get", {}, FLUX_NODEID_UPSTREAM))["rank"] == 1
        await brokers[3].broker.modules.remove("where")
        await brokers[1].broker.modules.remove("where")
        assert (await h.rpc("where.get"))["rank"] == 0
        await brokers[0].broker.modules.remove("where")
        with pytest.raises(OSError, match="No service matching") as caught:
            await h.rpc("where.get")
        assert caught.value.errno == errno.ENOSYS
        with pytest.raises(OSError) as caught:
            await h.rpc("where.get", {}, 99)
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_who_asks_is_known_but_not_local():
    async with tree(4) as brokers:
        h = await brokers.connect(3, userid=4242)
        answer = await h.rpc("where.get", {}, 0)
        assert answer["userid"] == 4242
        assert answer["rolemask"] == FLUX_ROLE_USER
        owner = await (await brokers.connect(3)).rpc("where.get", {}, 2)
        assert owner["rolemask"] & FLUX_ROLE_OWNER
        assert not owner["rolemask"] & FLUX_ROLE_LOCAL


async def test_an_event_from_anywhere_comes_everywhere_in_one_order():
    async with tree(7) as brokers:
        handles = [await brokers.connect(rank) for rank in range(7)]
        for rank in (6, 0, 3):
            await handles[rank].rpc("event.publish", {"topic": "pulse", "flags": 0}, 0)
        for h in handles:
            h.event_send("pulse")
        await brokers.settle()
        seen = [broker.broker.modules["where"].seen for broker in brokers]
        assert all(each == list(range(1, 11)) for each in seen)


async def test_an_event_is_encoded_once_for_all():
    async with tree(5) as brokers:
        sent = []
        links = brokers[0].links
        down = links.below._downlink
        links.below._downlink = type(
            "Spy", (), {"send": lambda _s, who, frames: sent.append((who, frames))}
        )()
        (await brokers.connect(0)).event_send("pulse")
        await brokers.settle()
        links.below._downlink = down
        assert len(sent) == 2
        assert sent[0][1] is sent[1][1]
        msg = decode_frames(list(sent[0][1]))
        assert (msg.type, msg.topic, msg.route) == (FLUX_MSGTYPE_EVENT, "pulse", [])


async def test_health():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        health = await h.rpc("overlay.health")
        assert health["status"] == "full"
        assert [child["status"] for child in health["children"]] == ["full", "full"]
        watch = h.rpc("overlay.health", {}, 1, FLUX_RPC_STREAMING)
        assert (await watch)["status"] == "full"
        watch.reset()
        top = h.rpc("overlay.health", flags=FLUX_RPC_STREAMING)
        await top
        top.reset()
        brokers.network.kill(3)
        assert (await watch)["status"] == "degraded"
        health = await top
        assert health["status"] == "degraded"
        assert health["children"][0]["status"] == "degraded"
        below = await h.rpc("overlay.health", {}, 1)
        assert below["children"][0]["status"] == "lost"
        assert below["children"][0]["error"] == "lost connection"


async def test_topology():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        whole = await h.rpc("overlay.topology", {"rank": 0})
        assert whole["size"] == 4
        assert whole["children"][0] == await h.rpc("overlay.topology", {"rank": 1}, 1)
        assert whole["children"][0] == await h.rpc("overlay.topology", {"rank": 1}, 0)
        with pytest.raises(FileNotFoundError, match="direct child"):
            await h.rpc("overlay.topology", {"rank": 3}, 0)


async def test_attributes_of_the_tree():
    async with tree(4) as brokers:
        h = await brokers.connect(1)
        values = [h.attr_get(f"tbon.{name}") for name in ("level", "maxlevel", "descendants")]
        assert values == ["1", "2", "1"]
        assert h.attr_get("broker.boot-method") == "memory"


@pytest.mark.parametrize("how", ["kill", "cut", "disconnect", "stop"])
async def test_who_waits_for_a_lost_child_is_told_at_once(how):
    async with tree(4) as brokers:
        h = await brokers.connect(2)
        wait = h.rpc("where.wait", {}, 3)
        await brokers.settle()
        if how == "kill":
            brokers.network.kill(3)
        elif how == "cut":
            brokers.network.cut(1, 3)
        elif how == "disconnect":
            await h.rpc("overlay.disconnect-subtree", {"rank": 3}, 1)
        else:
            await brokers[3].stop()
        with pytest.raises(OSError) as caught:
            await wait
        assert caught.value.errno in (errno.EHOSTUNREACH, errno.ENOSYS, errno.ECANCELED)
        with pytest.raises(OSError) as caught:
            await h.rpc("where.get", {}, 3)
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_a_loss_that_nobody_has_noticed_is_seen_when_something_is_to_be_sent():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        wait = h.rpc("where.wait", {}, 3)
        await brokers.settle()
        brokers.network.half_open(3, 1, 3)
        for rpc in (h.rpc("where.get", {}, 3), wait):
            with pytest.raises(OSError) as caught:
                await rpc
            assert caught.value.errno == errno.EHOSTUNREACH
        assert brokers.logged(1, "host3 (rank 3) failed")


async def test_who_waits_for_the_broker_above_is_told_at_once():
    async with tree(4) as brokers:
        h = await brokers.connect(3)
        wait = h.rpc("where.wait", {}, 2)
        await brokers.settle()
        brokers.network.cut(1, 3)
        with pytest.raises(OSError, match="overlay disconnect") as caught:
            await wait
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_a_broker_says_on_its_own_host_that_it_has_lost_the_one_above():
    async with tree(4) as brokers:
        brokers.network.cut(1, 3)
        await brokers.settle()
        (line,) = brokers.logged(3, "lost connection to host1 (rank 1) above")
        assert line.startswith("<16>")  # critical: it goes to standard error in any case
        assert not brokers.logged(2, "lost connection")
        await brokers[2].links.above.goodbye()
        await brokers.settle()
        assert not brokers.logged(2, "lost connection")


async def test_what_works_for_who_is_gone_is_told():
    async with tree(4) as brokers:
        h = await brokers.connect(3)
        h.rpc("where.wait", {}, 2)
        await brokers.settle()
        brokers.network.kill(1)
        await brokers.settle()
        assert brokers[2].broker.modules["where"].gone == [h.client.uuid]


async def test_a_loss_says_how_many_it_has_severed():
    async with tree(7) as brokers:
        brokers.network.kill(1)
        await brokers.settle()
        assert brokers.logged(0, "host1 (rank 1) failed and severed contact with 2 other nodes")


async def test_a_broker_that_comes_back_is_let_in():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        await brokers.restart(3)
        assert (await h.rpc("where.get", {}, 3))["rank"] == 3
        assert (await h.rpc("overlay.health"))["status"] == "full"


async def test_who_reconnects_before_its_loss_was_noticed_takes_its_own_place():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        wait = h.rpc("where.wait", {}, 3)
        await brokers.settle()
        brokers.network.partition({3})
        await brokers.restart(3, after=brokers.network.heal)
        with pytest.raises(OSError) as caught:
            await wait
        assert caught.value.errno == errno.EHOSTUNREACH
        assert brokers.logged(1, "reconnected after crash") or brokers.logged(1, "failed")
        assert (await h.rpc("where.get", {}, 3))["rank"] == 3


async def test_goodbye():
    async with tree(4) as brokers:
        await brokers[3].links.above.goodbye()
        health = await (await brokers.connect(0)).rpc("overlay.health", {}, 1)
        assert health["status"] == "partial"
        assert health["children"][0]["status"] == "offline"
        assert health["children"][0]["error"] == "administrative shutdown"
        assert not brokers.logged(1, "failed")


async def test_goodbye_does_not_wait_for_ever():
    async with tree(2) as brokers:
        brokers.network.partition({0})
        leave = asyncio.create_task(brokers[1].links.above.goodbye())
        await brokers.advance(19)
        assert not leave.done()
        await brokers.advance(2)
        await leave


async def test_silence_is_noticed_and_its_end():
    async with tree(2) as brokers:
        monitor = (await brokers.connect(0)).rpc("overlay.monitor", flags=FLUX_RPC_STREAMING)
        assert await monitor == {"rank": 1, "status": "full", "torpid": False}
        monitor.reset()
        await brokers.advance(120)
        assert not brokers.logged(0, "unresponsive")
        brokers.network.partition({1})
        await brokers.advance(40)
        assert await monitor == {"rank": 1, "status": "full", "torpid": True}
        monitor.reset()
        assert brokers.logged(0, "broker on host1 (rank 1) has been unresponsive for")
        brokers.network.heal()
        await brokers.advance(10)
        assert await monitor == {"rank": 1, "status": "full", "torpid": False}
        assert brokers.logged(0, "broker on host1 (rank 1) is responsive now")


async def test_whoever_has_just_said_something_gives_no_other_sign_of_life():
    async with tree(2) as brokers:
        h = await brokers.connect(1)
        await brokers.advance(6)
        for _ in range(5):
            before = brokers.network.passed[1, 0]
            assert (await h.rpc("where.get", {}, 0))["rank"] == 0
            await brokers.advance(4)
            assert brokers.network.passed[1, 0] == before + 1
        await brokers.advance(2)
        assert brokers.network.passed[1, 0] == before + 2


async def test_a_child_is_lost_after_the_broker_above():
    """There is nobody who could be told of it."""
    async with tree(4) as brokers:
        h = await brokers.connect(1)
        wait = h.rpc("where.wait", {}, 3)
        await brokers.settle()
        brokers.network.cut(0, 1)
        await brokers.settle()
        brokers.network.kill(3)
        with pytest.raises(OSError) as caught:
            await wait
        assert caught.value.errno == errno.EHOSTUNREACH
        assert brokers[1].links.children.status == "degraded"


async def test_stats():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        h.rpc("where.wait", {}, 3)
        await brokers.settle()
        stats = await h.rpc("overlay.stats-get", {}, 1)
        assert stats["child-count"] == stats["child-connected"] == stats["parent-count"] == 1
        assert stats["child-rpc"] == 1


async def test_disconnecting():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        with pytest.raises(FileNotFoundError, match="direct child"):
            await h.rpc("overlay.disconnect-subtree", {"rank": 3})
        await h.rpc("overlay.disconnect-subtree", {"rank": 1})
        with pytest.raises(OSError, match="rank 1 is already lost"):
            await h.rpc("overlay.disconnect-subtree", {"rank": 1})
        await brokers.settle()
        assert brokers.logged(1, "host0 (rank 0) sent disconnect control message")
        assert brokers.logged(0, "disconnected by request and severed contact with 1 other nodes")
        below = await brokers.connect(2)
        await below.rpc("overlay.disconnect-parent", {"reason": "no more"}, 2)
        await brokers.settle()
        assert brokers.logged(2, "disconnecting: no more")
        assert brokers[2].links.above.parent is None


async def test_what_passes_is_shown():
    async with tree(4) as brokers:
        h = await brokers.connect(0)
        trace = h.rpc(
            "overlay.trace",
            {"typemask": 15, "topic_glob": "where.*", "nodeid": 1, "full": True},
            0,
            FLUX_RPC_STREAMING,
        )
        await brokers.settle()
        await h.rpc("where.get", {}, 2)
        await h.rpc("where.get", {}, 3)
        first = await trace
        assert (first["prefix"], first["rank"], first["topic"]) == ("tx", 1, "where.get")
        trace.reset()
        assert (await trace)["prefix"] == "rx"
