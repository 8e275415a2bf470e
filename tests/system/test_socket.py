# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker's socket under hostile input: the sender is cut off, everybody else is served."""

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest

from rosin.handle import Flux
from rosin.handle.framing import frame
from rosin.handle.stream import connect
from rosin.rfc.message import Message
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


def path(instance: RealInstance) -> str:
    return instance.uri.removeprefix("local://")


def closed_by_peer(sock: socket.socket) -> bool:
    sock.settimeout(30)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


BODY = frame(Message.request("attr.get", {"name": "rank"}, matchtag=1))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(os.urandom(4096), id="random"),
        pytest.param(b"\xff\xee\x00\x12" + BODY[4:], id="magic in network order"),
        pytest.param(BODY[:4] + struct.pack(">I", 1 << 31) + BODY[8:], id="2 GiB length"),
        pytest.param(BODY[:4] + struct.pack(">I", 0), id="empty message"),
        pytest.param(BODY[:-20] + b"\x00" + BODY[-19:], id="bad header magic"),
        pytest.param(BODY[:-18] + b"\x07" + BODY[-17:], id="bad type"),
        pytest.param(BODY[:-17] + b"\x03" + BODY[-16:], id="flags that do not fit the parts"),
        pytest.param(BODY[:8] + b"\xff\xff\xff\xff\xff" + BODY[13:], id="part longer than the message"),
    ],
)
def test_malformed_stream_is_cut_off(real_instance: RealInstance, data: bytes) -> None:
    sock = connect(path(real_instance))
    with contextlib.closing(sock):
        sock.sendall(data)
        assert closed_by_peer(sock)
    with Flux(real_instance.uri) as h:
        assert h.rank == 0


def test_half_a_message_harms_nobody(real_instance: RealInstance) -> None:
    with contextlib.closing(connect(path(real_instance))) as half, Flux(real_instance.uri) as h:
        half.sendall(BODY[:20])
        assert h.rank == 0


@pytest.mark.parametrize("payload", ["[1,2]", "5", "not json", '"text"', b"\xff\xfe", None])
def test_payload_that_is_no_object(real_instance: RealInstance, payload: object) -> None:
    with Flux(real_instance.uri) as h:
        with pytest.raises(OSError) as caught:
            h.rpc("attr.get", payload).get()
        assert caught.value.errno == errno.EPROTO
        assert h.rank == 0


def test_missing_socket_is_one_line_with_the_remedy() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "rosin", "getattr", "rank"],
        env={**os.environ, "FLUX_URI": "local:///nonexistent/local"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "rosin-getattr: Unable to connect to Flux: broker socket /nonexistent/local was not found; "
        "the instance that FLUX_URI names has ended: name another one, or unset FLUX_URI\n"
    )


def test_dead_socket_is_one_line(tmp_path: object) -> None:
    name = f"{tmp_path}/dead"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
    os.environ["FLUX_LOCAL_CONNECTOR_RETRY_COUNT"] = "1"
    try:
        with pytest.raises(ConnectionRefusedError, match=f"Unable to connect to Flux: {name}"):
            Flux(f"local://{name}")
    finally:
        del os.environ["FLUX_LOCAL_CONNECTOR_RETRY_COUNT"]


def test_unknown_scheme_is_refused() -> None:
    with pytest.raises(OSError, match="'gopher' is not a connector"):
        Flux("gopher:///tmp")


def test_a_lost_broker_fails_what_waits() -> None:
    with RealInstance() as instance:
        h = Flux(instance.uri)
        waiting = h.rpc("kvs.wait-version", {"rootseq": 1 << 30, "namespace": "primary"})
        instance.kill()
        with pytest.raises(ConnectionResetError, match="Lost connection"):
            waiting.get()
        with pytest.raises(ConnectionResetError, match="Lost connection"):
            h.rpc("attr.get", {"name": "rank"})


def test_a_second_thread_is_refused_while_the_first_waits(real_instance: RealInstance) -> None:
    with Flux(real_instance.uri) as h:
        waiting = h.rpc("kvs.wait-version", {"rootseq": 1 << 30, "namespace": "primary"})
        entered = threading.Event()
        original = h._read

        def read(flags: int) -> None:
            entered.set()
            original(flags)

        h._read = read  # type: ignore[method-assign]
        thread = threading.Thread(target=_swallow, args=(waiting,))
        thread.start()
        assert entered.wait(30)
        with pytest.raises(RuntimeError, match="open one handle per thread"):
            h.rpc("attr.get", {"name": "rank"})
        h._stream._socket.shutdown(socket.SHUT_RDWR)
        thread.join(30)
        assert not thread.is_alive()


def _swallow(waiting: object) -> None:
    with pytest.raises(OSError):
        waiting.get()  # type: ignore[attr-defined]


def test_a_request_to_a_broker_that_has_just_died() -> None:
    with RealInstance() as instance:
        h = Flux(instance.uri)
        waiting = h.rpc("kvs.wait-version", {"rootseq": 1 << 30, "namespace": "primary"})
        instance.kill()
        with pytest.raises(ConnectionError):
            h.rpc("attr.get", {"name": "rank"})
        with pytest.raises(ConnectionError):
            waiting.get()
