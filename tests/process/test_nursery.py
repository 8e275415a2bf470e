# SPDX-License-Identifier: LGPL-3.0-or-later
"""Zygotes that are started when they are needed, by this process or by another one."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from rosin.process import nursery
from rosin.process.nursery import Nursery, ask
from rosin.process.zygote import Zygote

pytestmark = pytest.mark.system

ENV = {"PATH": os.environ["PATH"]}


class Started:
    """What starts zygotes, and how often it was asked to."""

    def __init__(self, error=None):
        self.zygotes = []
        self.error = error

    def __call__(self):
        if self.error is not None:
            raise self.error
        self.zygotes.append(Zygote.start([]))
        return self.zygotes[-1]


@pytest.fixture
def started():
    return Started()


@pytest.fixture
def later(started):
    zygote = Zygote.deferred(started)
    yield zygote
    zygote.close()


def test_a_deferred_zygote_is_started_by_its_first_request(later, started):
    assert later.alive
    assert not started.zygotes
    for _ in range(2):
        assert later.wait(later.spawn(None, ["sh", "-c", "exit 3"], ENV)) == 3 << 8
    assert len(started.zygotes) == 1


def test_one_that_was_never_needed_is_closed(started):
    Zygote.deferred(started).close()
    assert not started.zygotes


def test_it_guards_processes(later, started):
    later.guard(os.getppid())
    later.unguard(os.getppid())
    assert len(started.zygotes) == 1


def test_nothing_is_started_to_let_go_of_a_process(later, started):
    later.unguard(os.getppid())
    assert not started.zygotes


async def test_a_loop_drives_it_from_its_start(later, started):
    import asyncio

    loop = asyncio.get_running_loop()
    later.attach(loop)
    ended = loop.create_future()
    later.spawn(None, ["true"], ENV, on_exit=lambda spawned: ended.set_result(spawned.status))
    assert await ended == 0
    later.detach()


async def test_one_that_cannot_be_started_is_told_and_not_alive():
    import asyncio

    zygote = Zygote.deferred(Started(OSError(errno.EAGAIN, "no process")))
    zygote.attach(asyncio.get_running_loop())
    told = []
    zygote.on_lost = told.append
    with pytest.raises(OSError, match="the zygote has ended"):
        zygote.spawn(None, ["true"], ENV)
    assert told == ["the zygote cannot be started: no process; jobs start more slowly"]
    assert not zygote.alive
    zygote.close()


# -- the nursery


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def serve(sock, fork):
    """A nursery in a process of its own, that answers one request; returns its id."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            made = Nursery(sock, fork)
            sock.setblocking(True)
            code = 0 if made.readable() else 2
            os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        finally:
            os._exit(code)
    return pid


def of_this(sock):
    """A zygote, as a child of the nursery."""
    from rosin.process.zygote_start import be_zygote

    return os.fork() or be_zygote(sock, [], 0.1)


def test_a_zygote_comes_from_another_process(pair):
    pid = serve(pair[0], of_this)
    zygote = ask(pair[1], [])
    assert zygote.pid > 0
    assert zygote.wait(zygote.spawn(None, ["sh", "-c", "exit 4"], ENV)) == 4 << 8
    with open(f"/proc/{zygote.pid}/stat") as stat:
        assert int(stat.read().rpartition(")")[2].split()[1]) == pid
    zygote.close()
    assert (
        not os.path.exists(f"/proc/{zygote.pid}/exe") or os.stat(f"/proc/{zygote.pid}").st_uid == os.getuid()
    )
    assert os.waitpid(pid, 0)[1] == 0


def refuse(_sock):
    raise OSError(errno.EAGAIN, "no process")


def test_a_slower_one_is_started_if_the_nursery_cannot(pair):
    pid = serve(pair[0], refuse)
    zygote = ask(pair[1], [])
    os.waitpid(pid, 0)
    assert zygote.wait(zygote.spawn(None, ["true"], ENV)) == 0
    zygote.close()


def test_a_slower_one_is_started_if_the_nursery_has_gone(pair):
    pair[0].close()
    zygote = ask(pair[1], [])
    assert zygote.wait(zygote.spawn(None, ["true"], ENV)) == 0
    zygote.close()


def test_a_nursery_that_does_not_answer_is_given_up(pair, monkeypatch):
    monkeypatch.setattr(nursery, "PATIENCE", 0.0)
    ask(pair[1], []).close()


def test_nobody_asks_any_more(pair):
    made = Nursery(pair[0], refuse)
    assert made.readable()  # nothing yet
    pair[1].close()
    assert not made.readable()
    made.close()
