# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process behind ``rosin terminus``: it has the terminals, and ends with the last of them."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from rosin.shell.connection import ShellHandle
from rosin.shell.service import ShellService
from rosin.shell.terminus import TerminusServer

if TYPE_CHECKING:
    from rosin.process.spawn import ChildProcess


def start(name: str) -> None:
    """Start the server of a service; it serves when this returns. Raises OSError if it cannot."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        os.setsid()
        os._exit(0 if os.fork() else _daemon(name, writer))
    os.close(writer)
    with open(reader, "rb") as pipe:
        os.waitpid(pid, 0)
        text = pipe.read().decode(errors="replace")
    if text != "ready":
        number, _, why = text.partition(" ")
        raise OSError(int(number or 5), f"Failed to start a new server: {why or 'it has ended at once'}")


def _daemon(name: str, writer: int) -> int:
    """The server's process; its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    writer = os.dup2(writer, 3, inheritable=False)
    os.closerange(4, 4096)
    try:
        h = ShellHandle()
        server = _Server(h, name)
    except OSError as exc:
        os.write(writer, f"{exc.errno or 5} {exc.strerror}".encode())
        return 1
    os.write(writer, b"ready")
    os.close(writer)
    h.on_lost = lambda _exc: h.reactor_stop()
    h.reactor_run()
    server.close()
    h.close()
    return 0


class _Server:
    """Serves until the last session has gone."""

    def __init__(self, h: ShellHandle, name: str) -> None:
        self._h = h
        self._name = name
        h.service_register(name).get()
        self._server = TerminusServer(h, ShellService(h, name), int(h.attr_get("rank")))
        self._server.on_empty = h.reactor_stop
        self._server.on_child = self._watch

    def _watch(self, child: ChildProcess) -> None:
        if child.pidfd is None:  # only where the kernel has none
            self._h.reactor.timer(0.1, lambda: self._look(child), 0.1)
        else:
            self._h.reactor.add_fd(child.pidfd, lambda _events: self._look(child))

    def _look(self, child: ChildProcess) -> None:
        fd = child.pidfd
        if child.poll() is None:
            return
        if fd is not None:
            self._h.reactor.remove_fd(fd)
        assert child.status is not None
        self._server.child_exit(child.pid, child.status)

    def close(self) -> None:
        """Tell clients, those included whose requests came while the last session went."""
        with contextlib.suppress(OSError):  # who would be told has gone with the broker
            self._h.service_unregister(self._name).get()  # after the answer no more can come
            self._h.reactor.timer(0.0, self._h.reactor_stop)
            self._h.reactor_run()
            self._server.close()
