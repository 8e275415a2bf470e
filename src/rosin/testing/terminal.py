# SPDX-License-Identifier: LGPL-3.0-or-later
"""A program on a pseudo terminal, for tests of what a user sees and types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

from rosin.process.outcome import exit_code

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = 30.0


class Terminal:
    """``argv`` runs in a terminal of its own; a context manager that leaves nothing behind.

    ``seen`` is all that it has written so far.
    """

    def __init__(
        self, *argv: str, env: dict[str, str] | None = None, rows: int = 30, columns: int = 100
    ) -> None:
        self.argv = argv
        self.env = dict(os.environ) if env is None else env
        self.size = rows, columns
        self.seen = ""
        self._position = 0
        self._status: int | None = None

    def __enter__(self) -> Terminal:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *self.size, 0, 0))
                os.execvpe(self.argv[0], self.argv, {**self.env, "PYTHONFAULTHANDLER": "1"})
            finally:
                os._exit(127)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: str) -> str:
        """Wait until ``text`` is written, behind what was expected before; returns what came with it."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.seen.find(text, self._position)) < 0:
            if not self._read(deadline):
                rest = self.seen[self._position :]
                raise AssertionError(f"{text!r} did not come; there is {rest!r}; {self._state(deadline)}")
        start, self._position = self._position, found + len(text)
        return self.seen[start : self._position]

    def wait(self) -> int:
        """Wait for the end of the program, and of what it writes; returns its exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline):
            pass
        if time.monotonic() >= deadline:
            raise AssertionError(f"it wrote {self.seen!r}; {self._state(deadline)}")
        self._status = os.waitpid(self.pid, 0)[1]
        return exit_code(self._status)

    def _state(self, deadline: float) -> str:
        """What the program does, for who has waited in vain: how it has ended, or where it stands."""
        if time.monotonic() < deadline:
            self._status = os.waitpid(self.pid, 0)[1]
            return f"the program has ended with {exit_code(self._status)}"
        os.kill(self.pid, signal.SIGABRT)
        stack, position = time.monotonic() + _PATIENCE, len(self.seen)
        while self._read(stack):
            pass
        return f"the program has not ended; on SIGABRT it said {self.seen[position:]!r}"

    def _read(self, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the program has closed its terminal
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
