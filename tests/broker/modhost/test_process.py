# SPDX-License-Identifier: LGPL-3.0-or-later
"""The program that runs a module, as a broker sees it."""

import asyncio
import socket

import pytest
import uvloop

from rosin.broker.modhost.channel import Channel
from rosin.broker.modhost.process import ModuleProcess, inherited, main
from rosin.constants import FLUX_MSGFLAG_NORESPONSE
from rosin.handle.framing import frame
from rosin.rfc.message import Message

WELCOME = {"args": [], "attrs": {"rank": "3", "security.owner": "0"}, "conf": {}, "name": "bar", "uuid": "u"}


class Broker:
    """The other end."""

    def __init__(self):
        self.got = asyncio.Queue()
        self.lost = asyncio.Event()

    async def start(self, path="barrier"):
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        self.process = asyncio.ensure_future(ModuleProcess(path).run(theirs))
        self.channel = await Channel.open(ours, self.got.put_nowait, lambda _text: self.lost.set())

    def ask(self, topic, payload=None, matchtag=0):
        msg = Message.request(topic, payload, flags=0 if matchtag else FLUX_MSGFLAG_NORESPONSE)
        msg.matchtag, msg.userid, msg.rolemask = matchtag, 0, 5
        self.channel.send(msg)


async def test_the_course_of_a_module():
    broker = Broker()
    await broker.start()
    broker.ask("welcome", WELCOME)
    topics = []
    while (msg := await broker.got.get()).topic != "module.status":
        topics.append((msg.topic, msg.args.get("topic")))
    assert ("event.subscribe", "bar.stats-clear") in topics
    assert msg.args == {"status": 1}
    assert msg.flags & FLUX_MSGFLAG_NORESPONSE
    broker.ask("bar.ping", {"seq": 3}, matchtag=9)
    answer = await broker.got.get()
    assert (answer.topic, answer.matchtag, answer.args["seq"], answer.args["rank"]) == ("bar.ping", 9, 3, 3)
    broker.ask("bar.shutdown")
    states = [(await broker.got.get()).args for _ in range(2)]
    assert states == [{"status": 2}, {"status": 3, "errnum": 0}]
    assert await broker.process == 0
    await broker.lost.wait()


async def test_a_module_that_there_is_not():
    broker = Broker()
    await broker.start("nosuch")
    broker.ask("welcome", WELCOME)
    log, status = [await broker.got.get() for _ in range(2)]
    assert (log.topic, b"module not found" in log.raw) == ("log.append", True)
    assert status.args == {"status": 3, "errnum": 2, "errstr": "module not found in search path: nosuch"}
    assert await broker.process == 1


async def test_the_broker_is_gone():
    broker = Broker()
    await broker.start()
    broker.channel.close()
    with pytest.raises(OSError, match="the broker is gone"):
        await broker.process


@pytest.mark.parametrize("uri", ["", "fd://", "fd://x", "local:///x"])
def test_what_is_no_descriptor(uri):
    with pytest.raises(ValueError, match="expected fd://N"):
        inherited(uri)


def test_usage(capsys, monkeypatch):
    monkeypatch.delenv("FLUX_MODULE_URI", raising=False)
    assert main([]) == 2
    assert main(["barrier"]) == 1
    assert "expected fd://N" in capsys.readouterr().err


def test_an_end_that_goes_without_having_read_everything():
    """All that it had sent is heard, and that it is gone, on the loop that brokers run."""

    async def run():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        got, lost = [], asyncio.get_running_loop().create_future()
        channel = await Channel.open(ours, got.append, lost.set_result)
        channel.send(Message.request("unread", {}))
        words = 40 * frame(Message.request("said", {"pad": "x" * (1 << 14)}))
        assert theirs.send(words) == len(words)
        theirs.close()
        assert await lost == ""
        assert len(got) == 40

    uvloop.run(run())
