# SPDX-License-Identifier: LGPL-3.0-or-later
"""When the broker deals with what guests send: after everybody else, and for half of the time at most.

However many connections a guest has, and whatever a message costs (an event goes to all who have subscribed
to it), the instance owner's messages wait for one slice of guests' work and no more. Guests take turns, and
so do the connections of each.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

#: Seconds of guests' work between two looks at the sockets; a longer piece of work is not cut.
SLICE = 0.002


class Worker(Protocol):
    """A connection of a guest."""

    @property
    def userid(self) -> int:
        """Whose it is."""

    def work(self) -> bool:
        """Deal with a little of what has come; returns whether there is more."""

    def postpone(self) -> None:
        """There is more, whose turn comes later: nothing is read until then."""


class GuestWork:
    """The guests' work of one broker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spent = 0.0
        #: The loop will call: in its next round, or when a pause is over.
        self._called = False
        self._waiting: dict[int, deque[Worker]] = {}

    def offer(self, worker: Worker) -> None:
        """Let a connection work now, or when it is its turn."""
        if self._waiting or self._spent >= SLICE:
            self._wait(worker)
        else:
            self._let(worker)

    def _wait(self, worker: Worker) -> None:
        worker.postpone()
        self._waiting.setdefault(worker.userid, deque()).append(worker)

    def _let(self, worker: Worker) -> None:
        if not self._called:
            self._called = True
            self._loop.call_soon(self._round)
        start = monotonic()  # not the loop's time, which stands still within a round
        try:
            more = worker.work()
        finally:
            self._spent += monotonic() - start
        if more:
            self._wait(worker)

    def _round(self) -> None:
        """Others have had their round; after much work they get as much time as that has taken."""
        if self._spent >= SLICE:
            self._loop.call_later(self._spent, self._resume)
        else:
            self._resume()

    def _resume(self) -> None:
        self._called = False
        self._spent = 0.0
        while self._waiting and self._spent < SLICE:
            self._let(self._next())

    def _next(self) -> Worker:
        userid = next(iter(self._waiting))
        workers = self._waiting.pop(userid)
        worker = workers.popleft()
        if workers:
            self._waiting[userid] = workers  # behind the other users
        return worker
