# SPDX-License-Identifier: LGPL-3.0-or-later
"""Zygotes from a process that has everything imported, for another process that may need one later.

The owner of a :class:`Nursery` forks; whoever has the other end of its socket asks for a zygote with a socket
of its own, and gets the zygote's process id, or an errno as a negative number.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from typing import TYPE_CHECKING

from rosin.process import platform
from rosin.process.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWER = struct.Struct("=i")
#: Seconds until a nursery that does not answer is given up.
PATIENCE = 10.0


def ask(sock: socket.socket, preload: list[str]) -> Zygote:
    """A zygote from the nursery at the other end of *sock*; a slower one if that has gone. Raises OSError."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            socket.send_fds(sock, [b"z"], [theirs.fileno()])
        ready, _, _ = select.select([sock], [], [], PATIENCE)
        answer = sock.recv(_ANSWER.size) if ready else b""
        pid = _ANSWER.unpack(answer)[0] if len(answer) == _ANSWER.size else -errno.EPIPE
    except OSError:
        pid = -errno.EPIPE
    if pid <= 0:
        ours.close()
        return Zygote.start(preload, fork=False)
    return Zygote(ours, pid, pidfd=platform.pidfd_open(pid))


class Nursery:
    """Answers on *sock*: ``fork(theirs)`` starts a zygote that serves this socket, and returns its id."""

    def __init__(self, sock: socket.socket, fork: Callable[[socket.socket], int]) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._fork = fork

    def readable(self) -> bool:
        """Serve a request; False when nobody asks any more."""
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 1, 1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for fd in fds:
            with socket.socket(fileno=fd) as theirs, contextlib.suppress(OSError):
                self.sock.send(_ANSWER.pack(self._start(theirs)))
        return bool(data)

    def _start(self, theirs: socket.socket) -> int:
        try:
            return self._fork(theirs)
        except OSError as exc:
            return -(exc.errno or errno.EAGAIN)

    def close(self) -> None:
        """Serve no more."""
        self.sock.close()
