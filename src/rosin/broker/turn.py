# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the broker does between two looks at its sockets.

A request passes through several modules, each of which takes what has arrived in one go. If every step of
that were an event of the loop, each would cost a system call. So the steps are queued here and run one after
the other in a single event, in the order in which they were asked for; sockets are written at its end, but
for the first message to each, which goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import thread_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[], Any]

#: Steps after which the loop looks at its sockets again, so that no exchange of messages shuts out the world.
LIMIT = 1000
#: Seconds of processor time after which it does as well: nobody is to wait long for those who ask for much.
SECONDS = 0.02
_LIMITED = range(LIMIT)
_FAILURES = (Exception, asyncio.CancelledError)


class Turn:
    """The steps of one broker's current turn."""

    __slots__ = ("_ends", "_last", "_scheduled", "_steps")

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._last: deque[Step] = deque()
        self._ends: list[Step] = []
        self._scheduled = False

    def soon(self, step: Step) -> None:
        """Run a step after those that are already waiting."""
        self._steps.append(step)
        if not self._scheduled:
            self._schedule()

    def last(self, step: Step) -> None:
        """Run a step after all others that are waiting, and those that they lead to, in the same turn."""
        self._last.append(step)
        if not self._scheduled:
            self._schedule()

    def at_end(self, step: Step) -> None:
        """Run a step when no others are left, or when it is time to look at the sockets."""
        self._ends.append(step)
        if not self._scheduled:
            self._schedule()

    def now(self, step: Step) -> None:
        """Run a step and all that follows from it, for a callback of the loop that need not wait for others.

        When a turn is due anyway, it does the rest."""
        if self._scheduled:
            _perform(step)
        else:
            self._scheduled = True
            self._steps.appendleft(step)
            self._run()

    def whole(self, step: Step) -> None:
        """Run a step and all that follows from it or waits, for who measures how long that takes."""
        self._scheduled = True
        self._steps.appendleft(step)
        self._run()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        steps, last = self._steps, self._last
        ends: list[Step] = []
        until = thread_time() + SECONDS
        try:
            for number in _LIMITED:
                if number & 3 == 3 and thread_time() > until:
                    break
                if steps:
                    step = steps.popleft()
                elif last:
                    step = last.popleft()
                else:
                    break
                try:
                    step()
                except _FAILURES as exc:
                    _report(step, exc)
            for _ in range(len(last)):  # whatever the others are about, it must not be put off for ever
                _perform(last.popleft())
            ends, self._ends = self._ends, []
            ends.reverse()
            while ends:
                _perform(ends.pop())
        finally:  # whatever comes through, SystemExit say, is not to leave steps behind that nobody performs
            if ends:
                self._ends[:0] = ends[::-1]
            self._scheduled = False
            if steps or last or self._ends:
                self._schedule()


def _perform(step: Step) -> None:
    try:
        step()
    except _FAILURES as exc:
        _report(step, exc)


def _report(step: Step, exc: BaseException) -> None:
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": f"step {step!r} of a broker failed", "exception": exc})
