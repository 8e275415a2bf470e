# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is not let into a tree of brokers, and what becomes of what he says."""

import errno
from contextlib import asynccontextmanager

import pytest

from rosin.broker.module import BrokerModule, event_handler, request_handler
from rosin.broker.overlay.hello import Control, Hello, control, version_number
from rosin.constants import FLUX_MSGTYPE_EVENT, FLUX_ROLE_OWNER, FLUX_ROLE_USER
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import Message
from rosin.testing.tree import InstanceTree


class Heard(BrokerModule):
    """Answers, and keeps what was published."""

    name = "where"

    async def start(self):
        self.seen = []

    @request_handler("get", allow_guest=True)
    def get(self, _msg):
        return {"rank": self.h.rank}

    @event_handler("pulse", allow_guest=True)
    def pulse(self, msg):
        self.seen.append(msg.seq)


class Stranger:
    """A broker that says what the test wants, below rank 0."""

    def __init__(self, brokers, identity=b"stranger"):
        self.answers = []
        self.lost = False
        self.identity = identity
        self._brokers = brokers

    async def connect(self):
        def lost():
            self.lost = True

        self.link = await self._brokers.network.transport(1).connect(
            "memory://0", "", None, self.identity, self.answers.append, lost
        )
        return self

    async def say(self, msg):
        self.answers.clear()
        self.link.send(encode_frames(msg) if isinstance(msg, Message) else msg)
        await self._brokers.settle()
        return [decode_frames(list(frames)) for frames in self.answers]


@asynccontextmanager
async def stranger(**options):
    async with InstanceTree(2, [Heard], missing={1}, **options) as brokers:
        yield brokers, await Stranger(brokers).connect()


def greeting(brokers, **changes):
    hello = Hello(1, version_number(), b"stranger", "full", "host1")._replace(**changes)
    return hello.encode(brokers[0].broker.owner)


async def test_who_says_hello_is_told_to_whom():
    async with stranger() as (brokers, who):
        (answer,) = await who.say(greeting(brokers))
        assert answer.errnum == 0
        assert answer.data == {"uuid": brokers[0].broker.uuid.decode(), "seq": 0}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rank": 5}, "rank 5 is not a child"),
        ({"rank": 0, "hostname": None}, "rank 0 is not a child"),
        ({"hostname": "elsewhere"}, "host1 is configured as rank 1"),
        ({"version": 0x005700}, "version mismatched"),
        ({"uuid": b"other"}, "not the identity"),
        ({"uuid": b"\x07"}, "is no uuid"),
        ({"uuid": b""}, "is no uuid"),
        ({"status": "lost"}, "is not lost"),
    ],
)
async def test_a_wrong_hello_is_refused(changes, why):
    async with stranger() as (brokers, who):
        (answer,) = await who.say(greeting(brokers, **changes))
        assert answer.errnum
        assert why in answer.text
        assert not brokers[0].links.children.online
        for _ in range(5):
            await who.say(greeting(brokers, **changes))
        assert len(brokers.logged(0, "rejecting connection")) == 1


async def test_only_the_owner_says_hello():
    async with stranger() as (brokers, who):
        for userid, rolemask in ((4242, FLUX_ROLE_OWNER), (brokers[0].broker.owner, FLUX_ROLE_USER)):
            msg = greeting(brokers)
            msg.userid, msg.rolemask = userid, rolemask
            (answer,) = await who.say(msg)
            assert answer.errnum == errno.EPERM


async def test_nobody_speaks_who_was_not_let_in():
    async with stranger() as (brokers, who):
        for msg in (
            Message.request("where.get", {}),
            Message(FLUX_MSGTYPE_EVENT, "pulse", route=[]),
            control(Control.STATUS, "full"),
        ):
            (answer,) = await who.say(msg)
            assert answer.aux1 == Control.DISCONNECT
        assert await who.say(control(Control.DISCONNECT)) == []  # two that are strangers to each other
        assert brokers[0].broker.modules["where"].seen == []


@pytest.mark.parametrize("state", ["run", "cleanup", "shutdown"])
async def test_nobody_is_let_in_at_the_end(state):
    async with stranger() as (brokers, who):
        brokers[0].broker.state.state = state
        (answer,) = await who.say(greeting(brokers))
        assert (answer.topic == "overlay.hello") == (state == "run")
        assert answer.aux1 == (0 if state == "run" else Control.DISCONNECT)
        assert bool(brokers[0].links.children.online) == (state == "run")


async def test_what_is_no_message_is_dropped_and_logged_once():
    async with stranger() as (brokers, who):
        await who.say(greeting(brokers))
        for frames in ([b"x"], [b""], [], [b"", b"topic", b"\x8e" * 20]):
            assert await who.say(frames) == []
        forged = Message.request("where.get", {}).response({})
        forged.route = [b"nobody", b"not-me"]
        await who.say(forged)
        await who.say(control(Control.STATUS, "full"))
        await who.say(Message(8, aux1=Control.STATUS, matchtag=77, route=[]))
        assert len(brokers.logged(0, "DROP downstream")) == 1
        assert brokers[0].links.children.by_rank[1].online


async def test_a_child_that_is_gone_is_told_so():
    async with stranger() as (brokers, who):
        await who.say(greeting(brokers))
        await (await brokers.connect(0)).rpc("overlay.disconnect-subtree", {"rank": 1})
        await brokers.settle()
        assert decode_frames(list(who.answers[-1])).aux1 == Control.DISCONNECT
        (answer,) = await who.say(Message.request("where.get", {}))
        assert answer.aux1 == Control.DISCONNECT


async def test_a_child_that_says_that_it_ends_is_not_lost():
    async with stranger() as (brokers, who):
        await who.say(greeting(brokers))
        await who.say(control(Control.STATUS, "offline"))
        assert brokers[0].links.children.by_rank[1].status == "offline"
        assert not brokers.logged(0, "failed")


@pytest.mark.parametrize("status", ["unknown", "lost"])
async def test_nobody_says_of_itself_that_it_is_unknown_or_lost(status):
    """That is no end: what is above keeps its links, and all above that count it."""
    async with stranger() as (brokers, who):
        await who.say(greeting(brokers))
        assert await who.say(control(Control.STATUS, status)) == []
        child = brokers[0].links.children.by_rank[1]
        assert (child.status, child.error) == ("full", "")
        assert brokers.logged(0, f"a broker that says its status is not {status}")
        (answer,) = await who.say(Message.request("where.get", {}, matchtag=1))
        assert answer.matchtag == 1
        await who.say(control(Control.STATUS, "degraded"))
        assert child.status == "degraded"
