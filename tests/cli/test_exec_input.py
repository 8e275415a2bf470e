# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input of rosin exec: when it is read, how much of it, and what that costs with many processes."""

import os

import pytest

from rosin.cli.exec.remote import Remote
from rosin.cli.exec.stdin import ExecStdin


class Watcher:
    """Standard input, as the reactor watches it."""

    def __init__(self):
        self.on = False

    def fd_watcher_create(self, fd, callback, events):
        self.readable = callback
        return self

    def start(self):
        assert not self.on
        self.on = True

    def stop(self):
        assert self.on
        self.on = False


class Processes:
    """Some processes, and what was written to them."""

    def __init__(self, number, flow=True):
        self.stdin = Watcher()
        self.remotes = [Remote(rank, None) for rank in range(number)]
        self.written = {}
        self.input = ExecStdin(self.stdin, self.remotes, flow, self.write)

    def write(self, remote, data, eof):
        self.written.setdefault(remote.rank, []).append((data, eof))

    def tell(self, rank, *, started=False, credit=0, done=False):
        remote = self.remotes[rank]
        remote.pid = 1000 + rank if started else remote.pid
        remote.credit += credit
        remote.done = done
        self.input.update(remote)
        return self.stdin.on


@pytest.fixture
def given(monkeypatch):
    """What is read from standard input, piece by piece; each read is noted."""
    pieces, asked = [], []

    def read(_fd, size):
        asked.append(size)
        piece = pieces.pop(0) if pieces else b""
        if piece[size:]:
            pieces.insert(0, piece[size:])
        return piece[:size]

    monkeypatch.setattr(os, "read", read)
    return pieces, asked


def test_all_must_have_started_and_have_room(given):
    pieces, asked = given
    many = Processes(3)
    assert [many.tell(rank, started=True) for rank in range(3)] == [False] * 3
    assert [many.tell(rank, credit=credit) for rank, credit in enumerate((9, 4, 7))] == [False, False, True]
    pieces.append(b"abcdef")
    many.stdin.readable()
    assert asked == [4]
    assert many.written == {rank: [(b"abcd", False)] for rank in range(3)}
    assert not many.stdin.on  # one is full
    assert many.tell(1, credit=4)
    many.stdin.readable()
    assert not many.stdin.on or many.remotes[2].credit > 0
    many.stdin.readable()
    assert many.written[0][-1] == (b"", True)
    assert not many.stdin.on


def test_one_that_is_over_is_not_waited_for(given):
    many = Processes(3)
    many.tell(0, started=True, credit=5)
    many.tell(1, started=True, credit=5)
    assert many.tell(2, done=True)
    assert not many.tell(0, started=True, credit=-5)
    assert many.tell(0, done=True)
    assert not many.tell(1, done=True)


def test_without_flow_control(given):
    pieces, asked = given
    many = Processes(2, flow=False)
    assert not many.tell(0, started=True)
    assert many.tell(1, started=True)
    pieces.append(b"x" * 100)
    many.stdin.readable()
    assert asked == [1 << 16]
    assert many.stdin.on
    many.input.close()
    assert not many.stdin.on


def test_what_one_tells_costs_the_same_however_many_there_are(given):
    class Noted(Remote):
        __slots__ = ("looks",)

        def __init__(self, rank):
            self.looks = 0
            super().__init__(rank, None)

        def __getattribute__(self, name):
            if name in ("pid", "credit", "done"):
                object.__setattr__(self, "looks", object.__getattribute__(self, "looks") + 1)
            return object.__getattribute__(self, name)

    remotes = [Noted(rank) for rank in range(1000)]
    stdin = ExecStdin(Watcher(), remotes, True, lambda *_: None)
    for change in ({"pid": 1}, {"credit": 10}, {"done": True}):
        for remote in remotes:
            for name, value in change.items():
                setattr(remote, name, value)
            stdin.update(remote)
    assert max(remote.looks for remote in remotes) < 15
