# SPDX-License-Identifier: LGPL-3.0-or-later
"""A shell whose broker is gone, and what it says to the next one: one thread plays the brokers."""

import contextlib
import errno
import socket
import threading
from typing import Any

import pytest

from rosin.handle.framing import FrameReader, frame
from rosin.rfc import treeobj
from rosin.shell.comeback import Comeback
from rosin.shell.connection import ShellHandle
from rosin.shell.plugins.api import Api
from rosin.shell.plugins.kill import Kill

JOBID = 1234
#: A transaction that changes nothing.
EMPTY = "kvs.commit, empty"


class Info:
    class node:
        rank = 0


class Brokers:
    """One after the other on a socket; ``answers``: topic -> payload or errno, else it is not answered."""

    def __init__(self, path):
        self.uri = f"local://{path}"
        self.answers: dict[str, Any] = {
            "service.add": None,
            "event.subscribe": None,
            "state-machine.wait": None,
            EMPTY: {"rootref": "x", "rootseq": 1},
        }
        self.answers["job-exec.shell-ready"] = {"signals": []}
        self.seen = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._changed = threading.Condition()
        self._conn = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            conn.sendall(b"\0")
            self._conn, reader = conn, FrameReader()
            with contextlib.suppress(OSError):  # the shell has gone
                while data := conn.recv(1 << 16):
                    for msg in reader.feed(data):
                        self._take(msg)
            conn.close()

    def _take(self, msg):
        with self._changed:
            empty = msg.topic == "kvs.commit" and not msg.data["ops"]
            topic = EMPTY if empty else msg.topic
            self.seen.append((topic, msg))
            answer = self.answers.get(topic, Ellipsis)
            if isinstance(answer, int):
                self._conn.sendall(frame(msg.response(None, answer)))
            elif answer is not Ellipsis:
                self._conn.sendall(frame(msg.response(answer)))
            self._changed.notify_all()

    def topics(self):
        with self._changed:
            return [topic for topic, _ in self.seen]

    def answer(self, wanted, payload):
        """Answer what has not been answered."""
        with self._changed:
            (msg,) = [msg for topic, msg in self.seen if topic == wanted]
            self._conn.sendall(frame(msg.response(payload)))

    def end(self):
        """The broker ends; another one listens at once."""
        self.seen.clear()
        with contextlib.suppress(OSError):  # the shell has gone
            self._conn.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):  # it is closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.end()
        self._thread.join()


@pytest.fixture
def brokers(tmp_path, monkeypatch):
    monkeypatch.setattr("rosin.shell.connection.RETRY", 0.001)
    made = Brokers(tmp_path / "local")
    yield made
    made.close()


class Known:
    """A shell that has got so far that it can do without its broker, and what it is told."""

    def __init__(self, uri: str) -> None:
        self.killed: list[int] = []
        self.lost: list[OSError] = []
        self.h = handle = ShellHandle(uri)
        api = Api(handle, JOBID, {}, {"keep": 60.0})
        self.guest = api.guest
        info: Any = Info()
        api.info = info
        kill = Kill(api)
        api.kill = self.killed.append
        handle.on_lost = self.lost.append
        comeback = Comeback(api, kill)
        kill.shell_connect()
        handle.service_register("me").get()
        kill.shell_begin()
        comeback.allow()


@pytest.fixture
def shell(brokers):
    known = Known(brokers.uri)
    yield known
    known.h.on_lost = None
    known.h.close()


def turn(shell, done):
    while not done():
        shell.h.reactor.turn(0.01, forever=True)


def written(number):
    return {"val": treeobj.val(str(number).encode())}


def test_it_says_who_it_is_and_sends_what_was_not_answered(brokers, shell):
    asked = shell.h.rpc("some.question", {"n": 1})
    shell.guest.append("output", "data")
    turn(shell, lambda: "kvs.commit" in brokers.topics())
    brokers.answers["kvs.lookup"] = written(0)
    brokers.answers["some.question"] = {"n": 2}
    brokers.answers["job-exec.shell-ready"] = {"signals": [[3, 10]]}
    brokers.end()
    turn(shell, lambda: shell.h.away)
    meanwhile = shell.h.rpc("some.question", {"n": 3})
    turn(shell, lambda: not shell.h.away and "kvs.commit" in brokers.topics() and meanwhile.is_ready())
    assert brokers.topics()[:6] == [
        "state-machine.wait",
        "event.subscribe",
        "job-exec.shell-ready",
        EMPTY,
        "kvs.lookup",
        "service.add",  # who asks something of it before that gets no answer
    ]
    assert brokers.topics().count("kvs.commit") == 1
    assert asked.get() == meanwhile.get() == {"n": 2}
    turn(shell, lambda: shell.killed == [10])
    assert shell.lost == []


def test_what_was_taken_is_not_sent_again(brokers, shell):
    shell.guest.append("output", "data")
    turn(shell, lambda: "kvs.commit" in brokers.topics())
    brokers.answers["kvs.lookup"] = written(1)
    brokers.end()
    turn(shell, lambda: shell.guest.idle)
    assert "kvs.commit" not in brokers.topics()


def test_what_is_still_being_taken_is_waited_for(brokers, shell):
    """The broker before has sent a commit on, of which the KVS does not tell before its turn is over."""
    shell.guest.append("output", "data")
    turn(shell, lambda: "kvs.commit" in brokers.topics())
    brokers.answers["kvs.lookup"] = written(0)
    del brokers.answers[EMPTY]
    brokers.end()
    turn(shell, lambda: EMPTY in brokers.topics())
    assert "kvs.lookup" not in brokers.topics()
    brokers.answers["kvs.lookup"] = written(1)
    brokers.answer(EMPTY, {"rootref": "y", "rootseq": 2})
    turn(shell, lambda: shell.guest.idle)
    assert "kvs.commit" not in brokers.topics()


def test_nothing_was_written_yet(brokers, shell):
    brokers.answers["kvs.lookup"] = errno.ENOENT
    brokers.end()
    turn(shell, lambda: "kvs.lookup" in brokers.topics() and not shell.h.away)
    assert shell.lost == []


def test_a_broker_that_ends_at_once_or_knows_nothing_yet_is_left_for_the_next(brokers, shell):
    steps = iter(("state-machine.wait", "job-exec.shell-ready", EMPTY, "kvs.lookup"))
    for topic in steps:
        good = brokers.answers.get(topic, written(0))
        brokers.answers[topic] = errno.ENOSYS
        brokers.end()
        turn(shell, lambda topic=topic: brokers.topics().count(topic) > 1)  # it asks again
        assert shell.h.away
        brokers.answers[topic] = good
    turn(shell, lambda: not shell.h.away)
    assert shell.lost == []


def test_a_job_that_is_not_known_any_more_ends(brokers, shell):
    brokers.answers["job-exec.shell-ready"] = errno.ENOENT
    brokers.end()
    turn(shell, lambda: shell.lost)
    assert shell.h.closed


def test_it_does_not_wait_for_ever(brokers, shell):
    shell.h.patience = 0.01
    brokers.close()
    brokers.end()
    turn(shell, lambda: shell.lost)
    assert not shell.h.away


def test_who_waits_for_an_answer_meanwhile_is_told_that_none_comes(brokers, shell):
    asked = shell.h.rpc("some.question")
    brokers.end()
    turn(shell, lambda: shell.h.away)
    with pytest.raises(ConnectionResetError):
        asked.get()
    assert shell.lost
