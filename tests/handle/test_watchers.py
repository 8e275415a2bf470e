# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watchers with upstream's arguments, on a blocking handle."""

import errno
import os
import signal

import pytest

from rosin.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_POLLERR,
    FLUX_POLLIN,
    FLUX_POLLOUT,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
)
from rosin.handle.checks import InvalidArguments
from rosin.handle.reactor import Reactor
from rosin.handle.watchers import (
    CheckWatcher,
    FDWatcher,
    IdleWatcher,
    MessageWatcher,
    PrepareWatcher,
    SignalWatcher,
    TimerWatcher,
    Watcher,
)
from rosin.rfc.message import Message


def test_a_timer_fires_once(h):
    got = []
    timer = TimerWatcher(h, 0.001, lambda *args: got.append(args))
    assert timer.start() is timer
    assert h.reactor_run() == 0
    assert got == [(h, timer, 0, None)]
    assert not timer.started
    timer.start()
    h.reactor_run()
    assert len(got) == 2


def test_a_timer_repeats(h):
    got = []

    def fire(_h, watcher, revents, args) -> None:
        got.append((revents, args))
        if len(got) == 3:
            assert watcher.stop() is watcher

    h.timer_watcher_create(0.001, fire, repeat=0.001, args="x").start()
    assert h.reactor_run() == 0
    assert got == [(0, "x")] * 3


def test_a_timer_is_reset(h):
    got = []
    with h.timer_watcher_create(3600, lambda *_: got.append(1)) as timer:
        timer.reset(0.001)
        assert timer.after == 0.001
        assert h.reactor_run() == 0
        timer.reset()
        assert h.reactor_run() == 0
    assert got == [1, 1]
    for times in ((-1, 0), (0, -1)):
        with pytest.raises(OSError, match="cannot fire"):
            TimerWatcher(h, times[0], print, times[1])


def test_an_unreferenced_watcher_keeps_nothing_running(h):
    timer = TimerWatcher(h, 3600, print).start()
    assert timer.unref() is timer
    assert h.reactor_run() == 0
    assert timer.started
    assert timer.ref() is timer
    h.reactor.defer(h.reactor_stop)
    assert h.reactor_run() == 0
    assert h.reactor.active()
    timer.destroy()
    assert not h.reactor.active()
    assert timer not in h._watchers


def test_a_descriptor_is_watched_for_what_was_asked(h):
    read, write = os.pipe()
    got = []

    def ready(_h, watcher, fd, revents, args) -> None:
        got.append((fd, revents, args))
        watcher.stop()

    h.fd_watcher_create(write, ready).start()  # both directions by default
    assert h.reactor_run() == 0
    FDWatcher(h, write, FLUX_POLLIN, ready).start().unref()
    assert h.reactor_run(flags=1) == 0  # it is writable, which nobody asked for
    os.write(write, b"x")
    FDWatcher(h, read, FLUX_POLLIN, ready, args="in").start()
    assert h.reactor_run() == 0
    os.read(read, 1)
    os.close(read)
    h.fd_watcher_create(write, ready, FLUX_POLLOUT, "broken").start()  # beside the other one
    assert h.reactor_run() == 0
    assert got[0] == (write, FLUX_POLLOUT, None)
    assert got[1] == (read, FLUX_POLLIN, "in")
    assert got[-1][1] & FLUX_POLLERR
    os.close(write)


def test_the_end_of_a_pipe_is_readable(h):
    read, write = os.pipe()
    os.close(write)
    got = []

    def ready(_h, watcher, _fd, revents, _args) -> None:
        got.append(revents)
        watcher.stop()

    h.fd_watcher_create(read, ready, FLUX_POLLIN).start()
    assert h.reactor_run() == 0
    assert got == [FLUX_POLLIN]
    os.close(read)


def test_signals(h):
    got = []

    def arrived(_h, watcher, signum, args) -> None:
        got.append((signum, args))
        watcher.stop()

    SignalWatcher(h, signal.SIGUSR1, arrived, "x").start()
    h.signal_watcher_create(signal.SIGUSR2, arrived).start().unref()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert h.reactor_run() == 0
    assert got == [(signal.SIGUSR1, "x")]
    for wrong in (0, 65, -1):
        with pytest.raises(OSError, match="invalid signal") as caught:
            SignalWatcher(h, wrong, print)
        assert caught.value.errno == errno.EINVAL


def test_phases(h):
    got = []

    def check(_h, _watcher, revents, args) -> None:
        got.append((revents, args))
        if len(got) == 4:
            h.reactor_stop()

    watchers = [
        h.prepare_watcher_create(lambda *_: got.append("prepare")).start(),
        h.check_watcher_create(check, "c").start(),
        h.idle_watcher_create().start(),
    ]
    assert [type(watcher) for watcher in watchers] == [PrepareWatcher, CheckWatcher, IdleWatcher]
    assert h.reactor_run() == 0
    assert got == ["prepare", (0, "c")] * 2
    for watcher in watchers:
        watcher.stop()
    assert h.reactor_run() == 0


def test_messages(h, peer):
    got = []

    def request(_h, watcher, msg, args) -> None:
        got.append((msg.topic, msg.data, args))
        h.respond(msg, {"ok": 1})
        watcher.stop()

    MessageWatcher(h, FLUX_MSGTYPE_REQUEST, request, b"svc.*", args="a").start()
    stranger = Message.request("svc.x", {}, matchtag=1)
    stranger.rolemask, stranger.userid = FLUX_ROLE_USER, 4242
    owner = Message.request("svc.y", {"z": 1}, matchtag=2)
    owner.rolemask = FLUX_ROLE_OWNER
    other = Message.request("other.y", {}, matchtag=3)
    other.rolemask = FLUX_ROLE_OWNER
    peer.send(stranger, other, owner)
    assert h.reactor_run() == 0
    assert [(msg.matchtag, msg.errnum) for msg in (peer.next(), peer.next(), peer.next())] == [
        (1, errno.EPERM),
        (3, errno.ENOSYS),
        (2, 0),
    ] or got
    assert got == [("svc.y", {"z": 1}, "a")]
    with pytest.raises(InvalidArguments):
        h.msg_watcher_create(print, topic_glob=3)


def test_events_of_others_are_for_who_asks_for_them(h, peer):
    got = []

    def event(_h, watcher, msg, args) -> None:
        got.append((args, msg.topic))
        if msg.topic == "e.last":
            watcher.stop()

    h.msg_watcher_create(event, FLUX_MSGTYPE_EVENT, "e.*", "owner").start()
    events = [Message.event(topic) for topic in ("e.mine", "e.theirs", "e.last")]
    for msg in events:
        msg.rolemask = FLUX_ROLE_USER if msg.topic == "e.theirs" else FLUX_ROLE_OWNER
    peer.send(*events)
    assert h.reactor_run() == 0
    assert got == [("owner", "e.mine"), ("owner", "e.last")]
    h.msg_watcher_create(event, FLUX_MSGTYPE_EVENT, None, "all", rolemask=FLUX_ROLE_USER).start()
    peer.send(*events)
    assert h.reactor_run() == 0
    assert got[2:] == [("all", "e.mine"), ("all", "e.theirs"), ("all", "e.last")]


def test_running_a_reactor(h):
    with pytest.raises(InvalidArguments):
        h.reactor_run(3)
    with pytest.raises(OSError, match="flags"):
        h.reactor_run(flags=64)
    h.reactor.defer(h.reactor_stop_error)
    assert h.reactor_run() == -1
    other = Reactor()
    got = []
    other.defer(lambda: (got.append(1), h.reactor_stop(other)))
    other.timer(3600, lambda: None)
    assert h.reactor_run(other) == 0
    assert got == [1]
    assert h.reactor_run(flags=2) == 0


def test_the_base_class_watches_nothing(h):
    watcher = Watcher(h)
    with pytest.raises(NotImplementedError):
        watcher.start()
    watcher.started = True
    with pytest.raises(NotImplementedError):
        watcher.stop()
