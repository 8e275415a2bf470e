# SPDX-License-Identifier: LGPL-3.0-or-later
"""The life of a launcher: it starts brokers, lets them find each other, and ends when all have ended.

It blocks in poll(2) and has no event loop library, no thread: each broker is a fork of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from rosin.handle.reactor import Reactor, Timer
from rosin.launch.exits import Exits
from rosin.launch.fork import fork
from rosin.launch.pmi import PmiService
from rosin.launch.service import LATER, Call, Service
from rosin.process import descriptors
from rosin.process.nursery import Nursery
from rosin.process.outcome import exit_code, signal_text, termsig
from rosin.process.zygote_server import GRACE
from rosin.process.zygote_start import be_zygote
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.rfc.taskmap import TaskMap
from rosin.shell import PRELOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds that brokers have when another one has ended.
EXIT_TIMEOUT = 20.0
#: Signals that ask for the end of the instance, and those for its jobs: both are for the leader.
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM)
_FORWARDED = (*_DEADLY, signal.SIGUSR1, signal.SIGUSR2)


@contextlib.contextmanager
def withheld() -> Iterator[None]:
    """Within this context signals wait for a launcher: none ends this process in the midst of things."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Plan(NamedTuple):
    """What is to be started: ``size`` brokers with their sockets in ``rundir``.

    In the new process of a broker ``become(rank, nursery)`` is called; it returns the exit code. At the other
    end of ``nursery`` this process starts zygotes (:func:`rosin.process.nursery.ask`).
    """

    size: int
    rundir: str
    become: Callable[[int, socket.socket], int]
    exit_mode: str = "any"
    exit_timeout: float = EXIT_TIMEOUT
    start_mode: str = "all"
    #: Which brokers share a node, as far as they are told.
    taskmap: TaskMap = TaskMap()
    #: Print what is said between the brokers' PMI clients and the server.
    trace: bool = False


class LocalLauncher:
    """One run of a plan.

    ``say(text)`` prints a message for the user; ``ignored``: signals that end nothing.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None], ignored: frozenset[int] = frozenset()) -> None:
        self._plan = plan
        self._say = say
        self._ignored = ignored
        self._exits = Exits(plan.exit_mode)
        self._pids: dict[int, int] = {}  # of those that run
        self._nurseries: dict[int, Nursery] = {}
        self._zygotes: set[int] = set()  # that may be children of this process
        self._timer: Timer | None = None
        self._waits: dict[int, Call] = {}
        self._asked = 0  # the signal that has asked for the end
        self._reactor = Reactor()
        self._service = Service(
            self._reactor,
            f"{plan.rundir}/start",
            {
                "start.status": self._status,
                "start.kill": self._kill,
                "start.wait": self._wait,
                "start.run": self._run,
            },
        )
        trace = self._print_trace if plan.trace else None
        self._pmi = PmiService(self._reactor, plan.size, plan.taskmap, trace, self._broken)

    def run(self) -> int:
        """Start the brokers and wait until none runs; returns the exit code. Raises OSError."""
        descriptors.raise_limit()  # it takes some for each broker
        self._catch_signals()
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_FORWARDED, signal.SIGINT))
        try:
            self._reactor.turn(0.0)
            if self._asked:  # before there was anything
                return 128 + self._asked
            for rank in range(self._plan.size if self._plan.start_mode == "all" else 1):
                self._start(rank)
            while self._pids or self._zygotes:
                self._reactor.turn(-1.0, forever=True)
        finally:
            self._kill_all()
            self._service.close()
            self._pmi.close()
            descriptors.restore_limit()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._reactor.close()
        return self._exits.exit_code

    def _catch_signals(self) -> None:
        reactor = self._reactor
        reactor.add_signal(signal.SIGCHLD, self._reap, passive=True)
        for signum in _FORWARDED:
            if signum not in self._ignored:
                reactor.add_signal(signum, self._forward, passive=True)
        if signal.SIGINT not in self._ignored:
            reactor.add_signal(signal.SIGINT, self._interrupted, passive=True)

    def _interrupted(self, signum: int) -> None:
        # The terminal sends it to the brokers, too, and the instance decides what becomes of it.
        if not self._pids:
            self._asked = signum

    def _forward(self, signum: int) -> None:
        if signum in _DEADLY:
            self._asked = signum
        # The leader ends the instance in good order. Without one each has to see to itself.
        for rank in (0,) if 0 in self._pids else tuple(self._pids):
            self._signal(rank, signum)

    # -- processes --------------------------------------------------------------------------------

    def _start(self, rank: int) -> None:
        plan = self._plan
        with self._pmi.connect(rank) as channel, self._open_nursery(rank) as nursery:
            fd = channel.fileno()

            def become() -> int:
                os.set_inheritable(fd, True)
                os.environ |= {
                    "PMI_FD": str(fd),
                    "PMI_RANK": str(rank),
                    "PMI_SIZE": str(plan.size),
                    "FLUX_START_URI": f"local://{plan.rundir}/start",
                }
                return plan.become(rank, nursery)

            self._pids[rank] = fork(become, self._forget)
        self._exits.started(rank)
        self._set_timer()

    def _open_nursery(self, rank: int) -> socket.socket:
        """The broker's end of the socket on which it asks for a zygote."""
        ours, theirs = socket.socketpair()
        nursery = self._nurseries[rank] = Nursery(ours, self._start_zygote)

        def readable(_revents: int) -> None:
            if not nursery.readable():
                self._close_nursery(rank)

        self._reactor.add_fd(ours.fileno(), readable, passive=True)
        return theirs

    def _close_nursery(self, rank: int) -> None:
        nursery = self._nurseries.pop(rank, None)
        if nursery is not None:
            self._reactor.remove_fd(nursery.sock.fileno())
            nursery.close()

    def _start_zygote(self, sock: socket.socket) -> int:
        pid = fork(lambda: be_zygote(sock, PRELOAD, GRACE), self._forget, tied=False)
        self._zygotes.add(pid)
        return pid

    def _forget(self) -> None:
        """In a new process: nothing of this is its own."""
        descriptors.restore_limit()
        for rank in list(self._nurseries):
            self._close_nursery(rank)
        self._service.forget()
        self._pmi.close()
        self._reactor.close()

    def _reap(self, _signum: int) -> None:
        for rank, pid in list(self._pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._ended(rank, pid, status)
        for pid in list(self._zygotes):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._zygotes.discard(pid)

    def _ended(self, rank: int, pid: int, status: int) -> None:
        del self._pids[rank]
        code = exit_code(status)
        if termsig(status):
            self._say(f"{rank} (pid {pid}) {signal_text(termsig(status))}")
        elif code:
            self._say(f"{rank} (pid {pid}) exited with rc={code}")
        self._exits.ended(rank, code)
        self._pmi.disconnect(rank)
        self._close_nursery(rank)
        if not rank and self._asked:
            self._forward(self._asked)
        waiting = self._waits.pop(rank, None)
        if waiting is not None:
            waiting.respond({"exit_rc": code})
        self._set_timer()

    def _signal(self, rank: int, signum: int) -> None:
        # Not collected yet, so its id is no other's.
        if rank in self._pids:
            os.kill(self._pids[rank], signum)

    # -- the end ----------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        limited = self._exits.limited
        if limited and self._timer is None:
            self._timer = self._reactor.timer(self._plan.exit_timeout, self._overdue, passive=True)
        elif not limited and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _overdue(self) -> None:
        ranks = Idset(self._pids)
        self._kill_all()
        self._say(f"Exit timeout: killed rank {ranks}")

    def _kill_all(self) -> None:
        for rank in self._pids:
            self._signal(rank, signal.SIGKILL)

    def _broken(self, text: str) -> None:
        self._say(text)
        for rank in self._pids:
            self._signal(rank, signal.SIGTERM)
        self._reactor.timer(self._plan.exit_timeout, self._overdue, passive=True)

    def _print_trace(self, rank: int, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{rank}: {text}\n")

    # -- requests ---------------------------------------------------------------------------------

    def _rank(self, request: Call) -> int:
        rank: int = field(request.args, "rank", int)
        if not 0 <= rank < self._plan.size:
            raise OSError(errno.ESRCH, f"there is no broker {rank}: ranks are 0 to {self._plan.size - 1}")
        return rank

    def _status(self, _request: Call) -> object:
        return {"procs": [{"pid": self._pids.get(rank, -1)} for rank in range(self._plan.size)]}

    def _kill(self, request: Call) -> object:
        rank, signum = self._rank(request), field(request.args, "signum", int)
        if signum and signum not in signal.valid_signals():
            raise OSError(errno.EINVAL, f"{signum} is not the number of a signal")
        self._signal(rank, signum)
        return None

    def _wait(self, request: Call) -> object:
        rank = self._rank(request)
        if rank not in self._pids:
            return {"exit_rc": self._exits.codes.get(rank, 0)}
        if rank in self._waits and self._waits[rank].alive:
            raise OSError(errno.EEXIST, f"somebody waits for broker {rank} already")
        self._waits[rank] = request
        return LATER

    def _run(self, request: Call) -> object:
        rank = self._rank(request)
        if rank in self._pids:
            raise OSError(errno.EEXIST, f"broker {rank} runs already")
        self._start(rank)
        return None
