# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker below whose key is good and whose messages are not, over real sockets: others go on as before."""

import asyncio
import errno
from contextlib import asynccontextmanager

import pytest

from rosin.broker.overlay.hello import Control, Hello, control, version_number
from rosin.constants import (
    FLUX_MSGFLAG_STREAMING,
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_RPC_STREAMING,
)
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import Message

from .sockettree import Tree
from .wire import Noted


class Child(Noted):
    """Plays rank 2."""

    def __init__(self, tree):
        super().__init__()
        self.tree = tree
        self.root = tree.brokers[0].broker

    async def connect(self, identity=b"stranger"):
        self.link = await self.transport.connect(
            self.tree.cards[0].uris[0],
            self.tree.cards[0].public_key,
            self.tree.certs[2],
            identity,
            self.took,
            self.lose,
        )
        self.links.append(self.link)

    def hello(self, **changes):
        hello = Hello(2, version_number(), b"stranger", "full", "host2")._replace(**changes)
        self.say(hello.encode(self.root.owner))

    def say(self, msg):
        self.link.send(encode_frames(msg))

    async def answer(self):
        """The next message."""
        await self.until(lambda: self.received)
        return decode_frames(self.received.pop(0))

    async def works(self):
        """The tree is as it was: requests both ways, and an event for all."""
        for at, to in ((0, 1), (1, 0)):
            client = await self.tree.brokers[at].connect()
            assert (await client.rpc("where.get", nodeid=to))["rank"] == to
        before = [len(self.tree.where(rank).seen) for rank in (0, 1)]
        client = await self.tree.brokers[1].connect()
        await client.rpc("event.publish", {"topic": "pulse", "flags": 0}, 0)
        while [len(self.tree.where(rank).seen) for rank in (0, 1)] != [count + 1 for count in before]:
            await asyncio.sleep(0)
        for rank in (0, 1):
            seen = self.tree.where(rank).seen
            assert seen == sorted(set(seen))
        assert self.root.modules["overlay"].links.children.by_rank[1].online


@asynccontextmanager
async def child(tmp_path, joined=True, works=True):
    tree = Tree(tmp_path, played=2)
    await tree.start()
    who = Child(tree)
    try:
        await tree.brokers[1].links.above.joined()
        await who.connect()
        if joined:
            who.hello()
            assert (await who.answer()).errnum == 0
        yield who
        if works:
            await who.works()
    finally:
        who.close()
        await tree.stop()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rank": 1}, "host1 is configured as rank 1"),
        ({"rank": 0, "hostname": None}, "rank 0 is not a child of rank 0"),
        ({"rank": 3, "hostname": None}, "rank 3 is not a child of rank 0"),
        ({"rank": -1, "hostname": None}, "rank -1 is not a child of rank 0"),
        ({"hostname": "host1"}, "host2 is configured as rank 2"),
        ({"version": 0x005700}, "version mismatched"),
        ({"uuid": b"another"}, "another is not the identity of this connection"),
    ],
)
async def test_a_wrong_hello(tmp_path, changes, why):
    async with child(tmp_path, joined=False) as who:
        for _ in range(3):
            who.hello(**changes)
            answer = await who.answer()
            assert answer.errnum
            assert why in answer.text
        assert len(who.tree.logged(0, "rejecting connection")) == 1


async def test_the_place_of_another_is_taken_by_nobody(tmp_path):
    """Rank 1 is there, and what is said under its identity is not heard."""
    async with child(tmp_path, joined=False) as who:
        uuid = who.tree.brokers[1].broker.uuid
        await who.connect(uuid)
        who.hello(rank=1, uuid=uuid, hostname="host1")
        await who.works()
        assert who.received == []


async def test_a_role_that_only_the_broker_of_a_client_gives(tmp_path):
    """Nobody is local who is not; user and other roles are what the broker says that let him in (RFC 12)."""
    async with child(tmp_path) as who:
        msg = Message.request("where.get", {}, matchtag=1)
        msg.userid, msg.rolemask = 4242, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL
        who.say(msg)
        data = (await who.answer()).data
        assert (data["userid"], data["rolemask"]) == (4242, FLUX_ROLE_OWNER)


async def test_an_event_with_a_number(tmp_path):
    """Rank 0 gives them."""
    async with child(tmp_path) as who:
        await who.works()
        for seq in (0xFFFFFFFF, 1, 1 << 31):
            who.say(Message(FLUX_MSGTYPE_EVENT, "pulse", aux1=seq, userid=1, rolemask=1, route=[]))
        for rank in (0, 1):
            while len(who.tree.where(rank).seen) < 4:
                await asyncio.sleep(0)
            first = who.tree.where(rank).seen[0]
            assert who.tree.where(rank).seen == [first, first + 1, first + 2, first + 3]


async def test_a_response_that_nobody_has_asked_for(tmp_path):
    """Somebody waits for another broker's, with the same tag."""
    async with child(tmp_path) as who:
        client = await who.tree.brokers[0].connect()
        asked = client.rpc("where.wait", nodeid=1)
        for topic, tag, flags in (
            ("where.wait", 1, 0),
            ("where.wait", 1, FLUX_MSGFLAG_STREAMING),
            ("x.y", 2, 0),
        ):
            forged = Message(FLUX_MSGTYPE_RESPONSE, topic, {"rank": 77}, matchtag=tag, flags=flags)
            forged.route = [client.client.uuid, who.root.uuid]
            who.say(forged)
        msg = Message.request("where.get", {}, matchtag=1)
        msg.userid, msg.rolemask = who.root.owner, FLUX_ROLE_OWNER
        who.say(msg)
        assert (await who.answer()).data["rank"] == 0
        who.tree.where(1).gate.set()
        assert (await asked)["rank"] == 1


async def test_lies_cost_a_line_for_each_place(tmp_path, rng):
    """However many are told; what is said before hello costs none."""
    async with child(tmp_path, joined=False) as who:
        for number in range(300):
            stray = Message(FLUX_MSGTYPE_RESPONSE, f"where.{number}", {}, matchtag=number)
            stray.route = [b"x", who.root.uuid]
            who.say(stray)
            assert (await who.answer()).type == FLUX_MSGTYPE_CONTROL
        assert who.tree.logged(0, "stranger") == who.tree.logged(0, "where.") == []
        for number in range(300):
            rank = rng.randrange(-5, 50)
            who.hello(rank=rank, hostname=f"elsewhere{number}", uuid=f"{number}".encode(), version=number)
            assert (await who.answer()).errnum
        lines = who.tree.logged(0, "rejecting connection")
        assert 1 <= len(lines) <= 3
        assert len({line.split("(rank ")[1].split(")")[0] for line in lines} - {"1", "2"}) <= 1


async def test_who_takes_a_place_again_is_said_and_the_one_before_has_to_leave(tmp_path):
    async with child(tmp_path) as first:
        second = Child(first.tree)
        await second.connect(b"another")
        second.hello(uuid=b"another")
        assert (await second.answer()).errnum == 0
        (line,) = first.tree.logged(0, "reconnected")
        assert line.endswith("host2 (rank 2) reconnected after crash, dropping old connection state")
        first.say(Message.request("where.get", {}, matchtag=1))
        answer = await first.answer()
        assert (answer.type, answer.aux1) == (FLUX_MSGTYPE_CONTROL, Control.DISCONNECT)
        second.close()


async def test_a_certificate_that_is_revoked(tmp_path):
    """Its owner is sent away and refused from then on; nobody else is.

    The connection is cut at once: what was said by it before may not leave any more.
    """
    async with child(tmp_path) as who:
        client = await who.tree.brokers[0].connect()
        await client.rpc("overlay.revoke", {"rank": 2})
        await who.until(lambda: who.lost)
        assert {decode_frames(frames).aux1 for frames in who.received} <= {Control.DISCONNECT}
        assert who.tree.logged(0, "the certificate of host2 (rank 2) is revoked")
        assert who.tree.logged(0, "host2 (rank 2) sent away")
        (told,) = [each for each in (await client.rpc("overlay.health"))["children"] if each["rank"] == 2]
        assert (told["status"], told["error"]) == ("lost", "certificate revoked")
        again = Child(who.tree)
        await again.connect(b"another")
        await again.until(lambda: again.lost)
        assert any("does not accept the key" in text for text in again.texts)
        again.close()
        for rank, text in ((2, "is not let in"), (0, "direct child"), (7, "direct child")):
            with pytest.raises(OSError, match=text):
                await client.rpc("overlay.revoke", {"rank": rank})
        guest = await who.tree.brokers[0].connect(4242)
        with pytest.raises(PermissionError):
            await guest.rpc("overlay.revoke", {"rank": 1})


@pytest.mark.parametrize("whose", [0, 1])
async def test_a_certificate_of_several_is_not_revoked(tmp_path, whose):
    """All brokers of a configuration have one: without it, none could come in."""
    async with child(tmp_path) as who:
        below = who.root.modules["overlay"].links.below
        below._keys[2] = below._keys[whose]
        client = await who.tree.brokers[0].connect()
        with pytest.raises(
            OSError, match=r"rank 2 has the same certificate as others: .*curve_cert"
        ) as caught:
            await client.rpc("overlay.revoke", {"rank": 2})
        assert caught.value.errno == errno.EINVAL
        assert below.children.by_rank[2].online


async def test_what_becomes_of_children_is_told(tmp_path):
    """overlay.monitor, over the transport that brokers use."""
    async with child(tmp_path, joined=False) as who:
        client = await who.tree.brokers[0].connect()
        monitor = client.rpc("overlay.monitor", flags=FLUX_RPC_STREAMING)

        async def told(rank, status, torpid=False):
            assert await monitor == {"rank": rank, "status": status, "torpid": torpid}
            monitor.reset()

        await told(1, "full")
        who.hello()
        await told(2, "full")
        who.say(control(Control.STATUS, "partial"))
        await told(2, "partial")
        await who.tree.brokers[0].advance(40)  # rank 1 has another clock, and is as silent
        await told(1, "full", True)
        await told(2, "partial", True)
        who.say(control(Control.HEARTBEAT))
        await who.works()  # rank 1 has said something
        await who.tree.brokers[0].advance(10)
        await told(1, "full", False)
        await told(2, "partial", False)
        who.link.close()
        await told(2, "lost")
        late = client.rpc("overlay.monitor", flags=FLUX_RPC_STREAMING)
        assert await late == {"rank": 1, "status": "full", "torpid": False}
        late.reset()
        assert await late == {"rank": 2, "status": "lost", "torpid": False}


async def test_who_was_taken_for_lost_is_told_to_leave(tmp_path):
    """A broker that its parent has given up ends, and is started again as another (flux-core's words)."""
    async with child(tmp_path, works=False) as who:
        links = who.tree.brokers[1].broker.modules["overlay"].links
        below = who.root.modules["overlay"].links.below
        lost = below.children.by_rank[1]
        below._lose(lost, "failed", "lost connection")  # as after a partition; rank 1 knows nothing of it
        client = await who.tree.brokers[1].connect()
        with pytest.raises(OSError, match="overlay disconnect") as caught:
            await client.rpc("where.get", nodeid=0)
        assert caught.value.errno == errno.EHOSTUNREACH
        assert links.above.parent is None
        (line,) = who.tree.logged(1, "disconnect control message")
        assert line.startswith("<16>")  # critical
        assert line.endswith("host0 (rank 0) sent disconnect control message")
        assert lost.status == "lost"


def random_message(rng, who):
    """Any message of one who is in, but for those by which he leaves."""
    if rng.random() < 0.2:
        return [rng.randbytes(rng.randrange(40)) for _ in range(rng.randrange(1, 6))]
    topics = [
        "where.get",
        "where",
        "overlay.hello",
        "kvs.x",
        "pulse",
        "where.disconnect",
        "",
        "a" * 300,
        "\ud7ff",
    ]
    kind = rng.choice([FLUX_MSGTYPE_REQUEST, FLUX_MSGTYPE_RESPONSE, FLUX_MSGTYPE_EVENT, FLUX_MSGTYPE_CONTROL])
    msg = Message(kind, rng.choice(topics), rng.choice([None, {}, b"", b"\xff", "[", '{"rank":1}']))
    msg.userid, msg.rolemask, msg.matchtag = (rng.choice([0, 1, 2, 7, 0xFFFFFFFF]) for _ in range(3))
    msg.aux1 = rng.choice([0, 1, 2, 3, 77, 0xFFFFFFFE, 0xFFFFFFFF])
    msg.flags = rng.randrange(256) & ~0x0B
    hops = [who.root.uuid, who.tree.brokers[1].broker.uuid, b"stranger", b"x", b"\0" * 300]
    msg.route = [rng.choice(hops) for _ in range(rng.randrange(6))]
    if kind == FLUX_MSGTYPE_CONTROL:
        msg.topic, msg.route = "", []
        msg.aux1 = rng.choice([0, 1, 3, 0xFFFFFFFF])
        msg.matchtag = rng.choice([0, 1, 2, 3, 4, 6, 0xFFFFFFFF])
    frames = encode_frames(msg)
    for _ in range(rng.choice([0, 0, 1, 3])):  # bent on the way
        at = rng.randrange(len(frames))
        frames[at] = rng.choice([b"", frames[at][:-1], frames[at] + b"\0", rng.randbytes(len(frames[at]))])
    return frames


async def test_any_messages(tmp_path, rng):
    async with child(tmp_path) as who:
        for _ in range(40):
            for _ in range(20):
                who.link.send(random_message(rng, who))
            who.received.clear()
            await who.works()
        # Some bent message may have said that it ends: it is a stranger from then on.
        for name in ("host2 (rank 2)", "a stranger"):
            assert len(who.tree.logged(0, f"DROP downstream message from {name}")) <= 1


async def test_any_messages_of_one_who_is_not_in(tmp_path, rng):
    async with child(tmp_path, joined=False) as who:
        for _ in range(200):
            who.link.send(random_message(rng, who))
        await who.works()
        assert not who.root.modules["overlay"].links.children.by_rank[2].online


async def test_streams_wait_for_a_slow_neighbour(tmp_path):
    """Who produces much for a client of another rank sees what waits for that rank's broker."""
    async with child(tmp_path) as who:
        request = Message.request("x.y")
        request.route = [b"client", b"stranger"]
        assert who.root.backlog_of(request) == 0
        flow = who.root.modules["overlay"].links.below._downlink.outflow(b"stranger")
        flow.size = 5 << 20
        assert who.root.backlog_of(request) == 5 << 20
        waits = asyncio.create_task(who.root.room(request))
        await asyncio.sleep(0)
        assert not waits.done()
        flow.clear()
        await waits
        above = who.tree.brokers[1].broker
        request.route = [b"client", who.root.uuid]
        above.modules["overlay"].links.above._uplink.outflow.size = 7
        assert above.backlog_of(request) == 7
