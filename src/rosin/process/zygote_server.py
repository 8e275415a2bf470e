# SPDX-License-Identifier: LGPL-3.0-or-later
"""The zygote: a small process with the wanted modules imported, which forks a copy of itself per request.

A fork costs a fraction of an interpreter's start. The zygote is also the guardian of what it started: it is
a child subreaper, so whatever a dead child leaves behind becomes the zygote's child and is ended; and when
its own socket closes, because its master ended however suddenly, it ends everything below it and exits.

Requests (frames, see :mod:`rosin.process.frames`):

- ``{"op":"spawn","id":N,"target":"pkg.mod:func"|null,"argv":[...],"env":{...},"cwd":PATH|null,
  "fds":[numbers],"group":bool}`` with one attached descriptor per number in ``fds``; answered
  ``{"id":N,"pid":P}`` or ``{"id":N,"errno":E,"text":...}``, and after the end
  ``{"exit":P,"status":WAITSTATUS}``. Without a target the child executes ``argv`` instead.
- ``{"op":"kill","pid":P,"signum":S,"group":bool}``: no answer; never reaches a process that is reaped.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from rosin import _json
from rosin.errors import FormatError
from rosin.process import platform
from rosin.process.frames import FrameReader, FrameWriter

#: Seconds between SIGTERM and SIGKILL for what has to go.
GRACE = 2.0


class Server:
    """The zygote's loop over ``sock``; one thread, no event loop library."""

    def __init__(self, sock: socket.socket, grace: float = GRACE) -> None:
        self._sock = sock
        self._reader = FrameReader(sock)
        self._writer = FrameWriter(sock)
        self._grace = grace
        self._children: dict[int, bool] = {}  # pid -> leads a process group
        self._strays: dict[int, float] = {}  # orphan -> when SIGKILL follows
        self._closing = False
        self._pid = os.getpid()
        self._wake_r, self._wake_w = os.pipe()

    def serve(self) -> None:
        """Run until the master's end of the socket is closed and nothing is left below this process."""
        for fd in (self._wake_r, self._wake_w):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        self._sock.setblocking(False)
        poller = select.poll()
        poller.register(self._wake_r, select.POLLIN)
        while not (self._closing and not self._children and not self._strays and not self._sweep()):
            if not self._closing:
                poller.register(self._sock, select.POLLIN | (select.POLLOUT if self._writer.pending else 0))
            ready = dict(poller.poll(self._timeout()))
            if self._wake_r in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_r, 4096)
            self._reap()
            if not self._closing and self._sock.fileno() in ready:
                self._exchange()
                if self._closing:
                    poller.unregister(self._sock)
                    self._end_everything()
            self._kill_overdue()

    def _timeout(self) -> int | None:
        if not self._strays:
            return None
        return max(0, int((min(self._strays.values()) - time.monotonic()) * 1000) + 1)

    # --- the socket

    def _exchange(self) -> None:
        try:
            frames = self._reader.receive()
            for request, fds in frames:
                if request["op"] == "spawn":
                    self._spawn(request, fds)
                else:
                    self._kill(request)
            self._writer.flush()
            self._closing = self._reader.eof
        except (OSError, FormatError, _json.JSONDecodeError, KeyError):
            self._closing = True

    def _send(self, obj: dict[str, Any]) -> None:
        if self._closing:
            return
        try:
            self._writer.send(obj)
        except OSError:  # the master is going; end of file follows on the next turn
            self._writer.close()

    def _spawn(self, request: dict[str, Any], fds: list[int]) -> None:
        try:
            if len(fds) != len(request["fds"]):
                raise OSError(errno.EBADF, "descriptors were lost on the way to the zygote")
            pid = os.fork()
        except OSError as error:
            for fd in fds:
                os.close(fd)
            self._send({"id": request["id"], "errno": error.errno, "text": error.strerror})
            return
        if pid == 0:
            self._become(request, fds)
        group = bool(request.get("group", True))
        if group:
            with contextlib.suppress(OSError):  # the child does it too: whoever comes first
                os.setpgid(pid, pid)
        for fd in fds:
            os.close(fd)
        self._children[pid] = group
        self._send({"id": request["id"], "pid": pid})

    def _kill(self, request: dict[str, Any]) -> None:
        pid = request["pid"]
        if pid in self._children:
            _signal(pid, request["signum"], self._children[pid] and request.get("group", True))

    # --- the child's side of a spawn

    def _become(self, request: dict[str, Any], fds: list[int]) -> NoReturn:
        """Turn this fresh fork into the wanted program. Never returns to the server's loop."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for signum in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, signal.SIG_DFL)
            if request.get("group", True):
                os.setpgid(0, 0)
            platform.set_parent_death_signal(signal.SIGTERM)
            if os.getppid() != self._pid:  # it died before we asked to be told
                os._exit(1)
            self._sock.close()
            os.close(self._wake_r)
            os.close(self._wake_w)
            _install_fds(fds, request["fds"])
            if request.get("cwd"):
                os.chdir(request["cwd"])
            _set_environment(request["env"])
            code = _run(request)
        except SystemExit as end:
            code = _exit_code(end)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

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
            if self._children.pop(pid, None) is not None:
                self._send({"exit": pid, "status": status})
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
                _signal(pid, signal.SIGTERM, group=_group_of(pid) == pid)
        return found

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, deadline in list(self._strays.items()):
            if deadline <= now:
                self._strays[pid] = now + self._grace
                for victim in (pid, *platform.descendants(pid)):
                    _signal(victim, signal.SIGKILL, group=False)

    def _end_everything(self) -> None:
        """The master is gone: SIGTERM to all below at once, SIGKILL after the grace."""
        self._sock.close()
        deadline = time.monotonic() + self._grace
        for pid in platform.descendants(os.getpid()):
            _signal(pid, signal.SIGTERM, group=False)
        for pid, group in self._children.items():
            self._strays[pid] = deadline
            _signal(pid, signal.SIGTERM, group)
        self._children.clear()


def _signal(pid: int, signum: int, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _install_fds(fds: list[int], numbers: list[int]) -> None:
    """Give each received descriptor its wanted number, also when the two ranges overlap."""
    import fcntl

    floor = max([2, *numbers]) + 1
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(moved, numbers, strict=True):
        os.dup2(fd, number, inheritable=True)
        os.close(fd)


def _set_environment(env: dict[str, str]) -> None:
    """Make ``env`` the environment; most of it usually is already, and each change costs the fork memory."""
    current = os.environ
    for name in [name for name in current if name not in env]:
        del current[name]
    for name, value in env.items():
        if current.get(name) != value:
            current[name] = value


def _run(request: dict[str, Any]) -> int:
    argv: list[str] = request["argv"]
    if request["target"] is None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; programs expect it
        try:
            os.execvpe(argv[0], argv, request["env"])
        except OSError as error:
            print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
            return 127 if error.errno == errno.ENOENT else 126
    module_name, _, function_name = request["target"].partition(":")
    sys.argv = list(argv)
    platform.set_process_name(request.get("name") or "rosin-child")
    function: Callable[[list[str], dict[str, str]], int | None] = getattr(
        importlib.import_module(module_name), function_name
    )
    return function(argv, request["env"]) or 0


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def run(sock: socket.socket, preload: list[str], grace: float = GRACE) -> None:
    """Import ``preload``, freeze the heap (a fork then copies no page for the collector's sake), serve."""
    platform.set_process_name("rosin-zygote")
    platform.set_child_subreaper()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # it ends when its master does, not with the terminal
    for name in preload:
        module_name, _, function_name = name.partition(":")
        module = importlib.import_module(module_name)
        if function_name:
            getattr(module, function_name)()
    gc.collect()
    gc.freeze()
    Server(sock, grace).serve()


def main() -> None:
    """``python -m rosin.process.zygote_server FD GRACE [MODULE[:FUNCTION] ...]``"""
    run(socket.socket(fileno=int(sys.argv[1])), sys.argv[3:], float(sys.argv[2]))


if __name__ == "__main__":
    main()
