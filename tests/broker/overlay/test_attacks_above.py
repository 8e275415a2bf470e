# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker above whose key is good and whose messages are not, over real sockets."""

import asyncio
import errno
from contextlib import asynccontextmanager

import pytest

from rosin.broker.overlay.hello import Control, Hello, control
from rosin.constants import (
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_OWNER,
)
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import Message

from .sockettree import Tree
from .wire import Noted


class Parent(Noted):
    """Plays rank 0, for rank 1."""

    def __init__(self, tree):
        super().__init__()
        self.tree = tree

    @property
    def child(self):
        return self.tree.brokers[1].broker

    async def bind(self):
        uris = self.tree.cards[0].uris
        self.link = await self.transport.bind(uris, self.tree.certs[0], self.took, self.lose)
        self.links.append(self.link)

    async def let_in(self, answers=({"uuid": "parent"},)):
        """Authorize the broker, and answer its hello, once or more."""
        while 1 not in self.tree.cards:
            await asyncio.sleep(0)
        self.link.authorize("1", self.tree.cards[1].public_key)
        self.tree.ready.add(0)
        await self.until(lambda: self.received)
        identity, frames = self.received.pop(0)
        assert identity == self.child.uuid
        hello = decode_frames(frames)
        assert Hello.decode(hello).rank == 1
        for answer in answers:
            self.say(hello.response(answer))

    def say(self, msg):
        self.link.send(self.child.uuid, encode_frames(msg))

    async def heard(self):
        """All that was said has come."""
        request = Message.request("where.get", nodeid=1, matchtag=99)
        request.userid, request.rolemask, request.route = self.child.owner, FLUX_ROLE_OWNER, [b"parent"]
        self.say(request)
        await self.until(self.answers)
        (answer,) = self.answers()
        assert (answer.matchtag, answer.route, answer.data["rank"]) == (99, [b"parent"], 1)

    def answers(self):
        """Responses that have come: logs are sent up as well."""
        messages = [decode_frames(frames[:]) for _, frames in self.received]
        return [msg for msg in messages if msg.type == FLUX_MSGTYPE_RESPONSE]


@asynccontextmanager
async def parent(tmp_path):
    tree = Tree(tmp_path, played=0)
    del tree.brokers[2]
    who = Parent(tree)
    try:
        await who.bind()
        await asyncio.gather(tree.start(), who.let_in())
        await tree.brokers[1].links.above.joined()
        yield who
    finally:
        await tree.stop()
        who.close()


async def test_foreign_numbers_of_events(tmp_path):
    """One that has been is dropped, what is missing between two is said (RFC 3, event sequence)."""
    async with parent(tmp_path) as who:
        for seq in (5, 4, 5, 0, 6, 9, 9, 0xFFFFFFFF, 10):
            who.say(Message(FLUX_MSGTYPE_EVENT, "pulse", aux1=seq, userid=1, rolemask=1, route=[]))
        await who.heard()
        assert who.tree.where(1).seen == [5, 6, 9, 0xFFFFFFFF]
        assert "events 7-8 did not arrive" in who.tree.logged(1, "did not arrive")[0]


NO_WELCOME = [
    *({"uuid": "parent", "seq": seq} for seq in (-1, 2**32, "1", None, 1.5)),
    *({"uuid": uuid} for uuid in (7, None, "", "p" * 255, "a\nb", "\u00e9")),
    *({}, None),
]


@pytest.mark.parametrize("answer", NO_WELCOME, ids=str)
async def test_an_answer_to_hello_that_is_none(tmp_path, answer):
    """No other will come: the broker is not let in, and says why."""
    tree = Tree(tmp_path, played=0)
    del tree.brokers[2]
    who = Parent(tree)
    try:
        await who.bind()
        await asyncio.gather(tree.start(), who.let_in([answer]), return_exceptions=True)
        with pytest.raises(OSError, match="has answered with something else") as caught:
            await tree.brokers[1].links.above.joined()
        assert caught.value.errno == errno.EPROTO
        assert len(tree.logged(1, "has answered with something else")) == 1
    finally:
        await tree.stop()
        who.close()


async def test_what_a_parent_cannot_say(tmp_path):
    async with parent(tmp_path) as who:
        client = await who.tree.brokers[1].connect()
        waits = client.rpc("where.wait", nodeid=1)
        for route in ([], [b"parent", b"another"]):
            request = Message.request("where.get", nodeid=1, matchtag=1)
            request.userid, request.rolemask, request.route = who.child.owner, FLUX_ROLE_OWNER, route
            who.say(request)
        forged = Message(FLUX_MSGTYPE_RESPONSE, "where.wait", {"rank": 77}, matchtag=1)
        forged.route = [client.client.uuid]
        who.say(forged)
        who.say(Message(FLUX_MSGTYPE_CONTROL, aux1=Control.STATUS, matchtag=1, route=[]))
        for frames in ([b"x"], [b""], [b"", b"topic", b"\x8e" * 20]):
            who.link.send(who.child.uuid, frames)
        await who.heard()
        who.tree.where(1).gate.set()
        assert (await waits)["rank"] == 1
        assert len(who.tree.logged(1, "DROP upstream message")) == 1


async def test_a_parent_that_ends_the_connection(tmp_path):
    async with parent(tmp_path) as who:
        client = await who.tree.brokers[1].connect()
        waits = client.rpc("kvs.get", nodeid=0)
        await who.until(lambda: any(b"kvs.get" in frames for _, frames in who.received))
        who.say(control(Control.DISCONNECT))
        with pytest.raises(OSError, match="overlay disconnect"):
            await waits
        await who.until(lambda: who.lost)
        assert who.lost == [who.child.uuid]
