# SPDX-License-Identifier: LGPL-3.0-or-later
"""Opening a connection: where to, as whom, and when nobody wants it."""

import errno
import os
import socket
import threading

import pytest

from rosin.constants import (
    FLUX_O_TRACE,
)
from rosin.handle import flux
from rosin.handle.flux import Flux
from rosin.handle.framing import FrameReader, frame
from rosin.handle.stream import connect
from rosin.rfc.message import Message


def test_opening(monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flux, "connect", lambda _path: ours)
    with theirs, Flux(url=b"local:///nowhere", flags=FLUX_O_TRACE) as handle:
        assert handle.uri == "local:///nowhere"
        assert handle._trace
        assert handle.userid == os.getuid()
    for wrong in ("zzz", "foo://x"):
        with pytest.raises(OSError, match="Unable to connect to Flux"):
            Flux(wrong)
    with pytest.raises(TypeError):
        Flux(3)
    with pytest.raises(OSError, match="invalid flags"):
        Flux("local:///nowhere", 0x10000)
    monkeypatch.setenv("FLUX_HANDLE_USERID", "x")
    with pytest.raises(OSError, match="must be numbers"):
        Flux("local:///nowhere")


def test_speaking_for_somebody_else(monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flux, "connect", lambda _path: ours)
    monkeypatch.setenv("FLUX_HANDLE_USERID", "42")
    with theirs, Flux("local:///nowhere") as handle:
        handle.rpc("a.b")
        (request,) = FrameReader().feed(theirs.recv(4096))
        assert (request.userid, request.rolemask) == (42, 0)


def test_the_ancestors_of_an_instance(monkeypatch):
    parents = {"local:///c": "local:///b", "local:///b": "local:///a"}
    monkeypatch.setenv("FLUX_URI", "local:///c")

    def connected(path: str) -> socket.socket:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            reader = FrameReader()
            with theirs:
                while data := theirs.recv(4096):
                    for request in reader.feed(data):
                        parent = parents.get(f"local://{path}")
                        answer = {"value": parent, "flags": 1} if parent else "none"
                        theirs.sendall(frame(request.response(answer, 0 if parent else errno.ENOENT)))

        threading.Thread(target=serve, daemon=True).start()
        return ours

    monkeypatch.setattr(flux, "connect", connected)
    found = []
    for path in ("/", "..", "../..", "../../..", "."):
        with Flux(path) as handle:
            found.append(handle.uri)
    assert found == ["local:///a", "local:///b", "local:///a", "local:///a", "local:///c"]


@pytest.mark.parametrize(
    ("answer", "exception"), [(b"\x01", PermissionError), (b"", ConnectionResetError)], ids=["no", "gone"]
)
def test_a_broker_that_does_not_want_us(tmp_path, answer, exception):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def refuse() -> None:
            client, _ = server.accept()
            client.sendall(answer)
            client.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(exception, match="Unable to connect to Flux"):
            connect(path)
        thread.join()


def test_a_refused_connection_is_tried_again(tmp_path, monkeypatch):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)  # and does not listen
    pauses = []
    monkeypatch.setattr("rosin.handle.stream.time.sleep", pauses.append)
    with pytest.raises(ConnectionRefusedError, match="Unable to connect"):
        connect(path)
    assert pauses == [0.016, 0.032, 0.064, 0.128, 0.256]
    with pytest.raises(FileNotFoundError, match="was not found"):
        connect(path + ".none")
    with pytest.raises(OSError, match="Unable to connect"):
        connect("/" + "x" * 200)


def test_a_socket_from_the_broker():
    """A process of a module has it; the broker lets it in with a byte."""
    for uri in ("fd://", "fd://x", "fd://-1", "fd://١"):
        with pytest.raises(OSError, match="expected fd://N, as a broker sets it") as caught:
            Flux(uri)
        assert caught.value.errno == errno.EINVAL
    for answer in (b"", b"\1"):
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(answer)
            ours.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError, match="the broker is gone"):
                Flux(f"fd://{theirs.detach()}")
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"\0")
        with Flux(f"fd://{theirs.detach()}") as h:
            ours.sendall(frame(Message.request("welcome", {"name": "m"})))
            assert h.recv(topic_glob="welcome").args == {"name": "m"}
            assert not os.get_inheritable(h.fileno())


def test_a_handle_may_be_open_when_the_interpreter_ends(monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flux, "connect", lambda _path: ours)
    with theirs, Flux("local:///nowhere") as handle:
        with monkeypatch.context() as ending:
            ending.setattr(flux, "_open", None)  # as what is left of a module then
            handle.__del__()
        assert theirs.recv(1) == b""
