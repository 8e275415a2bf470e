# SPDX-License-Identifier: LGPL-3.0-or-later
"""A terminal attached to the pseudo-terminal of a job (shell option ``pty``)."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.job.output import write_all
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.job import ptydata

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.handle.reactor import Timer
    from rosin.handle.rpc import RPC

_DETACH_KEY = b"\x1c"  # Control-Backslash, as in flux-core
_CLEAR = b"\033[2J\033[;H"
_SHOW_CURSOR = b"\033[?25h"
#: Seconds between two looks whether the job's terminal still exists, since a job shell may be killed.
_KEEPALIVE = 1.0
#: Bytes that may be unanswered before reading pauses, so that a program holds back what is pasted into it.
_WINDOW = 1 << 16


def _window_size() -> dict[str, int]:
    try:
        columns, rows = os.get_terminal_size(0)
    except OSError:
        columns, rows = 80, 25
    # A terminal that does not know its size says 0, which the job shell refuses.
    return {"rows": rows or 25, "cols": columns or 80}


class PtyClient:
    """Copies between this terminal and the job's.

    ``ended(attached, status)`` is called once, when the job's terminal has gone or could not be had. The
    key Control-Backslash detaches.
    """

    def __init__(
        self, handle: Flux, topic: str, rank: int, ended: Callable[[bool, int], None], clear: bool = False
    ) -> None:
        """``clear``: the terminal is cleared first."""
        #: Called when the job's terminal has answered, before what it says is shown.
        self.on_attached: Callable[[], None] | None = None
        #: Why the job's terminal could not be had, or has gone.
        self.reason = ""
        self._clear = clear
        self._handle = handle
        self._topic = topic
        self._rank = rank
        self._ended = ended
        #: The job's terminal has answered.
        self.attached = False
        self._closed = False
        self._saved: list[Any] | None = None
        self._timer: Timer | None = None
        self._pending = 0
        self._reading = False
        self._input_ended = False
        request = {"type": "attach", "mode": "rw", "winsize": _window_size()}
        self._rpc = handle.rpc(topic, request, rank, FLUX_RPC_STREAMING).then(self._arrived)

    def job_finished(self) -> None:
        """Nothing more will happen to the job: an attempt to attach that has not succeeded will not."""
        if not self.attached and not self._closed:
            self._end(0)

    def close(self) -> None:
        """Restore the terminal."""
        if self._closed:
            return
        self._closed = True
        reactor = self._handle.reactor
        self._read(False)
        if self._timer is not None:
            self._timer.cancel()
            reactor.remove_signal(signal.SIGWINCH)
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
            write_all(1, _SHOW_CURSOR)

    def _end(self, status: int, text: str | None = None) -> None:
        if self._closed:
            return
        attached = self.attached
        self.reason = text or "unknown reason"
        if attached:
            write_all(1, f"\033[999H[detached: {self.reason}]\033[K\n\r".encode())
        self.close()
        self._ended(attached, status)

    def _arrived(self, rpc: RPC) -> None:
        try:
            while rpc.is_ready() and not self._closed:
                message = rpc.get()
                rpc.reset()
                self._take(message)
        except BrokenPipeError:
            raise
        except OSError as exc:
            self._end(1, "No such session" if exc.errno == errno.ENOSYS else exc.strerror)
        except FormatError as exc:
            self._end(1, str(exc))

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "attach":
            self._start()
        elif kind == "data":
            write_all(1, ptydata.decode(message))
        elif kind == "exit":
            self._end(message.get("status", 1), message.get("message"))

    def _start(self) -> None:
        """The job's terminal answers: make ours raw and begin to copy."""
        self.attached = True
        if self.on_attached is not None:
            self.on_attached()
        sys.stderr.flush()
        if self._clear:
            write_all(1, _CLEAR)
        if os.isatty(0):
            import termios
            import tty

            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)  # and keep what was typed ahead
        reactor = self._handle.reactor
        # A closed standard input is none; its descriptor may be our socket by now.
        self._input_ended = sys.stdin is None
        self._read(not self._input_ended)
        reactor.add_signal(signal.SIGWINCH, self._resized)
        self._timer = reactor.timer(_KEEPALIVE, lambda: self._send(ptydata.encode(b"")), _KEEPALIVE)

    def _read(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._handle.reactor.add_fd(0, self._readable)
            else:
                self._handle.reactor.remove_fd(0)

    def _send(self, message: dict[str, Any]) -> None:
        self._handle.rpc(self._topic, message, self._rank).then(self._answered, 0)

    def _type(self, data: bytes) -> None:
        self._pending += len(data)
        if self._pending >= _WINDOW:
            self._read(False)
        rpc = self._handle.rpc(self._topic, ptydata.encode(data), self._rank)
        rpc.then(self._answered, len(data))

    def _answered(self, rpc: RPC, size: int) -> None:
        self._pending -= size
        try:
            rpc.get()
        except OSError as exc:
            gone = exc.errno == errno.ENOSYS
            self._end(1, "remote pty disappeared" if gone else "error writing to remote pty")
            return
        if self._pending < _WINDOW and not self._closed and not self._input_ended:
            self._read(True)

    def _resized(self, _signum: int) -> None:
        self._send({"type": "resize", "winsize": _window_size()})

    def _readable(self, _revents: int) -> None:
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # the terminal is gone, or this is not its foreground job any more
        if not data:
            self._input_ended = True
            self._read(False)
        elif data[:1] == _DETACH_KEY:
            self._send({"type": "detach"})
        else:
            self._type(data)
