# SPDX-License-Identifier: LGPL-3.0-or-later
"""The blocking handle: requests, events, attributes, and the end of the connection."""

import errno
import gc
import os
import socket
import threading

import pytest

from rosin.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_NODEID_UPSTREAM,
    FLUX_O_NONBLOCK,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
)
from rosin.handle import flux
from rosin.handle.checks import InvalidArguments
from rosin.handle.flux import Flux
from rosin.rfc.message import Message


def test_a_request_and_its_answer(h, peer):
    rpc = h.rpc("a.b", {"x": 1}, nodeid=3)
    request = peer.answer({"y": 2})
    assert (request.topic, request.data, request.nodeid, request.matchtag) == (
        "a.b",
        {"x": 1},
        3,
        rpc.matchtag,
    )
    assert rpc.wait_for() is rpc
    assert (rpc.get(), rpc.get_str(), rpc.get_raw()) == ({"y": 2}, '{"y":2}', b'{"y":2}\0')
    assert rpc.error_string() is None


def test_an_answer_that_is_no_text(h, peer):
    rpc = h.rpc("a.b")
    peer.answer(b"\xff\x00 5")
    for wrong in (rpc.get, rpc.get_str):
        with pytest.raises(OSError) as caught:
            wrong()
        assert caught.value.errno == errno.EPROTO
    assert rpc.get_raw() == b"\xff\x00 5"


def test_an_answer_that_is_text_but_no_json(h, peer):
    rpc = h.rpc("a.b")
    peer.answer(b"not so\0")
    with pytest.raises(ValueError, match="payload is not JSON"):
        rpc.get()
    assert rpc.get_str() == "not so"


def test_a_failure_has_errno_and_text(h, peer):
    rpc = h.rpc("a.b")
    peer.answer("no such thing", errno.ENOENT)
    with pytest.raises(FileNotFoundError, match="no such thing"):
        rpc.get()
    with pytest.raises(FileNotFoundError):
        rpc.get_message()
    assert rpc.error_string() == "no such thing"


def test_answers_find_their_requests_in_any_order(h, peer):
    first, second = h.rpc("a.b"), h.rpc("c.d")
    requests = [peer.next(), peer.next()]
    peer.send(*(request.response({"topic": request.topic}) for request in reversed(requests)))
    assert first.get() == {"topic": "a.b"}
    assert second.get() == {"topic": "c.d"}


def test_no_response_is_fulfilled_at_once(h, peer):
    assert h.rpc("a.b", flags=FLUX_RPC_NORESPONSE).get() is None
    assert peer.next().noresponse


def test_a_stream_ends_with_enodata(h, peer):
    rpc = h.rpc("a.b", flags=FLUX_RPC_STREAMING)
    request = peer.next()
    assert request.streaming
    peer.send(request.response({"n": 1}), request.response({"n": 2}), request.response(None, errno.ENODATA))
    assert [item["n"] for item in rpc] == [1, 2]
    again = h.rpc("a.b", flags=FLUX_RPC_STREAMING)
    request = peer.next()
    peer.send(request.response(b"x"), request.response(None, errno.ENODATA))
    assert [msg.raw for msg in again.messages()] == [b"x"]


def test_a_stream_is_cancelled_or_abandoned(h, peer):
    rpc = h.rpc("svc.watch", flags=FLUX_RPC_STREAMING)
    request = peer.next()
    rpc.cancel()
    cancel = peer.next()
    assert (cancel.topic, cancel.data, cancel.noresponse) == (
        "svc.cancel",
        {"matchtag": request.matchtag},
        True,
    )
    rpc.abandon()
    peer.send(request.response({"late": 1}))
    with pytest.raises(OSError, match="canceled") as caught:
        rpc.get()
    assert caught.value.errno == errno.ECANCELED
    with h.rpc("svc.watch") as left:
        pass
    assert left.stopped
    assert not h._rpcs


def test_waiting_has_an_end(h, peer):
    rpc = h.rpc("a.b")
    with pytest.raises(TimeoutError):
        rpc.wait_for(0.0)
    with pytest.raises(TimeoutError):
        h.recv(timeout=0.0)
    with pytest.raises(BlockingIOError):
        h.recv(flags=FLUX_O_NONBLOCK)
    peer.answer()
    assert rpc.wait_for(30).get() is None


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 1e10])
def test_an_end_that_is_too_far_away_for_the_system_is_none(h, peer, timeout):
    rpc = h.rpc("a.b")
    peer.answer()
    assert rpc.wait_for(timeout).get() is None


@pytest.mark.parametrize(
    ("args", "exception"),
    [
        ((None,), OSError),
        ((3,), TypeError),
        (("a\0b",), OSError),
        (("\udcff",), UnicodeEncodeError),
        (("a.b", {1}), TypeError),
        (("a.b", {"x": float("nan")}), ValueError),
        (("a.b", None, -1), OverflowError),
        (("a.b", None, 1 << 32), OverflowError),
        (("a.b", None, "0"), ValueError),
        (("a.b", None, None), TypeError),
        (("a.b", None, 0, 4), OSError),
        (("a.b", None, 0, -1), OSError),
        (("a.b", None, 0, "x"), InvalidArguments),
    ],
)
def test_a_wrong_request_is_not_sent(h, peer, args, exception):
    with pytest.raises(exception):
        h.rpc(*args)
    assert peer.silent()
    assert not h._rpcs
    rpc = h.rpc("good")
    peer.answer({})
    assert rpc.get() == {}


def test_an_empty_topic_is_no_service(h, peer):
    rpc = h.rpc("", {})
    with pytest.raises(OSError, match="No service matching") as caught:
        rpc.get()
    assert caught.value.errno == errno.ENOSYS
    for wrong in ("", None):
        for send in (h.event_send, h.publish, h.send_request):
            with pytest.raises(OSError, match="Topic must not be"):
                send(wrong, {})
    with pytest.raises(TypeError):
        h.event_send(3)
    assert peer.silent()


def test_a_topic_may_be_bytes(h, peer):
    rpc = h.rpc(b"a.b", b'{"raw":1}')
    request = peer.answer({})
    assert (request.topic, request.raw, rpc.topic) == ("a.b", b'{"raw":1}', "a.b")


def test_upstream_means_the_parent_of_this_rank(h, peer):
    peer.send()
    h._attrs["rank"] = "5"
    h.rpc("a.b", nodeid=FLUX_NODEID_UPSTREAM)
    assert peer.next().nodeid == 5


def test_events(h, peer):
    subscribed = h.event_subscribe("x.")
    assert peer.answer().data == {"topic": "x."}
    subscribed.get()
    h.event_send("x.y", {"a": 1}, private=True)
    event = peer.next()
    assert (event.type, event.topic, event.data, event.private) == (FLUX_MSGTYPE_EVENT, "x.y", {"a": 1}, True)
    peer.send(*(Message.event(topic, {"t": topic}) for topic in ("x.a", "x.b", "y.c", "x.d")))
    assert h.event_recv("x.b").topic == "x.b"
    assert h.event_recv("y.*").topic == "y.c"
    assert [h.event_recv().topic for _ in range(2)] == ["x.a", "x.d"]
    h.publish("x.y", {"a": 1})
    assert peer.answer({"seq": 4}).data == {"topic": "x.y", "flags": 0, "payload": "eyJhIjoxfQA="}
    h.event_unsubscribe("x.")
    assert peer.next().topic == "event.unsubscribe"


def test_attributes(h, peer):
    peer.sock.settimeout(30)
    peer.send()  # nothing is asked for before it is needed
    for flags, asked in ((1, 1), (0, 2)):
        name = f"attr{flags}"
        for _ in range(2):
            if peer.silent() and name not in h._attrs:
                answer = threading.Thread(target=peer.answer, args=({"value": "v", "flags": flags},))
                answer.start()
                assert h.attr_get(name) == "v"
                answer.join()
            else:
                assert h.attr_get(attr_name=name) == "v"
        assert (name in h._attrs) == (asked == 1)
    for args in ((3, "x"), ("x", 3)):
        with pytest.raises(ValueError, match="must be a string"):
            h.attr_set(*args)
    with pytest.raises(ValueError, match="must be a string"):
        h.attr_remove(None)
    with pytest.raises(OSError, match="must not be None"):
        h.attr_get(None)
    with pytest.raises(TypeError):
        h.attr_get(3)


def test_configuration_is_asked_for_once(h, peer):
    peer.send()
    answer = threading.Thread(target=peer.answer, args=({"tbon": {"topo": "kary:2"}},))
    answer.start()
    assert h.conf_get("tbon.topo") == "kary:2"
    answer.join()
    assert h.conf_get("tbon.none", 7) == 7
    assert h.conf_get("tbon.topo.x") is None
    assert h.conf_get() == {"tbon": {"topo": "kary:2"}}
    with pytest.raises(TypeError):
        h.conf_get(3)


def test_log(h, peer):
    h._attrs["rank"] = "0"
    h.log(6, fstring=b"hello", appname="me")
    line = peer.next()
    assert (line.topic, line.noresponse) == ("log.append", True)
    assert line.raw.endswith(b"hello")
    for args in (("6", "x"), (6, None)):
        with pytest.raises(TypeError):
            h.log(*args)


def test_a_lost_connection_fails_everything(h, peer):
    pending = h.rpc("a.b")
    peer.sock.close()
    with pytest.raises(ConnectionResetError, match="Lost connection to the broker"):
        pending.get()
    with pytest.raises(ConnectionResetError):
        h.rpc("c.d")
    with pytest.raises(ConnectionResetError):
        h.recv()
    assert h.closed
    with pytest.raises(OSError, match="closed"):
        h.fileno()


def test_writing_to_a_lost_connection(h, peer):
    peer.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionResetError, match="Lost connection"):
        h.rpc("a.b")


def test_what_was_said_before_the_connection_was_lost_is_heard(h, peer):
    """Also when the loss is noticed by sending."""
    one, two, lost = h.rpc("a.b"), h.rpc("a.c"), h.rpc("a.d")
    large = {"data": "x" * (1 << 17)}
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.answer({"value": 1})
    peer.answer(large)
    peer.send(Message.request("some.body", {}))  # which is not to be answered any more
    peer.sock.close()
    with pytest.raises(ConnectionResetError, match="Lost connection"):
        h.rpc("e.f")
    assert one.get() == {"value": 1}
    assert two.get() == large
    with pytest.raises(ConnectionResetError, match="Lost connection"):
        lost.get()


def test_bytes_that_are_no_message(h, peer):
    rpc = h.rpc("a.b")
    peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(OSError, match="not a Flux message stream") as caught:
        rpc.get()
    assert caught.value.errno == errno.EPROTO


def test_closing_twice_is_closing(h, peer):
    rpc = h.rpc("a.b")
    h.close()
    h.close()
    with pytest.raises(ConnectionResetError, match="handle is closed"):
        rpc.get()


def test_a_forgotten_handle_is_closed(ends, monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(flux, "connect", lambda _path: ours)
    gc.disable()
    try:
        Flux("local:///nowhere")
        assert theirs.recv(1) == b""  # at once, not when the garbage is collected
    finally:
        gc.enable()
        theirs.close()


def test_one_thread_at_a_time(h, peer):
    rpc = h.rpc("a.b")
    request = peer.next()
    failures = []

    def other() -> None:
        for call in (lambda: h.rpc("c.d"), h.recv, h.reactor_run, lambda: rpc.wait_for(0)):
            try:
                call()
            except RuntimeError as exc:
                failures.append(str(exc))

    def inside(_rpc) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    rpc.then(inside)
    peer.send(request.response({}))
    h.reactor_run()
    assert len(failures) == 3  # the last call has its answer and does not wait
    assert all("another thread" in failure for failure in failures)
    thread = threading.Thread(target=lambda: failures.append(str(h.rpc("c.d").matchtag)))
    thread.start()
    thread.join()
    assert failures[3:] == ["3"]  # when nobody is inside, any thread may


def test_a_child_does_not_touch_its_parents_connection(h, peer):
    pending = h.rpc("a.b")
    request = peer.next()
    child = os.fork()
    if not child:
        code = 1
        try:
            failures = 0
            for call in (lambda: h.rpc("c.d"), pending.get, h.recv):
                try:
                    call()
                except ConnectionResetError as exc:
                    failures += "before a fork" in str(exc)
            code = 0 if failures == 3 and h.closed and h.reactor_run() == 0 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert peer.silent()
    peer.send(request.response({"still": "here"}))
    assert pending.get() == {"still": "here"}


def test_tracing(h, peer, capsys):
    h._trace = True
    rpc = h.rpc("a.b", {"x": 1})
    peer.answer({"y": 2})
    rpc.get()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [["-->", "request", "a.b"], ["<--", "response", "a.b"]]
