# SPDX-License-Identifier: LGPL-3.0-or-later
"""Connections as an attacker makes them: forged origins, two lengths, half requests, forged headers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import h11
import pytest
import uvicorn

from rosin.rest import connection, peer
from rosin.testing.process import RealInstance

NO_CREDENTIALS = dict.fromkeys(("FLUX_USER", "FLUX_TOKEN", "FLUX_SECRET_KEY"), "")


@contextmanager
def server(instance: RealInstance, nofile: int | None = None) -> Iterator[tuple[str, int]]:
    """A server without credentials; yields its address."""
    command = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
    if nofile is not None:
        command = ["sh", "-c", f'ulimit -n {nofile} && exec "$@"', "sh", *command]
    env = {**os.environ, "FLUX_URI": instance.uri, **NO_CREDENTIALS}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            host, port = process.stderr.readline().rstrip("/\n").rpartition("//")[2].split(":")
            yield host, int(port)
        finally:
            process.terminate()


def ask(address: tuple[str, int], request: bytes) -> bytes:
    """What one connection answers to these bytes until the server closes it."""
    answer = b""
    with socket.create_connection(address, timeout=30) as sock:
        sock.sendall(request)
        while data := sock.recv(65536):
            answer += data
    return answer


# As another user: says in forged headers that it is one of the owner's connections, or its own closed one.
_FORGE = """
import encodings.idna, os, socket, sys
os.setuid(65534)
address = (sys.argv[1], int(sys.argv[2]))
closed = socket.create_connection(address)
port = closed.getsockname()[1]
closed.shutdown(socket.SHUT_RDWR)
closed.close()
for forged in [int(sys.argv[3]), port]:
    for header in [f"X-Forwarded-For: 127.0.0.1:{forged}", f"X-Forwarded-For: {forged}",
                   f"Forwarded: for=127.0.0.1:{forged}", "X-Real-IP: 127.0.0.1"]:
        sock = socket.create_connection(address)
        sock.sendall(f"GET /jobs HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n{header}\\r\\n"
                     "Connection: close\\r\\n\\r\\n".encode())
        print(sock.recv(65536).split()[1].decode())
"""


@pytest.mark.system
@pytest.mark.skipif(os.getuid() != 0 or not peer.works(), reason="needs root to become another user")
def test_no_header_makes_another_user_the_owner(real_instance):
    with server(real_instance) as address, socket.create_connection(address) as mine:
        command = [sys.executable, "-c", _FORGE, *map(str, address), str(mine.getsockname()[1])]
        forged = subprocess.run(command, capture_output=True, text=True, check=True)
        assert forged.stdout.split() == ["403"] * 8
        own = ask(address, b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert own.split()[1] == b"200"


@pytest.mark.skipif(not peer.works(), reason="needs sock_diag")
def test_a_closed_connection_is_nobodys():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as client:
            served, _ = listener.accept()
            with served:
                names = client.getsockname(), served.getsockname()
                assert peer.peer_uid(*names) == os.getuid()
                client.shutdown(socket.SHUT_WR)
                assert served.recv(1) == b""
                with pytest.raises(OSError, match="not established"):
                    peer.peer_uid(*names)
        # The client closed first, so its side is in TIME_WAIT, where the kernel says that root owns it.
        with pytest.raises(OSError, match=r"not established|No such file"):
            peer.peer_uid(*names)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5078@evil",
        "127.0.0.1:evil",
        "127.0.0.1:",
        "[::1",
        "[::1]x",
        "localhost/x",
        "localhost ",
        "127.0.0.1, evil",
        "evil@127.0.0.1",
    ],
)
async def test_hosts_that_only_look_like_ours(make, host):
    client = await make(hosts=("localhost", "127.0.0.1", "::1"))
    assert (await client.get("/jobs", headers={"Host": host})).status_code == 421
    assert (await client.get("/jobs", headers={"Host": "LOCALHOST:80"})).status_code == 200


@pytest.mark.system
def test_two_lengths_end_the_connection(real_instance):
    body = b"0\r\n\r\nGET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = b"POST /jobs/submit HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
    with server(real_instance) as address:
        answer = ask(address, head + body)
    assert answer.split()[1] == b"400"
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.system
def test_half_requests_leave_room_for_others(real_instance):
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with server(real_instance, nofile=128) as address, ExitStack() as stack:
        for _ in range(300):
            sock = stack.enter_context(socket.create_connection(address))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert ask(address, whole).split()[1] == b"200"


class Transport:
    """What a protocol writes to."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        return None

    def pause_reading(self) -> None: ...

    resume_reading = pause_reading


class Timers:
    """The timers of a loop, fired by hand."""

    def __init__(self) -> None:
        self.running: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay, callback):
        entry = (delay, callback)
        self.running.append(entry)

        class Handle:
            cancel = staticmethod(lambda: self.running.remove(entry) if entry in self.running else None)

        return Handle()

    def create_task(self, coro):
        coro.close()

        class Task:
            add_done_callback = staticmethod(lambda _callback: None)

        return Task()

    def fire(self, delay):
        due = [callback for wait, callback in self.running if wait == delay]
        self.running = [entry for entry in self.running if entry[0] != delay]
        for callback in due:
            callback()


@pytest.fixture
def client():
    """Makes connections to one server."""
    config = uvicorn.Config(lambda: None, http=connection.connections(), log_config=None, lifespan="off")
    config.load()
    state, timers = uvicorn.server.ServerState(), Timers()

    def make():
        protocol: Any = config.http_protocol_class
        made = protocol(config=config, server_state=state, app_state={}, _loop=timers)
        made.timers = timers
        made.connection_made(Transport())
        return made

    return make


def test_a_head_has_a_deadline_that_its_bytes_do_not_move(client):
    slow = client()
    for byte in b"GET / HTTP/1.1\r\n":
        slow.data_received(bytes([byte]))
    assert [wait for wait, _ in slow.timers.running] == [connection.HEAD_TIME]
    slow.timers.fire(connection.HEAD_TIME)
    assert slow.transport.closed
    assert slow.transport.written.startswith(b"HTTP/1.1 408 ")


def test_a_body_has_a_deadline(client):
    slow = client()
    slow.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
    assert [wait for wait, _ in slow.timers.running] == [connection.BODY_TIME]
    slow.timers.fire(connection.BODY_TIME)
    assert slow.transport.closed


def test_a_whole_request_has_none(client):
    whole = client()
    whole.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert whole.timers.running == []
    assert whole.conn.their_state is h11.DONE


def test_the_oldest_waiting_connection_makes_room(client):
    first, busy = client(), client()
    busy.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    busy.admit()
    type(first).room = 3
    others = [client() for _ in range(3)]
    assert first.transport.closed
    assert not any(other.transport.closed for other in [busy, *others])
    others[0].connection_lost(None)
    client()
    assert not others[1].transport.closed


def test_a_stranger_in_a_request_makes_room_too(client):
    """A login whose body never comes, or an answer that nobody reads, is no place to stay."""
    slow, ready = client(), client()
    slow.data_received(b"POST /v1/login/access-token HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    ready.data_received(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n")
    type(slow).room = 2
    client()
    assert slow.transport.closed
    client()
    assert ready.transport.closed


def test_rubbish_after_an_answer_ends_the_connection(client):
    """The answer has been sent before the body: there is no state in which another could follow."""
    done = client()
    done.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for event in (h11.Response(status_code=401, headers=[("content-length", "0")]), h11.EndOfMessage()):
        done.conn.send(event)
    done.data_received(b"zz\r\n")
    assert done.transport.closed
    half = client()
    half.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert half.transport.written.startswith(b"HTTP/1.1 400 ")
    assert half.cycle.disconnected  # whoever reads the body is told
