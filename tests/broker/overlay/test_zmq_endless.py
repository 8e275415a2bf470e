# SPDX-License-Identifier: LGPL-3.0-or-later
"""A message that does not end: ZeroMQ keeps its parts, and those who send it are cut off in time."""

import asyncio
import os
import socket

import pytest

from rosin.broker.overlay import backlog, zdownlink, zintake

from .wire import Lower, Upper

#: What of a message comes, and how much of it at most is to be kept.
_SOME, _KEPT = 4 << 20, 1 << 20


class Relay:
    """Passes on what is sent to it, as long as there is room; ``ended`` when the far end has ended that."""

    def __init__(self, port):
        self._port = port
        self.room = 1 << 40
        self.passed = 0
        self.ended = asyncio.Event()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        far, out = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers = [out, writer]
        self._tasks = [
            asyncio.create_task(self._pass(reader, out, True)),
            asyncio.create_task(self._pass(far, writer, False)),
        ]

    async def _pass(self, reader, writer, counts):
        try:
            while data := await reader.read(self.room if counts and self.room < 1 << 16 else 1 << 16):
                if counts:
                    self.room -= len(data)
                    self.passed += len(data)
                writer.write(data)
                await writer.drain()
                if not self.room:
                    await self.ended.wait()
                    return
        except ConnectionError:
            pass
        self.ended.set()

    async def stop(self):
        self.ended.set()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def upper(monkeypatch):
    monkeypatch.setattr(zdownlink, "_LOOK", 0.01)
    upper = await Upper().bind("tcp://127.0.0.1:*")
    yield upper
    upper.close()
    for stranger in upper.strangers:
        stranger.close()


@pytest.fixture
async def relay(upper):
    relay = Relay(int(upper.uri.rpartition(":")[2]))
    uri, upper.uri = upper.uri, f"tcp://127.0.0.1:{await relay.start()}"
    yield relay
    upper.uri = uri
    await relay.stop()


@pytest.mark.parametrize("first", [True, False])
async def test_a_message_without_end(upper, relay, monkeypatch, first):
    """Whether the connection has brought others before or not."""
    good = Lower()
    uri, upper.uri = upper.uri, upper.link.uris[0]
    await good.connect(upper, upper.admit(), b"good")
    upper.uri = uri
    peer = upper.socket(upper.admit(), b"peer")
    if not first:
        for _ in range(2000):
            peer.send_multipart([b"", b"a.b", b"x" * 1000])
        await upper.until(lambda: len(upper.received) == 2000)
    relay.room = _SOME
    monkeypatch.setattr(backlog, "BUDGET", _KEPT)
    peer.send_multipart([b"x" * 60_000] * 100)
    await relay.ended.wait()
    text = "peer sends more than can be taken" if not first else "a message came without end"
    await upper.until(lambda: any(text in each for each in upper.texts))
    if not first:
        await upper.until(lambda: upper.lost)
    assert upper.lost == ([] if first else [b"peer"])
    good.links[0].send([b"up"])
    await upper.until(lambda: (b"good", [b"up"]) in upper.received)
    assert b"good" not in upper.lost
    good.close()


async def test_who_sends_much_in_good_order_stays(upper, relay, monkeypatch):
    """However much it is in all: the account of what has come by a connection comes out even."""
    peer = upper.socket(upper.admit(), b"peer")
    monkeypatch.setattr(backlog, "BUDGET", 1 << 16)
    for number in range(300):
        peer.send_multipart([b"", b"x" * (number % 300), b"x" * (number * 100), b"h" * 20])
        await upper.until(lambda: len(upper.received) == number + 1)  # noqa: B023
    upper.link._look()
    (connected,) = upper.link._peers.values()
    assert relay.passed > 4 << 20
    assert 0 <= zintake.came(connected.fd) - connected.taken < 1000  # the handshake
    assert upper.texts == []
    assert upper.lost == []


def test_what_is_no_connection_of_tcp_has_brought_nothing_that_is_known():
    one, other = socket.socketpair()
    other.send(b"x" * 100)
    assert zintake.came(one.fileno()) == 0
    reader, writer = os.pipe()
    assert zintake.came(reader) == 0
    for fd in (reader, writer):
        os.close(fd)
    assert zintake.came(writer) == 0
    one.close()
    other.close()
