# SPDX-License-Identifier: LGPL-3.0-or-later
"""The event loop of the blocking handle: file descriptors, timers, signals and deferred calls.

It exists beside asyncio because a command that sends one request must not pay for importing asyncio.
"""

from __future__ import annotations

import _signal  # signal's own module imports enum, which takes longer than a command
import os
import select
import time
from _heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any
else:
    from _collections import deque  # collections itself imports a lot

#: What poll(2) reports whether or not it was asked for.
_ALWAYS = select.POLLERR | select.POLLHUP | select.POLLNVAL
#: Milliseconds that it can be told to wait; a timer may be further away, or never due.
LONGEST = (1 << 31) - 1


class Timer:
    """A pending call; created by :meth:`Reactor.timer`."""

    __slots__ = ("callback", "passive", "repeat", "when")

    def __init__(self, when: float, repeat: float, callback: Callable[[], Any], passive: bool) -> None:
        self.when = when
        self.repeat = repeat
        self.passive = passive
        self.callback: Callable[[], Any] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        self.callback = None


class Reactor:
    """Runs callbacks until it is stopped or nothing is left to wait for."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._fds: dict[int, dict[Callable[[int], Any], tuple[int, bool]]] = {}
        self._timers: list[Timer] = []
        self._signals: dict[int, tuple[bool, Any]] = {}
        self._wakeup: tuple[int, int] | None = None
        self._wakeup_before = -1
        self._phases: dict[str, dict[Callable[[], Any], bool]] = {}
        self._deferred: deque[Callable[[], Any]] = deque()
        self._stop: int | None = None
        #: Says whether something outside (pending RPCs, message handlers) still needs the reactor.
        self.busy: Callable[[], bool] = lambda: False

    def defer(self, callback: Callable[[], Any]) -> None:
        """Call back at the next turn."""
        self._deferred.append(callback)

    def add_fd(
        self, fd: int, callback: Callable[[int], Any], events: int = select.POLLIN, passive: bool = False
    ) -> None:
        """Call ``callback(revents)`` when ``fd`` is ready. A passive fd does not keep the reactor running."""
        self._fds.setdefault(fd, {})[callback] = (events, passive)
        self._register(fd)

    def remove_fd(self, fd: int, callback: Callable[[int], Any] | None = None) -> None:
        """Undo :meth:`add_fd` for one callback, or for all."""
        callbacks = self._fds.get(fd)
        if callbacks is None:
            return
        if callback is None:
            callbacks.clear()
        callbacks.pop(callback, None)  # type: ignore[arg-type]
        self._register(fd)

    def _register(self, fd: int) -> None:
        callbacks = self._fds[fd]
        if callbacks:
            events = 0
            for wanted, _ in callbacks.values():
                events |= wanted
            self._poll.register(fd, events)
        else:
            del self._fds[fd]
            self._poll.unregister(fd)

    def timer(
        self, after: float, callback: Callable[[], Any], repeat: float = 0.0, passive: bool = False
    ) -> Timer:
        """Call back after some seconds, then every ``repeat`` seconds if that is positive."""
        timer = Timer(time.monotonic() + max(0.0, after), repeat, callback, passive)
        heappush(self._timers, timer)
        return timer

    def add_phase(self, phase: str, callback: Callable[[], Any], passive: bool = False) -> None:
        """Call back in each turn: ``prepare`` before it waits, ``check`` after that; with ``idle`` it does
        not wait.
        """
        self._phases.setdefault(phase, {})[callback] = passive

    def remove_phase(self, phase: str, callback: Callable[[], Any]) -> None:
        """Undo :meth:`add_phase`."""
        callbacks = self._phases.get(phase, {})
        callbacks.pop(callback, None)
        if not callbacks:
            self._phases.pop(phase, None)

    def add_signal(self, signum: int, callback: Callable[[int], Any], passive: bool = False) -> None:
        """Call ``callback(signum)`` from the reactor when the signal arrives (main thread only)."""
        if self._wakeup is None:
            self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._wakeup_before = _signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
            self.add_fd(self._wakeup[0], self._drain_wakeup, passive=True)
        previous = _signal.signal(signum, lambda num, _frame: self.defer(lambda: callback(num)))
        before = self._signals.get(signum)
        self._signals[signum] = (passive, previous if before is None else before[1])

    def remove_signal(self, signum: int) -> None:
        """Restore what handled the signal before."""
        entry = self._signals.pop(signum, None)
        if entry is not None:
            _signal.signal(signum, entry[1] if entry[1] is not None else _signal.SIG_DFL)
        if not self._signals:
            self._release_wakeup()

    def _drain_wakeup(self, _revents: int) -> None:
        if self._wakeup is not None:
            os.read(self._wakeup[0], 4096)

    def _release_wakeup(self) -> None:
        if self._wakeup is None:
            return
        current = _signal.set_wakeup_fd(self._wakeup_before, warn_on_full_buffer=False)
        if current not in (self._wakeup[1], -1):  # another reactor's, which began later
            _signal.set_wakeup_fd(current, warn_on_full_buffer=False)
        self.remove_fd(self._wakeup[0])
        for fd in self._wakeup:
            os.close(fd)
        self._wakeup = None

    def close(self) -> None:
        """Release the signal handlers and the wake-up pipe."""
        for signum in list(self._signals):
            self.remove_signal(signum)

    def stop(self, result: int = 0) -> None:
        """Make :meth:`run` return ``result`` after the current callback."""
        self._stop = result

    def active(self) -> bool:
        """Whether something is left that may call back."""
        return bool(
            self._deferred
            or any(not passive for passive, _ in self._signals.values())
            or any(not passive for phase in self._phases.values() for passive in phase.values())
            or any(not passive for callbacks in self._fds.values() for _, passive in callbacks.values())
            or any(timer.callback is not None and not timer.passive for timer in self._timers)
            or self.busy()
        )

    def run(self) -> int:
        """Run until :meth:`stop` or until nothing is left; an exception of a callback passes through."""
        self._stop = None
        while self._stop is None:
            self.turn(-1.0)
            if self._stop is None and not self.active():
                return 0
        return self._stop

    def run_once(self, timeout: float, forever: bool = False) -> int | None:
        """One :meth:`turn`; returns what :meth:`stop` was given, None if it was not called."""
        self._stop = None
        self.turn(timeout, forever)
        return self._stop

    def _call_phase(self, phase: str) -> None:
        for callback in list(self._phases.get(phase, ())):
            callback()

    def turn(self, timeout: float, forever: bool = False) -> None:
        """Deferred calls, expired timers, then ready descriptors (waits ``timeout`` s; < 0: as needed).

        ``forever``: wait for passive descriptors, too, unless something has been called before.
        """
        ran = bool(self._deferred)
        for _ in range(len(self._deferred)):
            self._deferred.popleft()()
            if self._stop is not None:
                return
        ran = self._expire() or ran
        if self._stop is not None:
            return
        if self._phases:
            self._call_phase("prepare")
            self._call_phase("idle")
        if self._deferred or "idle" in self._phases or (forever and ran):
            timeout = 0.0
        elif self._timers:
            if timeout < 0 and not forever and self._timers[0].passive and not self.active():
                return
            until = max(0.0, self._timers[0].when - time.monotonic())
            timeout = until if timeout < 0 else min(timeout, until)
        elif timeout < 0 and not forever and not self.active():
            return
        ready = self._poll.poll(None if timeout < 0 else min(timeout * 1000, LONGEST))
        if self._phases:
            self._call_phase("check")
            if self._stop is not None:
                return
        for fd, revents in ready:
            for callback, (events, _) in tuple(self._fds.get(fd, {}).items()):
                if revents & (events | _ALWAYS) and callback in self._fds.get(fd, ()):
                    callback(revents)
                    if self._stop is not None:
                        return

    def _expire(self) -> bool:
        """Call back for the timers that are due; True if there was one."""
        fired = False
        now = time.monotonic()
        timers = self._timers
        while timers and (timers[0].when <= now or timers[0].callback is None):
            timer = heappop(timers)
            callback = timer.callback
            if callback is None:
                continue
            if timer.repeat > 0:
                timer.when = now + timer.repeat
                heappush(timers, timer)
            else:
                timer.callback = None
            fired = True
            callback()
            if self._stop is not None:
                break
        return fired
