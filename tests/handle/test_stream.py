# SPDX-License-Identifier: LGPL-3.0-or-later
"""Exceptions of signal handlers do not break the stream of messages."""

import errno
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from rosin.handle import stream as stream_module
from rosin.handle.framing import FrameReader, frame
from rosin.handle.stream import ConnectionLost, Stream
from rosin.rfc.message import Message


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    stream = Stream(ours)
    with theirs:
        yield stream, theirs
    stream.close()


@pytest.fixture
def alarm():
    """Makes signals arrive until their handler meets the main thread in a method of the stream: it raises.

    ``ready`` looks at the function's local names and says whether it has come far enough.
    """
    main = threading.get_ident()
    waiting: list[tuple[str, Callable[[dict[str, Any]], bool]]] = []

    def handler(_signum: int, at: FrameType | None) -> None:
        if waiting and at is not None and at.f_code.co_filename == stream_module.__file__:
            name, ready = waiting[0]
            if at.f_code.co_name == name and ready(at.f_locals):
                waiting.clear()
                raise OSError(errno.EPIPE, "of the handler")

    before = signal.signal(signal.SIGUSR1, handler)
    threads = []

    def ring(name: str, ready: Callable[[dict[str, Any]], bool] = lambda _names: True) -> None:
        waiting.append((name, ready))

        def kill() -> None:
            pause = threading.Event()
            while waiting:
                signal.pthread_kill(main, signal.SIGUSR1)
                pause.wait(0.001)

        threads.append(threading.Thread(target=kill))
        threads[-1].start()

    yield ring
    waiting.clear()
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGUSR1, before)


def test_a_handler_that_raises_while_waiting(h, peer, alarm):
    rpc = h.rpc("a.b")
    request = peer.next()
    alarm("receive")
    with pytest.raises(OSError, match="of the handler"):
        rpc.wait_for()
    assert not h.closed
    peer.send(request.response({"alive": 1}))
    assert rpc.get() == {"alive": 1}


def test_a_message_that_has_begun_is_finished(pair, alarm):
    stream, theirs = pair
    large = frame(Message.request("a.b", b"x" * (8 << 20)))
    alarm("send", lambda names: sum(names.get("counts", ())) > 0)
    with pytest.raises(OSError, match="of the handler"):
        stream.send(large)  # nobody reads: it waits in the middle
    assert 0 < len(stream._unsent) < len(large)
    got = []

    def read() -> None:
        reader = FrameReader()
        while len(got) < 2:
            got.extend(reader.feed(theirs.recv(1 << 20)))

    thread = threading.Thread(target=read)
    thread.start()
    stream.send(frame(Message.request("c.d", b"y")))
    thread.join()
    assert [(msg.topic, len(msg.raw)) for msg in got] == [("a.b", 8 << 20), ("c.d", 1)]
    assert stream._unsent == b""


def test_a_message_that_has_not_begun_is_dropped(pair, alarm):
    stream, _theirs = pair
    large = frame(Message.request("a.b", b"x" * (8 << 20)))
    left = []
    for ready in (lambda names: sum(names.get("counts", ())) > 0, lambda names: "data" in names):
        alarm("send", ready)
        with pytest.raises(OSError, match="of the handler"):
            stream.send(large)
        left.append(len(stream._unsent))
    assert left[0] == left[1] > 0  # the second could not even begin


def test_what_has_arrived_is_kept(pair):
    stream, theirs = pair
    msg = Message.request("a.b", b"x" * 100_000)
    data = frame(msg)
    theirs.sendall(data)
    assert stream.receive(socket.MSG_DONTWAIT) == []  # the first 16 KiB
    messages: list[Message] = []
    while not messages:
        messages = stream.receive(0)
    (got,) = messages
    assert got.raw == msg.raw
    assert stream.receive(socket.MSG_DONTWAIT) == []
    stream._arrived.append(frame(Message.request("c.d")))  # as a handler's exception would have left it
    assert [msg.topic for msg in stream.receive(0)] == ["c.d"]


def test_the_end(pair):
    stream, theirs = pair
    theirs.close()
    with pytest.raises(ConnectionLost) as caught:
        stream.receive(0)
    assert caught.value.errnum == errno.ECONNRESET
    with pytest.raises(ConnectionLost) as caught:
        stream.send(b"x")
    assert caught.value.errnum == errno.EPIPE
    stream.close()
    with pytest.raises(ConnectionLost) as caught:
        stream.receive(0)
    assert caught.value.errnum == errno.EBADF
