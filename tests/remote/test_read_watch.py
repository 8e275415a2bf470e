# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sockets on the loop that brokers run: what was said before their end is heard, and the end too.

A side that ends without having read everything leaves its other one in an error, and the loop calls once for
that, however much there is to read.
"""

import asyncio
import errno
import socket

import pytest
import uvloop

from rosin.process.frames import encode
from rosin.process.watch import ReadWatch
from rosin.process.zygote import Zygote


def ended(said: bytes) -> socket.socket:
    """One end of a socket whose other one has said this and has ended, with something unread."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.send(b"x")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    assert theirs.send(said) == len(said)
    theirs.close()
    return ours


class Reader:
    """Reads a byte at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.loop = asyncio.get_running_loop()
        self.sock = sock
        self.heard: list[bytes] = []
        self.over = self.loop.create_future()
        self.watch = ReadWatch(self.loop, sock.fileno(), self.ready, 1)

    def ready(self, size: int) -> None:
        try:
            data = self.sock.recv(size)
        except ConnectionResetError:
            data = b""
        if data:
            self.heard.append(data)
        else:
            self.watch.stop()
            self.over.set_result(None)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_all_that_was_said_and_the_end(run) -> None:
    async def main() -> None:
        with ended(b"abc") as sock:
            reader = Reader(sock)
            reader.watch.start()
            await reader.over
            assert reader.heard == [b"a", b"b", b"c"]

    run(main())


def test_nothing_is_heard_while_it_is_not_watched() -> None:
    async def main() -> None:
        with ended(b"abc") as sock, ended(b"d") as other:
            reader, witness = Reader(sock), Reader(other)
            reader.watch = ReadWatch(
                reader.loop, sock.fileno(), lambda: (reader.ready(1), reader.watch.stop())
            )
            for turn in range(1, 3):
                reader.watch.start()
                while len(reader.heard) < turn:
                    await asyncio.sleep(0)
            witness.watch.start()
            await witness.over
            assert reader.heard == [b"a", b"b"]

    uvloop.run(main())


def test_a_loop_that_ends_before_them_takes_them_along() -> None:
    async def main(sock: socket.socket) -> None:
        ReadWatch(asyncio.get_running_loop(), sock.fileno(), print).start()

    with ended(b"") as sock:
        uvloop.run(main(sock))


def test_a_zygote_that_ends_with_requests_unread() -> None:
    """Who asked it is answered by what it had said before, and told of its end."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        zygote = Zygote(ours, 0)
        zygote.on_lost = lost.set_result
        zygote.attach(loop)
        spawned, unheard = [zygote.spawn("rosin:nothing", ["x"], {}) for _ in range(2)]
        theirs.send(encode({"id": 1, "errno": errno.ENOENT, "text": "x" * (1 << 18)}))
        theirs.close()
        assert "not replaced" in await lost
        assert [spawn.error and spawn.error.errno for spawn in (spawned, unheard)] == [
            errno.ENOENT,
            errno.EPIPE,
        ]
        zygote.close()

    uvloop.run(main())
