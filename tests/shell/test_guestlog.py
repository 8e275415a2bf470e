# SPDX-License-Identifier: LGPL-3.0-or-later
"""How entries become commits: a fake handle, no clock."""

import errno

import pytest

from rosin.rfc import eventlog, treeobj
from rosin.shell.guestlog import LARGE, WRITTEN_KEY, GuestLog


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
        timers, self.timers = self.timers, []
        for timer in timers:
            if timer.callback is not None:
                timer.callback()


class FakeRPC:
    def __init__(self, payload, topic="kvs.commit"):
        self.topic = topic
        self.payload = payload
        self.result = {}
        self.error = None
        self.abandoned = False

    def abandon(self):
        self.abandoned = True

    def then(self, callback, *args):
        self.callback = lambda: callback(self, *args)
        return self

    def get(self):
        if self.error is not None:
            raise self.error
        return self.result

    def answer(self, error=None, result=None):
        self.error = error
        self.result = result or {}
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
        assert topic in ("kvs.commit", "kvs.lookup")
        self.rpcs.append(FakeRPC(payload, topic))
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


def number(rpc):
    """What a commit writes beside its entries."""
    ops = [op for op in rpc.payload["ops"] if op["key"] == WRITTEN_KEY]
    return [int(treeobj.val_data(op["dirent"])) for op in ops]


@pytest.fixture
def kept(log):
    """The log of a shell that outlives its broker."""
    log.keep = 600.0
    return log


def entries(rpc):
    return [event.name for event in eventlog.decode(treeobj.val_data(rpc.payload["ops"][0]["dirent"]))]


def test_a_kept_log_numbers_its_commits_and_sends_one_at_a_time(handle, kept):
    kept.append("output", "a")
    handle.reactor.turn()
    kept.append("output", "b", {"data": "x" * LARGE})
    handle.reactor.turn()
    assert kept.flush() is None
    assert [number(rpc) for rpc in handle.rpcs] == [[1]]
    handle.rpcs[0].answer()
    assert [number(rpc) for rpc in handle.rpcs] == [[1], [2]]
    assert not kept.idle
    handle.rpcs[1].answer()
    assert kept.idle
    assert kept.backlog == 0


@pytest.mark.parametrize(("written", "sent"), [(0, [["a"], ["a"], ["b"]]), (1, [["a"], ["b"]])])
def test_a_commit_is_sent_again_unless_it_was_taken(handle, kept, written, sent):
    """After a restart: what was on its way may have been taken, and what came meanwhile follows it."""
    kept.append("output", "a")
    handle.reactor.turn()
    kept.suspend()
    kept.append("output", "b")
    handle.reactor.turn()
    assert handle.rpcs[0].abandoned
    assert len(handle.rpcs) == 1
    kept.resume(written)
    while not kept.idle:
        handle.rpcs[-1].answer()
    assert [entries(rpc) for rpc in handle.rpcs] == sent
    assert number(handle.rpcs[-1]) == [2]
    assert kept.backlog == 0


def test_a_broker_that_goes_while_a_commit_is_being_sent(handle, kept):
    """Only one of those that send it again does so."""
    rpc = handle.rpc

    def gone(topic, payload):
        kept.suspend()
        return rpc(topic, payload)

    handle.rpc = gone
    kept.append("output", "a")
    handle.reactor.turn()
    handle.rpc = rpc
    assert handle.rpcs[0].abandoned
    kept.resume(0)
    assert [entries(rpc) for rpc in handle.rpcs] == [["a"], ["a"]]
    assert not handle.rpcs[1].abandoned


def test_without_anything_on_its_way_nothing_is_sent_again(handle, kept):
    kept.suspend()
    kept.resume(0)
    kept.append("output", "a")
    handle.reactor.turn()
    assert [number(rpc) for rpc in handle.rpcs] == [[1]]


def written(count):
    return {"val": treeobj.val(str(count).encode())}


@pytest.fixture
def failed(log):
    """Errors of commits whose entries are lost."""
    errors = []
    log.on_error = errors.append
    return errors


@pytest.fixture(params=[errno.ENOSYS, errno.EHOSTUNREACH, errno.ECONNRESET])
def doubted(request, handle, kept, failed):
    """A log that does not know of its first commit, a, whether it was taken; b comes after it."""
    kept.append("output", "a")
    handle.reactor.turn()
    kept.append("output", "b")
    handle.rpcs[0].answer(OSError(request.param, "it ends, or cannot reach rank 0"))
    handle.reactor.turn()
    assert failed == []
    assert len(handle.rpcs) == 1
    return kept


@pytest.mark.parametrize(("answer", "again"), [(written(0), ["a"]), (written(1), []), (None, ["a"])])
def test_a_commit_is_looked_for_that_may_be_taken_or_not(handle, doubted, failed, answer, again):
    """Nothing is looked up until all that was sent before is over."""
    handle.reactor.expire()
    assert handle.rpcs[1].payload["ops"] == []
    assert len(handle.rpcs) == 2
    handle.rpcs[1].answer()
    assert handle.rpcs[2].topic == "kvs.lookup"
    assert handle.rpcs[2].payload["key"] == WRITTEN_KEY
    assert handle.rpcs[2].payload["namespace"] == "job-1234"
    handle.rpcs[2].answer(None if answer else OSError(errno.ENOENT, "no such key"), answer)
    while not doubted.idle:
        handle.rpcs[-1].answer()
    assert [entries(rpc)[0] for rpc in handle.rpcs[3:]] == [*again, "b"]
    assert number(handle.rpcs[-1]) == [2]
    assert failed == []
    assert doubted.backlog == 0


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_broker_that_goes_while_a_commit_is_looked_for(handle, doubted, failed, step):
    """The next one is asked; the search of before ends."""
    if step:
        handle.reactor.expire()
    if step == 2:
        handle.rpcs[1].answer()
    before = len(handle.rpcs)
    doubted.suspend()
    assert all(rpc.abandoned for rpc in handle.rpcs[step:])
    doubted.resume(0)
    handle.reactor.expire()
    assert [entries(rpc) for rpc in handle.rpcs[before:]] == [["a"]]
    assert failed == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_search_that_is_not_answered_begins_again(handle, doubted, failed, step):
    handle.reactor.expire()
    if step == 2:
        handle.rpcs[1].answer()
    handle.rpcs[-1].answer(OSError(errno.EHOSTUNREACH, "overlay disconnect"))
    handle.reactor.expire()
    assert handle.rpcs[-1].payload["ops"] == []
    assert failed == []


def test_a_number_that_is_none_is_an_error(handle, doubted, failed):
    handle.reactor.expire()
    handle.rpcs[1].answer()
    handle.rpcs[2].answer(result={"val": treeobj.val(b"many")})
    assert [error.errno for error in failed] == [errno.EPROTO]
    assert entries(handle.rpcs[3]) == ["b"]


def test_a_closed_log_looks_for_nothing(handle, doubted):
    doubted.close()
    handle.reactor.expire()
    assert len(handle.rpcs) == 1


def test_what_comes_while_there_is_no_broker_waits(handle, kept):
    kept.suspend()
    kept.append("output", "a")
    handle.reactor.turn()
    assert kept.flush() is None
    assert handle.rpcs == []
    kept.resume(0)
    assert [entries(rpc) for rpc in handle.rpcs] == [["a"]]


def test_not_for_ever(handle, kept, failed):
    kept.keep = -1.0
    kept.append("output", "a")
    handle.reactor.turn()
    handle.rpcs[0].answer(OSError(errno.ENOSYS, "it ends"))
    assert [error.errno for error in failed] == [errno.ENOSYS]
    assert kept.idle


def test_other_refusals_are_final(handle, kept, failed):
    kept.append("output", "a")
    handle.reactor.turn()
    handle.rpcs[0].answer(OSError(errno.ENOSPC, "full"))
    assert [error.errno for error in failed] == [errno.ENOSPC]
    assert kept.idle
