# SPDX-License-Identifier: LGPL-3.0-or-later
"""A handle on one end of a socket pair; the test is the broker on the other."""

import socket
from collections.abc import Iterator

import pytest

from rosin.handle import flux
from rosin.handle.flux import Flux
from rosin.handle.framing import FrameReader, frame
from rosin.rfc.message import Message


class Peer:
    """The broker's end: what the handle sent, and answers to it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._arrived: list[Message] = []

    def next(self) -> Message:
        """The next message that the handle sent."""
        while not self._arrived:
            data = self.sock.recv(1 << 20)
            assert data, "the handle closed the connection"
            self._arrived += self._reader.feed(data)
        return self._arrived.pop(0)

    def send(self, *messages: Message) -> None:
        self.sock.sendall(b"".join(frame(msg) for msg in messages))

    def answer(self, payload: object = None, errnum: int = 0) -> Message:
        """Answer the next request and return it."""
        request = self.next()
        self.send(request.response(payload, errnum))
        return request

    def silent(self) -> bool:
        """The handle has sent nothing more."""
        self.sock.setblocking(False)
        try:
            return not self._arrived and not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.sock.setblocking(True)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Flux, Peer]]:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flux, "connect", lambda _path: ours)
    handle = Flux("local:///nowhere")
    with theirs:
        yield handle, Peer(theirs)
    handle.close()


@pytest.fixture
def h(ends: tuple[Flux, Peer]) -> Flux:
    return ends[0]


@pytest.fixture
def peer(ends: tuple[Flux, Peer]) -> Peer:
    return ends[1]
