# SPDX-License-Identifier: LGPL-3.0-or-later
"""The zygote: a small process with the wanted modules imported, which forks a copy of itself per request.

A fork costs a fraction of an interpreter's start, and a child that is free to serve again
(:mod:`rosin.process.worker`) saves even that. The zygote is also the guardian of what it started: it is
a child subreaper, so whatever a dead child leaves behind becomes the zygote's child and is ended; and when
its own socket closes, because its master ended however suddenly, it ends everything below it, and what the
master started itself and left in its care (:mod:`rosin.process.guard`), and exits.

Requests (frames, see :mod:`rosin.process.frames`):

- ``{"op":"spawn","id":N,"target":"pkg.mod:func"|null,"argv":[...],"env":{...},"cwd":PATH|null,
  "fds":[numbers],"group":bool,"reuse":bool,"name":TEXT|null}`` with one attached descriptor per number in
  ``fds``; answered ``{"id":N,"pid":P}`` or ``{"id":N,"errno":E,"text":...}``, and after the end
  ``{"exit":N,"status":WAITSTATUS}``. Without a target the child executes ``argv`` instead.
- ``{"op":"kill","id":N,"signum":S,"group":bool}``: no answer; never reaches a process that is reaped, or
  that serves another request by now.
- ``{"op":"guard","pid":P}``, ``{"op":"unguard","pid":P}``: no answer; a process of the master's own, from its
  start until before it is reaped.
- ``{"op":"keep", ...}``, ``{"op":"close"}``: no answer; see :mod:`rosin.process.keeping`.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import math
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.process import platform, signals
from rosin.process.forked import Forked
from rosin.process.frames import ZygoteReader, ZygoteWriter
from rosin.process.frames import encode as encode_frame
from rosin.process.guard import Guard
from rosin.process.keeping import Keeping, KeptChild
from rosin.process.outcome import exited
from rosin.process.worker import WITHHELD, be_child, reusable

#: Free children that are kept for later requests.
MAX_FREE = 16
#: A longer request goes to a fresh fork: it might not fit a channel's buffer, where sending must not block.
MAX_PASSED = 1 << 16
#: Seconds between SIGTERM and SIGKILL for what has to go.
GRACE = 2.0
#: How often SIGKILL is sent, a grace apart, before this process ends all the same: what sleeps in the kernel
#: or belongs to another user may never go.
KILLS = 5


class ZygoteServer:
    """The zygote's loop over ``sock``; one thread, no event loop library."""

    def __init__(self, sock: socket.socket, grace: float = GRACE) -> None:
        self._sock = sock
        self._reader = ZygoteReader(sock)
        self._writer = ZygoteWriter(sock)
        self._grace = grace
        self._children: dict[int, Forked] = {}  # by pid
        self._serving: dict[int, Forked] = {}  # by request
        self._channels: dict[int, Forked] = {}  # by descriptor
        self._free: list[Forked] = []
        self._strays: dict[int, float] = {}  # orphan -> when SIGKILL follows
        self._guard = Guard()
        self._guard_due = 0.0  # when SIGKILL follows for what is guarded
        self._closing = False
        self._keeping: Keeping | None = None
        self._give_up = math.inf  # when to end although something is left
        self._pid = os.getpid()
        self._wake_r, self._wake_w = os.pipe()
        self._poller = select.poll()

    def serve(self) -> None:
        """Run until the master's end of the socket is closed and nothing is left below this process."""
        for fd in (self._wake_r, self._wake_w):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        self._sock.setblocking(False)
        poller = self._poller
        poller.register(self._wake_r, select.POLLIN)
        while not (self._closing and self._nothing_left()):
            if self._has_master:
                poller.register(self._sock, select.POLLIN | (select.POLLOUT if self._writer.pending else 0))
            ready = dict(poller.poll(self._timeout()))
            if self._wake_r in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_r, 4096)
            for fd in ready:
                if fd in self._channels:
                    self._answered(self._channels[fd])
            self._reap()
            if self._has_master and self._sock.fileno() in ready:
                self._exchange()
                if self._closing:
                    self._master_gone()
            elif self._keeping is not None and not self._has_master and not self._closing:
                self._wait_for_master(self._keeping)
            self._kill_overdue()

    @property
    def _has_master(self) -> bool:
        return not (self._closing or (self._keeping and self._keeping.deadline))

    def _nothing_left(self) -> bool:
        if time.monotonic() >= self._give_up:
            left = " ".join(map(str, [*self._strays, *self._guard.pids]))
            print(f"rosin-zygote: not ended by SIGKILL: {left}", file=sys.stderr)
            return True
        return not (self._children or self._strays or self._guard.busy or self._sweep())

    def _timeout(self) -> int | None:
        deadlines = list(self._strays.values())
        if self._guard.busy:
            deadlines.append(self._guard_due)
        if self._keeping is not None and self._keeping.deadline is not None and not self._closing:
            deadlines.append(self._keeping.next_look())
        if not deadlines:
            return None
        return max(0, int((min(deadlines) - time.monotonic()) * 1000) + 1)

    # --- the socket

    def _exchange(self) -> None:
        try:
            frames = self._reader.receive()
            for request, fds in frames:
                if request["op"] == "spawn":
                    self._spawn(request, fds)
                elif request["op"] in ("guard", "unguard"):
                    (self._guard.add if request["op"] == "guard" else self._guard.remove)(request["pid"])
                elif request["op"] == "keep":
                    self._keeping = Keeping.at(request["directory"], request["seconds"])
                elif request["op"] == "close":
                    self._keeping = self._keeping and self._keeping.without_ended()
                else:
                    self._kill(request)
            self._writer.flush()
            self._closing = self._reader.eof
        except (OSError, FormatError, _json.JSONDecodeError, KeyError):
            self._closing = True

    def _send(self, obj: dict[str, Any]) -> None:
        if not self._has_master:
            return
        try:
            self._writer.send(obj)
        except OSError:  # the master is going; end of file follows on the next turn
            self._writer.close()

    def _spawn(self, request: dict[str, Any], fds: list[int]) -> None:
        kept: list[int] = []
        held: list[str] = request.get("held") or []
        try:
            if len(fds) != len(request["fds"]) + len(held):
                raise OSError(errno.EBADF, "descriptors were lost on the way to the zygote")
            kept, fds = fds[len(request["fds"]) :], fds[: len(request["fds"])]
            again = reusable(request)
            child = (self._pass_on(request, fds) if again else None) or self._fork(request, fds, kept, again)
        except OSError as error:
            self._send({"id": request["id"], "errno": error.errno, "text": error.strerror})
        else:
            self._serving[child.id] = child
            if self._keeping is not None and request.get("keep") is not None:
                self._keeping.add(KeptChild(child.id, child.pid, request["keep"], held, kept))
                kept = []
            self._send({"id": child.id, "pid": child.pid})
        finally:
            for fd in (*fds, *kept):
                os.close(fd)

    def _pass_on(self, request: dict[str, Any], fds: list[int]) -> Forked | None:
        """Give a request to a child that is free; None if there is none (any more)."""
        frame = encode_frame(request, len(fds))
        while self._free and len(frame) <= MAX_PASSED:
            child = self._free.pop()
            assert child.channel is not None
            try:
                socket.send_fds(child.channel, [frame], fds)
            except OSError:  # it has just ended, and will be collected
                continue
            child.id = request["id"]
            return child
        return None

    def _fork(self, request: dict[str, Any], fds: list[int], kept: list[int], again: bool) -> Forked:
        ours, theirs = socket.socketpair() if again else (None, None)
        pid = os.fork()
        if pid == 0:
            for channel in (self._sock, ours, *(child.channel for child in self._channels.values())):
                if channel is not None:
                    channel.close()
            os.close(self._wake_r)
            os.close(self._wake_w)
            if self._keeping is not None:
                self._keeping.disown()
            for fd in kept:
                os.close(fd)
            be_child(self._pid, theirs, request, fds)
        child = self._children[pid] = Forked(pid, request["id"], bool(request["group"]), ours)
        if theirs is not None and ours is not None:
            theirs.close()
            self._channels[ours.fileno()] = child
            self._poller.register(ours, select.POLLIN)
        if child.group:
            with contextlib.suppress(OSError):  # the child does it too: whoever comes first
                os.setpgid(pid, pid)
        return child

    def _answered(self, child: Forked) -> None:
        """A child has done what it was asked for and can serve again, or it has ended."""
        assert child.channel is not None
        try:
            code = child.channel.recv(1)
        except ConnectionResetError:
            code = b""
        if not code:
            self._close_channel(child)
            return
        del self._serving[child.id]
        self._ended(child.id, exited(code[0]))
        child.id = 0
        # A signal that came late may still end it, and the next request must not have to do with that.
        if self._has_master and len(self._free) < MAX_FREE and not child.signalled:
            self._free.append(child)
        else:
            self._close_channel(child)  # at which it ends
        self._sweep()

    def _ended(self, number: int, status: int) -> None:
        self._send({"exit": number, "status": status})
        if self._keeping is not None:
            self._keeping.ended(number, status)

    def _close_channel(self, child: Forked) -> None:
        if child.channel is not None:
            self._poller.unregister(child.channel)
            del self._channels[child.channel.fileno()]
            child.channel.close()
            child.channel = None

    def _kill(self, request: dict[str, Any]) -> None:
        child = self._serving.get(request["id"])
        if child is not None:
            child.signalled = True
            _signal(child.pid, request["signum"], child.group and request.get("group", True))

    # --- the end of children and of what they leave behind

    def _reap(self) -> None:
        gone = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            gone = True
            self._strays.pop(pid, None)
            child = self._children.pop(pid, None)
            if child is None:
                continue
            status = child.reported(status)
            self._close_channel(child)
            if child in self._free:
                self._free.remove(child)
            if self._serving.pop(child.id, None) is not None:
                self._ended(child.id, status)
        if gone:
            self._sweep()

    def _sweep(self) -> bool:
        """Begin to end children that this process did not start: a dead child's descendants."""
        mine = os.getpid()
        found = False
        for pid in platform.children(mine):
            if pid not in self._children and pid not in self._strays:
                found = True
                self._strays[pid] = time.monotonic() + self._grace
                _signal(pid, signal.SIGTERM, group=platform.group_of(pid) == pid)
        return found

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, deadline in list(self._strays.items()):
            if deadline <= now:
                self._strays[pid] = now + self._grace
                for victim in (pid, *platform.descendants(pid)):
                    _signal(victim, signal.SIGKILL, group=False)
        if self._guard.busy:
            for fd in self._guard.collect():
                self._poller.unregister(fd)
            if self._guard.busy and self._guard_due <= now:
                self._end_guarded(signal.SIGKILL)

    def _end_guarded(self, signum: int) -> None:
        """Signal what the master has left in this process's care; SIGKILL follows after the grace."""
        self._guard_due = time.monotonic() + self._grace
        self._guard.end(signum)
        for fd in self._guard.fds:
            self._poller.register(fd, select.POLLIN)

    def _master_gone(self) -> None:
        """End everything, but for what the next master may go on with."""
        self._poller.unregister(self._sock)
        keeping = self._keeping
        if keeping is None or not keeping.wanted:
            self._end_everything()
            return
        self._closing = False
        self._disconnect()
        keeping.begin()
        self._poller.register(keeping.listener, select.POLLIN)
        self._end_guarded(signal.SIGTERM)
        while self._free:
            self._close_channel(self._free.pop())  # at which it ends
        for pid, child in self._children.items():
            if child.id and child.id not in keeping.children:
                self._strays[pid] = time.monotonic() + self._grace
                _signal(pid, signal.SIGTERM, child.group)

    def _disconnect(self) -> None:
        self._sock.close()
        self._reader.close()
        self._writer.close()

    def _wait_for_master(self, keeping: Keeping) -> None:
        """Take the next master, or end everything when none has come in time."""
        if (sock := keeping.admit()) is not None:
            self._poller.unregister(keeping.listener)
            self._sock, self._reader, self._writer = sock, ZygoteReader(sock), ZygoteWriter(sock)
            with contextlib.suppress(OSError):  # it has gone already: end of file follows on the next turn
                for frame, fds in keeping.account():
                    self._writer.send(frame, fds)
        elif keeping.over():
            self._closing = True
            self._end_everything()

    def _end_everything(self) -> None:
        """The master is gone: SIGTERM to all below at once, SIGKILL after the grace."""
        self._disconnect()
        if self._keeping is not None:
            self._keeping.close()
        deadline = time.monotonic() + self._grace
        self._give_up = deadline + KILLS * self._grace
        self._end_guarded(signal.SIGTERM)
        for pid in platform.descendants(os.getpid()):
            _signal(pid, signal.SIGTERM, group=False)
        for child in self._children.values():
            self._close_channel(child)
            self._strays[child.pid] = deadline
            _signal(child.pid, signal.SIGTERM, child.group)
        self._children, self._serving, self._free = {}, {}, []


def _signal(pid: int, signum: int, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)


def run(sock: socket.socket, preload: list[str], grace: float = GRACE) -> None:
    """Import ``preload``, freeze the heap (a fork then copies no page for the collector's sake), serve."""
    platform.set_process_name("rosin-zygote")
    platform.set_child_subreaper()
    # It ends when its master does, not with the terminal. Blocked and not ignored: a signal for a child that
    # has not come to its senses yet waits for it.
    signals.set_defaults()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, WITHHELD)
    for name in preload:
        module_name, _, function_name = name.partition(":")
        module = importlib.import_module(module_name)
        if function_name:
            getattr(module, function_name)()
    gc.collect()
    gc.freeze()
    ZygoteServer(sock, grace).serve()


def main() -> None:
    """``python -m rosin.process.zygote_server FD GRACE [MODULE[:FUNCTION] ...]``"""
    run(socket.socket(fileno=int(sys.argv[1])), sys.argv[3:], float(sys.argv[2]))


if __name__ == "__main__":
    main()
