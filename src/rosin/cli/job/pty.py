# SPDX-License-Identifier: LGPL-3.0-or-later
"""A terminal attached to the pseudo-terminal of a job (shell option ``pty``)."""

from __future__ import annotations

import errno
import os
import signal
import sys
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Any

from rosin.cli.job.output import write_all
from rosin.constants import FLUX_RPC_STREAMING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

_DETACH_KEY = b"\x1d"  # Ctrl-]


def _window_size() -> dict[str, int]:
    try:
        columns, rows = os.get_terminal_size(0)
    except OSError:
        columns, rows = 80, 25
    # A terminal that does not know its size says 0, which the job shell refuses.
    return {"rows": rows or 25, "cols": columns or 80}


class PtyClient:
    """Copies between this terminal and the job's.

    ``ended(attached, status)`` is called once, when the job's terminal has gone or could not be had. Ctrl-]
    detaches.
    """

    def __init__(self, handle: Flux, topic: str, rank: int, ended: Callable[[bool, int], None]) -> None:
        self._handle = handle
        self._topic = topic
        self._rank = rank
        self._ended = ended
        self._attached = False
        self._closed = False
        self._saved: list[Any] | None = None
        request = {"type": "attach", "mode": "rw", "winsize": _window_size()}
        self._rpc = handle.rpc(topic, request, rank, FLUX_RPC_STREAMING).then(self._arrived)

    def job_finished(self) -> None:
        """The job is over: an attempt to attach that has not succeeded will not."""
        if not self._attached and not self._closed:
            self._end(0)

    def close(self) -> None:
        """Restore the terminal."""
        if self._closed:
            return
        self._closed = True
        reactor = self._handle.reactor
        if self._attached:
            reactor.remove_fd(0)
            reactor.remove_signal(signal.SIGWINCH)
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)

    def _end(self, status: int, text: str | None = None) -> None:
        if self._closed:
            return
        attached = self._attached
        if attached:
            write_all(1, f"\033[999H[detached: {text or 'unknown reason'}]\033[K\n\r".encode())
        self.close()
        self._ended(attached, status)

    def _arrived(self, rpc: RPC) -> None:
        try:
            while rpc.is_ready() and not self._closed:
                message = rpc.get()
                rpc.reset()
                self._take(message)
        except OSError as exc:
            self._end(1, "No such session" if exc.errno == errno.ENOSYS else exc.strerror)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "attach":
            self._start()
        elif kind == "data":
            data = message["data"]
            write_all(1, a2b_base64(data) if message.get("encoding") == "base64" else data.encode())
        elif kind == "exit":
            self._end(message.get("status", 1), message.get("message"))

    def _start(self) -> None:
        """The job's terminal answers: make ours raw and begin to copy."""
        self._attached = True
        sys.stderr.flush()
        if os.isatty(0):
            import termios
            import tty

            self._saved = termios.tcgetattr(0)
            tty.setraw(0)
        self._handle.reactor.add_fd(0, self._readable)
        self._handle.reactor.add_signal(signal.SIGWINCH, self._resized)

    def _send(self, message: dict[str, Any]) -> None:
        self._handle.rpc(self._topic, message, self._rank).then(self._answered)

    def _answered(self, rpc: RPC) -> None:
        try:
            rpc.get()
        except OSError:
            self._end(1, "remote pty disappeared")

    def _resized(self, _signum: int) -> None:
        self._send({"type": "resize", "winsize": _window_size()})

    def _readable(self, _revents: int) -> None:
        data = os.read(0, 4096)
        if not data:
            self._handle.reactor.remove_fd(0)
        elif data[:1] == _DETACH_KEY:
            self._send({"type": "detach"})
        else:
            self._send(_encoded(data))


def _encoded(data: bytes) -> dict[str, str]:
    try:
        return {"type": "data", "data": data.decode()}
    except UnicodeDecodeError:
        return {"type": "data", "data": b2a_base64(data, newline=False).decode(), "encoding": "base64"}
