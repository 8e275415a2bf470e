# SPDX-License-Identifier: LGPL-3.0-or-later
"""A guest who knows the protocol tries to stall the instance, to fill it and to be somebody else."""

import contextlib
import errno
import os
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_MSGTYPE_REQUEST, FLUX_MSGTYPE_RESPONSE
from rosin.handle import Flux
from rosin.handle.framing import FrameReader, frame
from rosin.handle.stream import connect
from rosin.rfc.message import Message
from rosin.testing.guest import as_guest
from rosin.testing.process import RealInstance

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
]

MEGABYTE = 1 << 20
FILES = 256


@pytest.fixture(scope="module")
def instance() -> Iterator[RealInstance]:
    """An instance that lets guests in and may open few files."""
    run = Path(f"/tmp/rosin-attacker-{os.getpid()}")
    run.mkdir(mode=0o755)
    instance = RealInstance("-S", f"rundir={run}", "--conf", "access.allow-guest-user=true")
    instance.command = ["sh", "-c", f'ulimit -Sn 200; ulimit -Hn {FILES}; exec "$@"', "sh", *instance.command]
    with instance:
        yield instance
    for path in run.iterdir():
        path.unlink()
    run.rmdir()


def resident(instance: RealInstance) -> int:
    """Bytes of memory of the broker."""
    with Flux(instance.uri) as h, open(f"/proc/{h.attr_get('broker.pid')}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def works(instance: RealInstance) -> None:
    """The owner's jobs run."""
    assert instance.run("run", "echo", "fine").stdout == "fine\n"


def path(instance: RealInstance) -> str:
    return instance.uri.removeprefix("local://")


def send_until_stuck(sock: socket.socket, data: bytes, times: int) -> int:
    """Send without reading, for as long as the broker takes it; returns how often."""
    sock.settimeout(1)
    for number in range(times):
        try:
            sock.sendall(data)
        except OSError:
            return number
    return times


def ping_and_do_not_read(name: str) -> int:
    with contextlib.closing(connect(name)) as sock:
        return send_until_stuck(sock, frame(Message.request("kvs.ping", {"pad": "x" * MEGABYTE})), 300)


def half_messages(name: str) -> int:
    """Messages of 15 MB without their last byte, and the announcement of one of 1 GB."""
    sent = 0
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(contextlib.closing(connect(name)))
            sent += send_until_stuck(sock, frame(Message.request("kvs.ping", "x" * 15 * MEGABYTE))[:-1], 1)
        huge = stack.enter_context(contextlib.closing(connect(name)))
        with contextlib.suppress(OSError):
            huge.sendall(b"\x12\x00\xee\xff" + struct.pack(">I", 1 << 30) + bytes(MEGABYTE))
            huge.settimeout(30)
            assert huge.recv(1) == b""
    return sent


def bombs(name: str) -> int:
    """Documents of many values."""
    with contextlib.closing(connect(name)) as sock:
        payload = '{"x":[' + "[]," * (5 * MEGABYTE) + "[]]}"
        sock.sendall(frame(Message.request("kvs.ping", payload, matchtag=1)))
        return first(sock).errnum


def first(sock: socket.socket) -> Message:
    reader, messages = FrameReader(), list[Message]()
    while not messages:
        data = sock.recv(MEGABYTE)
        assert data
        messages += reader.feed(data)
    return messages[0]


@pytest.mark.parametrize("attack", [ping_and_do_not_read, half_messages, bombs])
def test_memory_is_limited(instance: RealInstance, attack: Callable[[str], int]) -> None:
    works(instance)
    before = resident(instance)
    as_guest(attack, path(instance))
    # What the limits let in, and as much again that is being copied; without, 300 and more.
    assert resident(instance) - before < 200 * MEGABYTE
    works(instance)


def subscribe_often(uri: str) -> tuple[int, int]:
    """How many subscriptions are made, and how the next one fails."""
    with Flux(uri) as h:
        rpcs = [h.event_subscribe(f"{number}.") for number in range(5000)]
        for number, rpc in enumerate(rpcs):
            try:
                rpc.get()
            except OSError as error:
                return number, error.errno or 0
    return len(rpcs), 0


def test_subscriptions_are_limited(instance: RealInstance) -> None:
    assert as_guest(subscribe_often, instance.uri) == (1024, errno.ENOSPC)


def hold_all(name: str, ready: int, done: int) -> int:
    """Connect as often as possible and stay until told to leave."""
    socks = []
    with contextlib.suppress(OSError):
        while len(socks) < FILES:
            socks.append(connect(name))
    os.write(ready, b"x")
    os.read(done, 1)
    return len(socks)


def test_descriptors_are_left_for_jobs(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        pid = int(h.attr_get("broker.pid"))
        while len(h.rpc("connector-local.stats-get").get()["server"]["clients"]) > 1:
            pass  # guests of another test, whose end the broker has not seen yet
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (FILES, FILES)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(as_guest(hold_all, path(instance), ready[1], done[0]))
    try:
        os.read(ready[0], 1)
        works(instance)
        # Programs have the limit that the broker was started with.
        for command in (("run", "--rlimit=-nofile"), ("exec",)):
            assert instance.run(*command, "sh", "-c", "ulimit -Sn").stdout == "200\n"
    finally:
        os.write(done[1], b"x")
        status = os.waitpid(child, 0)[1]
        for fd in (*ready, *done):
            os.close(fd)
    assert os.waitstatus_to_exitcode(status) == FILES // 4


def impersonate(name: str, victim: bytes, matchtag: int) -> int:
    """Answer in the place of a service, disconnect in that of a client, and ask who is connected."""
    with contextlib.closing(connect(name)) as sock:
        forged = Message(
            FLUX_MSGTYPE_RESPONSE, "kvs.wait-version", {"rootseq": 1}, matchtag=matchtag, route=[victim]
        )
        leave = Message(
            FLUX_MSGTYPE_REQUEST,
            "kvs.disconnect",
            flags=FLUX_MSGFLAG_NORESPONSE,
            aux1=0xFFFFFFFF,
            route=[victim],
        )
        sock.sendall(frame(forged) + frame(leave))
        sock.sendall(frame(Message.request("connector-local.stats-get", {}, matchtag=9)))
        return first(sock).errnum


def test_nobody_is_somebody_else(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        root = h.rpc("kvs.getroot", {"namespace": "primary"}).get()
        waiting = h.rpc("kvs.wait-version", {"namespace": "primary", "rootseq": root["rootseq"] + 1})
        clients = h.rpc("connector-local.stats-get").get()["server"]["clients"]
        victim = next(client["uuid"] for client in clients if client["pid"] == os.getpid())
        refused = as_guest(impersonate, path(instance), victim.encode(), waiting.matchtag)
        assert refused == errno.EPERM
        assert not waiting.is_ready()
        with Flux(instance.uri) as other:
            assert other.rank == 0
        assert instance.run("kvs", "put", "attacked=1").returncode == 0
        assert waiting.get()["rootseq"] > root["rootseq"]  # the KVS still knew who waits
