# SPDX-License-Identifier: LGPL-3.0-or-later
"""Futures on a blocking handle: callbacks, time limits, composites."""

import errno

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle.future import Future, WaitAllFuture
from rosin.handle.future_ext import FutureExt


def test_then_calls_back_for_each_result(h, peer):
    got = []

    def arrived(rpc, label, extra=None) -> None:
        try:
            got.append((label, extra, rpc.get()["n"]))
        except OSError as exc:
            got.append((label, extra, exc.errno))
        rpc.reset()

    rpc = h.rpc("a.b", flags=FLUX_RPC_STREAMING)
    assert rpc.then(arrived, "x", extra=1) is rpc
    request = peer.next()
    peer.send(request.response({"n": 1}), request.response({"n": 2}), request.response(None, errno.ENODATA))
    assert h.reactor_run() == 0
    assert got == [("x", 1, 1), ("x", 1, 2), ("x", 1, errno.ENODATA)]


def test_then_takes_one_callback(h, peer):
    rpc = h.rpc("a.b")
    with pytest.raises(ValueError, match="Callback"):
        rpc.then(None)
    rpc.then(lambda _rpc: None)
    with pytest.raises(FileExistsError):
        rpc.then(lambda _rpc: None)
    peer.answer({})
    assert h.reactor_run() == 0
    got = []
    rpc.then(got.append)  # the first one has been served
    h.reactor_run()
    assert got == [rpc]


def test_then_gives_up_after_its_timeout(h, peer):
    got = []

    def ended(rpc) -> None:
        with pytest.raises(TimeoutError):
            rpc.get()
        got.append(rpc.error_string())

    h.rpc("a.b").then(ended, timeout=0.001)
    assert h.reactor_run() == 0  # and does not wait for the answer that nobody wants
    assert got == ["Connection timed out"]


def test_a_result_in_time_ends_the_timeout(h, peer):
    got = []
    rpc = h.rpc("a.b").then(lambda future: got.append(future.get()), timeout=3600)
    peer.answer({"n": 1})
    assert h.reactor_run() == 0
    assert got == [{"n": 1}]
    assert rpc._timer is None
    h.rpc("a.b").then(lambda future: got.append(future.get()), timeout=0)  # no time at all
    with pytest.raises(TimeoutError):
        h.reactor_run()


def test_a_timeout_that_comes_late_changes_nothing(h):
    future = Future(h)
    future.fulfill(1)
    future._time_out()
    assert future.get() == 1


def test_stop_and_abandon(h, peer):
    got = []
    rpc = h.rpc("a.b").then(got.append)
    assert (rpc.wanted, rpc.stopped) == (True, False)
    rpc.stop()
    assert (rpc.wanted, rpc.stopped) == (False, True)
    peer.answer({})
    assert h.reactor_run() == 0
    assert got == []
    future = Future(h)
    with future as same:
        assert same is future
    with pytest.raises(OSError, match="canceled"):
        future.get()


def test_an_exception_of_a_callback_leaves_the_reactor(h, peer):
    def fails(_rpc) -> None:
        raise OSError(errno.EIO, "mine")

    h.rpc("a.b").then(fails)
    peer.answer({})
    with pytest.raises(OSError, match="mine"):
        h.reactor_run()
    rpc = h.rpc("c.d")
    peer.answer({"alive": True})
    assert rpc.get() == {"alive": True}


def test_what_a_future_belongs_to(h):
    future = Future(h)
    assert future.get_flux() is h
    assert future.get_reactor() is h.get_reactor()
    future.set_flux(h)
    future.incref()
    future.decref()
    future.fulfill_error()
    with pytest.raises(FileNotFoundError):
        future.get()


def test_wait_all(h, peer):
    empty = WaitAllFuture(handle=h)
    assert empty.get() == []
    one, two = h.rpc("a.b"), h.rpc("c.d")
    together = WaitAllFuture()
    together.push(one, "first")
    together.push(two)
    peer.answer({})
    with pytest.raises(TimeoutError):
        together.wait_for(0)
    peer.answer({})
    assert together.wait_for(30) is together
    assert together.get() == together.children == [one, two]
    assert WaitAllFuture([one, two]).get() == [one, two]


class TestFutureExt:
    def test_it_begins_when_somebody_waits(self, h):
        begun = []

        def init(future, value, scale=1) -> None:
            begun.append(future)
            future.fulfill(value * scale)

        future = FutureExt(init, 3, flux_handle=h, scale=2)
        assert not begun
        assert future.get() == 6
        assert future.get() == 6
        assert begun == [future]

    def test_what_it_started_calls_back_while_it_waits(self, h, peer):
        def init(future) -> None:
            future.get_flux().rpc("a.b").then(lambda rpc: future.fulfill(rpc.get()["n"]))
            peer.answer({"n": 4})

        assert FutureExt(init, flux_handle=h).get() == 4
        got = []
        FutureExt(init, flux_handle=h).then(lambda future: got.append(future.get()))
        h.reactor_run()
        assert got == [4]

    def test_failures(self, h):
        with pytest.raises(OSError, match="oops"):
            FutureExt(lambda future: future.fulfill_error(5, "oops"), flux_handle=h).get()
        with pytest.raises(ZeroDivisionError):
            FutureExt(lambda _future: 1 / 0, flux_handle=h).get()
        with pytest.raises(OSError, match="no handle") as caught:
            FutureExt(lambda future: future.fulfill(1)).get()
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(OSError, match="nothing is left") as caught:
            FutureExt(lambda _future: None, flux_handle=h).get()
        assert caught.value.errno == errno.EDEADLK

    def test_waiting_has_an_end(self, h):
        def init(_future) -> None:
            h.rpc("a.b").then(lambda _rpc: None)

        with pytest.raises(TimeoutError):
            FutureExt(init, flux_handle=h).wait_for(0.001)

    def test_a_stop_while_it_waits_is_meant_for_the_reactor(self, h):
        def init(future) -> None:
            h.reactor.defer(h.reactor_stop)
            h.reactor.timer(0.001, lambda: future.fulfill(1))

        def outer() -> None:
            assert FutureExt(init, flux_handle=h).get() == 1

        h.reactor.defer(outer)
        h.reactor.timer(3600, lambda: None)
        assert h.reactor_run() == 0
