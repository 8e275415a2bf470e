# SPDX-License-Identifier: LGPL-3.0-or-later
"""When guests' messages are dealt with: in turns, a slice at a time, for half of the time at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rosin.broker import guestwork
from rosin.broker.guestwork import SLICE, GuestWork


class Loop:
    """An event loop that calls when it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], Any]] = []
        self.later: list[tuple[float, Callable[[], Any]]] = []

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self.soon.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], Any]) -> None:
        self.later.append((seconds, callback))

    def next(self) -> None:
        callbacks, self.soon = self.soon, []
        for callback in callbacks:
            callback()


class Clients:
    """Connections whose work takes time; ``done`` is who has worked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.done: list[str] = []
        monkeypatch.setattr(guestwork, "monotonic", lambda: self.now)

    def client(self, name: str, userid: int, pieces: int, takes: float) -> Any:
        return Client(self, name, userid, pieces, takes)


class Client:
    def __init__(self, clients: Clients, name: str, userid: int, pieces: int, takes: float) -> None:
        self.clients, self.name, self.userid, self.pieces, self.takes = clients, name, userid, pieces, takes
        self.postponed = 0

    def work(self) -> bool:
        self.clients.now += self.takes
        if self.takes < 0:
            raise ZeroDivisionError
        self.clients.done.append(self.name)
        self.pieces -= 1
        return self.pieces > 0

    def postpone(self) -> None:
        self.postponed += 1


def test_users_take_turns_and_so_do_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = Loop()
    clients = Clients(monkeypatch)
    work = GuestWork(loop)
    for name, userid in (("a1", 1), ("a2", 1), ("a3", 1), ("b1", 2)):
        work.offer(clients.client(name, userid, 2, 2 * SLICE))
    while loop.soon or loop.later:
        loop.next()
        later, loop.later = loop.later, []
        for _, callback in later:
            callback()
    assert clients.done == ["a1", "a1", "b1", "a2", "b1", "a3", "a2", "a3"]


def test_little_work_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = Loop()
    clients = Clients(monkeypatch)
    work = GuestWork(loop)
    first = clients.client("first", 1, 1, SLICE / 3.5)
    for _ in range(2):
        work.offer(first)
    assert clients.done == ["first"] * 2
    assert not first.postponed
    loop.next()
    assert not loop.later
    for _ in range(6):
        work.offer(first)
    assert clients.done == ["first"] * 6  # the slice is used up
    assert first.postponed == 2


def test_others_get_as_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = Loop()
    clients = Clients(monkeypatch)
    work = GuestWork(loop)
    work.offer(clients.client("long", 1, 2, 0.5))
    work.offer(clients.client("next", 2, 1, 2 * SLICE))
    assert clients.done == ["long"]
    loop.next()
    ((pause, resume),) = loop.later
    assert pause == 0.5
    assert clients.done == ["long"]
    loop.next()
    resume()
    assert clients.done == ["long", "long"]  # it was there first


def test_a_fault_ends_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = Loop()
    clients = Clients(monkeypatch)
    work = GuestWork(loop)
    work.offer(clients.client("first", 1, 1, 2 * SLICE))
    work.offer(clients.client("broken", 1, 1, -1.0))
    work.offer(clients.client("last", 1, 1, 2 * SLICE))
    loop.next()
    with pytest.raises(ZeroDivisionError):
        loop.later.pop()[1]()
    loop.next()
    while loop.later:
        loop.later.pop()[1]()
    assert clients.done == ["first", "last"]
