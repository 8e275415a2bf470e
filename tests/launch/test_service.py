# SPDX-License-Identifier: LGPL-3.0-or-later
"""The launcher's socket: who is let in, and what a program that misbehaves may cost."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from rosin.constants import FLUX_MSGFLAG_NORESPONSE
from rosin.handle.framing import FrameReader, frame
from rosin.handle.reactor import Reactor
from rosin.launch import service
from rosin.launch.service import Service
from rosin.rfc.message import Message


class Bench:
    def __init__(self, path):
        self.reactor = Reactor()
        self.path = str(path / "start")
        self.service = Service(self.reactor, self.path, {"start.echo": lambda request: request.args})
        self.opened = []

    def open(self):
        """A new connection, and the byte with which it is answered."""
        sock = socket.socket(socket.AF_UNIX)
        self.opened.append(sock)
        sock.connect(self.path)
        self.reactor.turn(0.0)
        return sock, sock.recv(1)[0]

    def turn(self, times=1):
        for _ in range(times):
            self.reactor.turn(0.0)

    def close(self):
        self.service.close()
        self.reactor.close()
        for sock in self.opened:
            sock.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def messages(sock):
    return FrameReader().feed(sock.recv(1 << 20))


def ended(sock):
    return sock.recv(1) == b""


def test_a_request_is_answered(bench):
    sock, byte = bench.open()
    assert byte == 0
    sock.send(frame(Message.request("start.echo", {"a": 1}, matchtag=7)))
    bench.turn()
    (answer,) = messages(sock)
    assert (answer.topic, answer.args, answer.matchtag, answer.aux1) == ("start.echo", {"a": 1}, 7, 0)


def test_other_users_are_refused(bench, monkeypatch):
    monkeypatch.setattr(service, "peer_credentials", lambda sock: (os.getuid() + 1, 1))
    sock, byte = bench.open()
    assert byte == errno.EPERM
    assert ended(sock)
    assert not bench.service.clients


def test_so_many_and_no_more(bench, monkeypatch):
    monkeypatch.setattr(service, "MAX_CLIENTS", 2)
    first, _ = bench.open()
    bench.open()
    assert bench.open()[1] == errno.EMFILE
    first.close()
    bench.turn()
    assert bench.open()[1] == 0


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", (0xFFEE0012).to_bytes(4, "little") + (1 << 20).to_bytes(4, "big")],
    ids=["magic", "size"],
)
def test_what_is_not_understood_ends_the_connection(bench, data):
    sock, _ = bench.open()
    sock.send(data)
    bench.turn()
    assert ended(sock)


def test_who_does_not_read_is_not_read(bench):
    sock, _ = bench.open()
    sock.setblocking(False)
    request = frame(Message.request("start.echo", {"a": "x" * 30000}, matchtag=1))
    sent = 0
    for _ in range(10_000):
        try:
            sent += sock.send(request)
        except BlockingIOError:
            bench.turn()
            if not any(bench.turn() or sock in select_writable(sock) for _ in range(3)):
                break
    else:
        pytest.fail("it has read without end")
    (client,) = bench.service.clients
    assert len(client._out) < 4 * service.MAX_REQUEST


def select_writable(sock):
    import select

    return select.select([], [sock], [], 0)[1]


def test_messages_that_are_no_requests_are_dropped_and_none_wants_no_answer(bench):
    sock, _ = bench.open()
    quiet = Message.request("start.echo", {"a": 1})
    quiet.flags |= FLUX_MSGFLAG_NORESPONSE
    sock.send(frame(Message.request("start.echo").response({"a": 2})) + frame(quiet))
    sock.send(frame(Message.request("start.echo", {"b": 2}, matchtag=3)))
    bench.turn(3)
    assert [answer.args for answer in messages(sock)] == [{"b": 2}]


def test_the_socket_of_one_that_was_killed_is_replaced(tmp_path):
    path = tmp_path / "start"
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.close()
    bench = Bench(tmp_path)
    assert bench.open()[1] == 0
    bench.close()
    assert not path.exists()
