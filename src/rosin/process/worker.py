# SPDX-License-Identifier: LGPL-3.0-or-later
"""The zygote's child: it becomes what was asked for, and may serve again afterwards.

A fork is followed by a page fault for everything that it touches, which costs more than a short target does
itself. So a child whose target allows that (``"reuse"`` in the request) puts its process back into the state
in which it found it, reports the exit code over its channel, and waits there for the next request. It ends
instead, as any process does, when that is not possible: children are left, a hard limit was lowered, an
exception got through, or its memory has grown.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from rosin.process import platform, signals
from rosin.process.frames import ZygoteReader
from rosin.process.outcome import exit_code, unstarted

#: A child whose memory has grown by more than this (KiB) does not serve again.
MAX_GROWTH = 32 << 10
#: New objects after which a waiting child looks for garbage.
GARBAGE = 20_000
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
#: Signals that a zygote keeps from itself by blocking them.
WITHHELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def reusable(request: dict[str, Any]) -> bool:
    """Whether the child for this request may serve another one, and may be one that has served before."""
    return bool(
        request["reuse"] and request["target"] and request["group"] and sorted(request["fds"]) == [0, 1, 2]
    )


def be_child(parent: int, channel: socket.socket | None, request: dict[str, Any], fds: list[int]) -> NoReturn:
    """Turn this fresh fork of ``parent`` into the wanted program; the zygote's descriptors are closed.

    With a ``channel`` it serves again as long as it can."""
    code = 1
    try:
        _default_signals()
        _unblock()
        if request["group"]:
            os.setpgid(0, 0)
        platform.set_parent_death_signal(signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)
        code = _serve(request, fds) if channel is None else _serve_on(parent, channel, request, fds)
    except SystemExit as end:
        code = _exit_code(end)
    except KeyboardInterrupt:
        code = exit_code(signal.SIGINT)  # somebody wants it to end: there is nothing to explain
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _serve_on(parent: int, channel: socket.socket, request: dict[str, Any], fds: list[int]) -> int:
    """Serve one request after the other; the exit code of the one that must be the last."""
    origin, reader = _Origin(parent, channel), ZygoteReader(channel)
    code = _serve(request, fds)
    while origin.restore():
        # Until the exit code is sent, no signal may put another in its place: the zygote reads it even of a
        # process that has ended.
        channel.send(bytes((code & 0xFF,)))
        _unblock()
        if gc.get_count()[0] > GARBAGE:
            gc.collect()
        code = _serve(*_next(reader))
    return code


def _next(reader: ZygoteReader) -> tuple[dict[str, Any], list[int]]:
    while not reader.eof:
        for frame in reader.receive():
            return frame
    raise SystemExit(0)


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    signals.set_defaults()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a target may have something to clean up
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in any Python program


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _Origin:
    """The state of this process before its first target: what :meth:`restore` brings back."""

    def __init__(self, parent: int, channel: socket.socket) -> None:
        self._parent = parent
        self._channel = channel.fileno()
        self._directory = os.open(".", os.O_PATH | os.O_CLOEXEC)
        self._cpus = os.sched_getaffinity(0)
        self._limits = [resource.getrlimit(number) for number in _LIMITS]
        self._memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def restore(self) -> bool:
        """Put everything back that a target may have changed, with all signals blocked.

        False when this process had better end."""
        if os.getppid() != self._parent or platform.children(os.getpid()):
            return False
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > self._memory + MAX_GROWTH:
            return False
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip(_LIMITS, self._limits, strict=True):
            now = resource.getrlimit(number)
            if now[1] != before[1]:
                return False
            if now != before:
                resource.setrlimit(number, before)
        if os.sched_getaffinity(0) != self._cpus:
            os.sched_setaffinity(0, self._cpus)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if signal.sigpending():  # it would end this process with the next request in hand
            return False
        _default_signals()
        os.umask(self._umask)
        os.fchdir(self._directory)
        self._close_descriptors()
        platform.set_process_name("rosin-idle")
        return True

    def _close_descriptors(self) -> None:
        kept = sorted((self._channel, self._directory))
        for first, last in zip((3, kept[0] + 1, kept[1] + 1), (*kept, 1 << 16), strict=True):
            os.closerange(first, last)
        devnull = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(devnull, number)
        os.close(devnull)


def _serve(request: dict[str, Any], fds: list[int]) -> int:
    _install_fds(fds, request["fds"])
    if request.get("cwd"):
        os.chdir(request["cwd"])
    _set_environment(request["env"])
    return _run(request)


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
        for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; programs expect them
            signal.signal(signum, signal.SIG_DFL)
        try:
            os.execvpe(argv[0], argv, request["env"])
        except OSError as error:
            print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
            return unstarted(error.errno, 126)
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
