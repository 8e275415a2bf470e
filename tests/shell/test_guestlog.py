# SPDX-License-Identifier: LGPL-3.0-or-later
"""How entries become commits: a fake handle, no clock."""

import pytest

from rosin.rfc import eventlog, treeobj
from rosin.shell.guestlog import GuestLog


class FakeTimer:
    def __init__(self, callback):
        self.callback = callback

    def cancel(self):
        self.callback = None


class FakeReactor:
    def __init__(self):
        self.deferred = []
        self.timers = []

    def defer(self, callback):
        self.deferred.append(callback)

    def timer(self, after, callback):
        self.timers.append(FakeTimer(callback))
        return self.timers[-1]

    def turn(self):
        deferred, self.deferred = self.deferred, []
        for callback in deferred:
            callback()

    def expire(self):
        for timer in self.timers:
            if timer.callback is not None:
                timer.callback()


class FakeRPC:
    def __init__(self, payload):
        self.payload = payload
        self.error = None

    def then(self, callback, *args):
        self.callback = lambda: callback(self, *args)
        return self

    def get(self):
        if self.error is not None:
            raise self.error
        return {}

    def answer(self, error=None):
        self.error = error
        self.callback()

    @property
    def names(self):
        return {
            op["key"]: [event.name for event in eventlog.decode(treeobj.val_data(op["dirent"]))]
            for op in self.payload["ops"]
        }


class FakeHandle:
    def __init__(self):
        self.reactor = FakeReactor()
        self.rpcs = []

    def rpc(self, topic, payload):
        assert topic == "kvs.commit"
        self.rpcs.append(FakeRPC(payload))
        return self.rpcs[-1]


@pytest.fixture
def handle():
    return FakeHandle()


@pytest.fixture
def log(handle):
    return GuestLog(handle, 1234)


def test_one_turn_is_one_commit(handle, log):
    log.append("output", "a", {})
    log.append("input", "b", {})
    log.append("output", "c", {})
    assert handle.rpcs == []
    handle.reactor.turn()
    (rpc,) = handle.rpcs
    assert rpc.payload["namespace"] == "job-1234"
    assert [op["flags"] for op in rpc.payload["ops"]] == [32, 32]
    assert rpc.names == {"output": ["a", "c"], "input": ["b"]}


def test_what_comes_meanwhile_is_the_next_commit(handle, log):
    log.append("output", "a")
    handle.reactor.turn()
    log.append("output", "b")
    handle.reactor.turn()
    log.append("output", "c")
    handle.reactor.turn()
    assert len(handle.rpcs) == 1
    handle.rpcs[0].answer()
    assert handle.rpcs[1].names == {"output": ["b", "c"]}


def test_lazy_entries_wait_for_company(handle, log):
    log.append("output", "a")
    handle.reactor.turn()
    log.append("exec.eventlog", "lazy", lazy=True)
    handle.rpcs[0].answer()
    handle.reactor.turn()
    assert len(handle.rpcs) == 1
    log.append("output", "b")
    handle.reactor.turn()
    assert handle.rpcs[1].names == {"exec.eventlog": ["lazy"], "output": ["b"]}
    handle.reactor.expire()
    assert len(handle.rpcs) == 2


def test_lazy_entries_do_not_wait_for_ever(handle, log):
    log.append("output", "a", lazy=True)
    log.append("output", "b", lazy=True)
    assert len(handle.reactor.timers) == 1
    handle.reactor.expire()
    assert handle.rpcs[0].names == {"output": ["a", "b"]}


def test_flush_does_not_wait(handle, log):
    log.append("output", "a")
    handle.reactor.turn()
    log.append("output", "b", lazy=True)
    log.flush()
    assert handle.rpcs[1].names == {"output": ["b"]}
    assert not log.idle
    idle = []
    log.on_idle = lambda: idle.append(True)
    handle.rpcs[0].answer()
    assert not idle
    handle.rpcs[1].answer()
    assert log.idle
    assert idle == [True]


def test_the_backlog_counts_what_is_not_acknowledged(handle, log):
    log.append("output", "a", {"data": "x" * 1000})
    assert log.backlog > 1000
    handle.reactor.turn()
    assert log.backlog > 1000
    handle.rpcs[0].answer()
    assert log.backlog == 0


def test_a_failed_commit_is_reported(handle, log):
    errors = []
    log.on_error = errors.append
    log.append("output", "a")
    handle.reactor.turn()
    error = OSError(28, "No space left on device")
    handle.rpcs[0].answer(error)
    assert errors == [error]
    assert log.idle


def test_nothing_is_sent_once_the_broker_is_gone(handle, log):
    log.append("output", "a")
    log.close()
    handle.reactor.turn()
    log.append("output", "b")
    log.flush()
    assert handle.rpcs == []
    assert log.idle
