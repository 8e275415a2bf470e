# SPDX-License-Identifier: LGPL-3.0-or-later
"""The client's side of the zygote: start it, ask it for processes, learn how they end.

Start it before any event loop, thread or ZeroMQ context exists::

    zygote = Zygote.start(rosin.shell.PRELOAD)
    zygote.attach(loop)                                  # any object with add_reader/add_writer, as asyncio's
    shell = zygote.spawn(rosin.shell.TARGET, ["rosin-shell", "1234"], env, on_exit=ended)

Without a loop, ``zygote.wait(shell)`` blocks until the process ended. When the zygote itself dies, every
process still running is reported with ``error`` set. With a loop another zygote takes its place, a few times
at most; else :attr:`Zygote.alive` turns False, and the caller starts shells the slow way (``spawn``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.process import descriptors
from rosin.process.frames import ZygoteReader, ZygoteWriter
from rosin.process.loop import Loop
from rosin.process.spawned import Spawned, fail
from rosin.process.watch import ReadWatch
from rosin.process.zygote_server import GRACE
from rosin.process.zygote_start import be_zygote

#: A zygote that ends more often than this in so many seconds is not replaced any more.
_MOST_LOSSES = 5
_LOSS_WINDOW = 60.0


class Zygote:
    """A connection to one zygote. Not for use by several threads."""

    def __init__(
        self,
        sock: socket.socket,
        pid: int,
        popen: subprocess.Popen[bytes] | None = None,
        pidfd: int | None = None,
    ) -> None:
        self._connect(sock, pid, popen, pidfd)
        self._asked: dict[int, Spawned] = {}
        self._running: dict[int, Spawned] = {}
        self._next_id = 1
        self._loop: Loop | None = None
        self._watch: ReadWatch | None = None
        self._recipe: tuple[list[str], float] | None = None
        self._guarded: set[int] = set()
        self._losses: list[float] = []
        #: Told when the zygote has ended by itself, with one line that says what follows.
        self.on_lost: Callable[[str], None] = lambda text: None
        self.alive = True
        self._keeps: tuple[str, float] | None = None  # where kept processes are found, and for how long
        self._adopts = False  # it was another master's
        #: Not started yet: what does that.
        self._later: Callable[[], Zygote] | None = None

    def _connect(
        self, sock: socket.socket, pid: int, popen: subprocess.Popen[bytes] | None, pidfd: int | None
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._popen = popen
        self._pidfd = pidfd  # of a zygote that is another process's child
        self._reader = ZygoteReader(sock)
        self._writer = ZygoteWriter(sock)
        self.pid = pid

    @classmethod
    def start(cls, preload: list[str], *, fork: bool = True, grace: float = GRACE) -> Zygote:
        """Start a zygote with ``preload`` imported (``"module"``, or ``"module:function"`` to call one).

        ``fork`` copies this process, which must then have no threads; otherwise a new interpreter is started,
        which costs more but is possible at any time. ``grace``: seconds from SIGTERM to SIGKILL.
        """
        ours, theirs = socket.socketpair()
        if not fork:
            with theirs:
                fd = theirs.fileno()
                command = [sys.executable, "-m", "rosin.process.zygote_server", str(fd), str(grace), *preload]
                popen = descriptors.start(
                    lambda: subprocess.Popen(
                        command, pass_fds=[fd], stdin=subprocess.DEVNULL, process_group=0, close_fds=True
                    )
                )
            started = cls(ours, popen.pid, popen)
        else:
            pid = os.fork()
            if pid == 0:
                be_zygote(theirs, preload, grace)
            theirs.close()
            started = cls(ours, pid)
        started._recipe = (preload, grace)
        return started

    @classmethod
    def deferred(cls, start: Callable[[], Zygote]) -> Zygote:
        """A zygote that ``start`` starts when it is first asked for a process: idle ones cost memory, too."""
        later = cls(socket.socket(socket.AF_UNIX), 0)  # a socket that leads nowhere
        later._later = start
        return later

    def _begin(self) -> None:
        """Start what was deferred."""
        start, self._later = self._later, None
        if start is None:
            return
        try:
            self._take_over(start())
        except OSError as error:
            self._end()
            self.on_lost(f"the zygote cannot be started: {error.strerror}; jobs start more slowly")

    def _take_over(self, other: Zygote) -> None:
        """Go on with the connection of a zygote that has just been started."""
        self._sock.close()
        self._connect(other._sock, other.pid, other._popen, other._pidfd)
        self._recipe = other._recipe
        self._tell_keep()
        if self._loop is not None:
            self.attach(self._loop)

    def adopt(self, number: int, pid: int, status: int | None) -> Spawned:
        """A process that another master has asked this zygote for, which has ended if there is a status."""
        spawned = Spawned(self, number, None, None)
        spawned.pid, spawned.status, spawned.kept = pid, status, True
        self._adopts = True
        if status is None:
            self._running[number] = spawned
        return spawned

    def part(self) -> None:
        """Let go of a zygote whose adopted processes have all ended."""
        if self._adopts and self.alive and not self._running:
            self._send({"op": "close"})
            self._end()
            self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether :meth:`on_writable` has something to send."""
        return self.alive and self._writer.pending

    def attach(self, loop: Loop) -> None:
        """Let ``loop`` drive this connection."""
        self._loop = loop
        if self._later is not None or not self.alive:
            return
        self._watch = ReadWatch(loop, self.fileno(), self.on_readable)
        self._watch.start()
        self._watch_writes()

    def detach(self) -> None:
        """Undo :meth:`attach`."""
        if self._watch is not None and self._loop is not None and self._sock.fileno() >= 0:
            self._watch.stop()
            self._loop.remove_writer(self.fileno())
        self._loop = self._watch = None

    def spawn(
        self,
        target: str | None,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: str | None = None,
        fds: Mapping[int, int] | None = None,
        group: bool = True,
        name: str | None = None,
        reuse: bool = False,
        keep: Any = None,
        held: Mapping[str, int] | None = None,
        on_start: Callable[[Spawned], None] | None = None,
        on_exit: Callable[[Spawned], None] | None = None,
    ) -> Spawned:
        """Ask for a process that calls ``target`` (``"pkg.mod:func"``) with ``(argv, env)``; its result is
        the exit code. With ``target`` None it executes ``argv``.

        ``fds`` maps the child's descriptor numbers to ours (``{0: devnull, 1: writer}``); ours are
        duplicated, so the caller closes them whenever it likes. Those not named are the zygote's own.
        ``name`` is shown by ps. With ``reuse`` the process may be one that served such a request before, and
        may serve another one later: for a target that leaves nothing behind in its interpreter. ``keep`` says
        what it is to who goes on with it when we have been killed (see :meth:`keep`), and gets a copy of the
        descriptors ``held``. Failures
        arrive as ``error`` on the result through ``on_exit``; raises OSError (EPIPE) only when the zygote is
        already gone.
        """
        self._begin()
        if not self.alive:
            raise OSError(errno.EPIPE, "the zygote has ended")
        number = self._next_id
        self._next_id += 1
        spawned = Spawned(self, number, on_start, on_exit)
        self._asked[number] = spawned
        fds = fds or {}
        request = {
            "op": "spawn",
            "id": number,
            "target": target,
            "argv": list(argv),
            "env": dict(env),
            "cwd": cwd,
            "fds": list(fds),
            "group": group,
            "reuse": reuse,
            "name": name,
        }
        passed = list(fds.values())
        if keep is not None and self._keeps is not None and held is not None:
            spawned.kept = True
            request |= {"keep": keep, "held": list(held)}
            passed += held.values()
        self._send(request, [os.dup(fd) for fd in passed])
        return spawned

    def keep(self, directory: str, seconds: float) -> None:
        """Let processes that are spawned with ``keep`` outlive us by up to so many seconds."""
        self._keeps = (directory, seconds)
        if self._later is None:
            self._tell_keep()

    def _tell_keep(self) -> None:
        if self._keeps is not None and self.alive:
            self._send({"op": "keep", "directory": self._keeps[0], "seconds": self._keeps[1]})

    def guard(self, pid: int) -> None:
        """End this process, a child of ours that the zygote did not start, when we are gone."""
        self._begin()
        self._guarded.add(pid)
        if self.alive:
            self._send({"op": "guard", "pid": pid})

    def unguard(self, pid: int) -> None:
        """Undo :meth:`guard`; to be called before the child is reaped."""
        self._guarded.discard(pid)
        if self.alive:
            self._send({"op": "unguard", "pid": pid})

    def _kill(self, spawned: Spawned, signum: int, group: bool) -> bool:
        if not self.alive or spawned.pid is None or spawned.ended:
            return False
        self._send({"op": "kill", "id": spawned._number, "signum": int(signum), "group": group})
        return True

    def _send(self, request: dict[str, Any], fds: list[int] | None = None) -> None:
        try:
            self._writer.send(request, fds)
        except OSError as error:
            self._lost(error)
        self._watch_writes()

    def _watch_writes(self) -> None:
        if self._loop is not None and self.wants_write:
            self._loop.add_writer(self.fileno(), self.on_writable)

    def on_writable(self) -> None:
        """Send what the socket could not take before."""
        try:
            done = self._writer.flush()
        except OSError as error:
            self._lost(error)
            return
        if done and self._loop is not None:
            self._loop.remove_writer(self.fileno())

    def on_readable(self) -> None:
        """Take the zygote's answers and notices, and call the callbacks they concern."""
        try:
            frames = self._reader.receive()
        except (OSError, FormatError, _json.JSONDecodeError) as error:
            self._lost(OSError(errno.EPROTO, f"bad answer from the zygote: {error}"))
            return
        for notice, _ in frames:
            self._notice(notice)
        if self._reader.eof:
            self._lost(OSError(errno.EPIPE, "the zygote has ended"))

    def _notice(self, notice: dict[str, Any]) -> None:
        if "exit" in notice:
            spawned = self._running.pop(notice["exit"])
            spawned.status = notice["status"]
            if spawned.on_exit is not None:
                spawned.on_exit(spawned)
            self.part()
            return
        spawned = self._asked.pop(notice["id"])
        if "pid" in notice:
            spawned.pid = notice["pid"]
            self._running[notice["id"]] = spawned
            if spawned.on_start is not None:
                spawned.on_start(spawned)
            return
        spawned.error = OSError(notice["errno"], notice["text"])
        if spawned.on_exit is not None:
            spawned.on_exit(spawned)

    def _lost(self, error: OSError) -> None:
        """The zygote has ended by itself: who waits is told, and a loop that drives it gets another one."""
        if not self.alive:
            return
        loop = self._loop
        waiting = self._end()
        if loop is not None:
            self._replace(loop)
        fail(waiting, error)

    def _end(self) -> list[Spawned]:
        """Stop using the connection; returns those who wait for something."""
        self.detach()
        self.alive = False
        self._writer.close()
        waiting = [*self._asked.values(), *self._running.values()]
        self._asked, self._running = {}, {}
        return waiting

    def _replace(self, loop: Loop) -> None:
        """Start another zygote in place of one that was killed, and leave the same processes in its care."""
        now = time.monotonic()
        self._losses = [then for then in self._losses if now - then < _LOSS_WINDOW] + [now]
        if self._recipe is None or len(self._losses) > _MOST_LOSSES:
            self.on_lost("the zygote has ended too often and is not replaced: jobs start more slowly")
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # it may only have talked nonsense
        self._collect()
        try:
            other = Zygote.start(self._recipe[0], fork=False, grace=self._recipe[1])
        except OSError as error:
            self.on_lost(f"the zygote has ended and cannot be replaced: {error.strerror}")
            return
        self.alive = True
        self._loop = loop
        self._take_over(other)
        for pid in self._guarded:
            self._send({"op": "guard", "pid": pid})
        self.on_lost("the zygote has ended and is replaced; jobs that it was running have failed")

    def wait(self, spawned: Spawned) -> int:
        """Block until ``spawned`` ended and return its wait status; raises OSError if nobody knows it."""
        self._block(lambda: spawned.ended)
        if spawned.error is not None:
            raise spawned.error
        assert spawned.status is not None
        return spawned.status

    def wait_started(self, spawned: Spawned) -> int:
        """Block until ``spawned`` has a pid and return it; raises OSError if it could not be started."""
        self._block(lambda: spawned.pid is not None or spawned.ended)
        if spawned.pid is None:
            raise spawned.error or OSError(errno.EPIPE, "the zygote has ended")
        return spawned.pid

    def _block(self, done: Callable[[], bool]) -> None:
        poller = select.poll()
        while not done():
            poller.register(self._sock, select.POLLIN | (select.POLLOUT if self.wants_write else 0))
            for _, events in poller.poll():
                if events & select.POLLOUT:
                    self.on_writable()
                if events & ~select.POLLOUT:
                    self.on_readable()

    def close(self) -> None:
        """End the zygote and everything it started, and collect it. Blocks for about its grace at most.

        One that keeps processes stays with them."""
        keeps = any(spawned.kept for spawned in self._running.values())
        if self.alive:
            if self._keeps is not None and self._later is None:
                self._send({"op": "close"})
            fail(self._end(), OSError(errno.ECANCELED, "the zygote was closed"))
        self._sock.close() if keeps else self._collect()

    def _collect(self) -> None:
        self._sock.close()
        if self._popen is not None:
            self._popen.wait()
        elif self._pidfd is not None:
            select.select([self._pidfd], [], [])
            os.close(self._pidfd)
            self._pidfd = None
        elif self.pid > 0:
            with contextlib.suppress(ChildProcessError):  # somebody else's waitpid(-1) collected it
                os.waitpid(self.pid, 0)
