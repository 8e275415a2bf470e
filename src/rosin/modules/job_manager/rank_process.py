# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: a command on one rank, as the subprocess server there tells of it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Protocol

from rosin.remote import protocol

if TYPE_CHECKING:
    from rosin.errors import FormatError
    from rosin.modules.job_manager.port import Port


class ProcessOwner(Protocol):
    """Who is told of a process."""

    def started(self, process: RankProcess) -> None:
        """The process runs."""

    def output(self, process: RankProcess, stream: str, line: str) -> None:
        """The process wrote a line to ``stdout`` or ``stderr``."""

    def exited(self, process: RankProcess) -> None:
        """The process is over, with the wait status ``process.status``."""

    def failed(self, process: RankProcess, error: OSError | FormatError) -> None:
        """There was no process, or contact with it was lost."""


class RankProcess:
    """The command on ``rank``. ``pid`` is 0 before it runs, ``status`` None until it is over."""

    __slots__ = ("_early", "_lines", "_over", "owner", "pid", "port", "rank", "status")

    def __init__(self, port: Port, owner: ProcessOwner, rank: int) -> None:
        self.port = port
        self.owner = owner
        self.rank = rank
        self.pid = 0
        self.status: int | None = None
        self._over = False
        self._early = 0  # a signal that came before the process had its id
        self._lines: dict[str, list[bytes]] = {}  # stream -> the parts of a line that has begun

    def start(self, request: dict[str, Any]) -> None:
        """Send the exec request."""
        self.port.stream("rexec.exec", request, self.rank, self._answer, self._ended)

    def kill(self, signum: int) -> None:
        """Send a signal now, or when there is a process; none to one that is over."""
        if self._over:
            return
        if not self.pid:
            self._early = signum
            return

        def done(payload: Any, error: OSError | None) -> None:
            if error is not None and error.errno not in (errno.ESRCH, errno.EAGAIN):
                self.port.log.error(f"kill: {error.strerror}")

        self.port.rpc("rexec.kill", protocol.kill_request(self.pid, int(signum)), done, self.rank)

    def _answer(self, answer: dict[str, Any]) -> None:
        response = protocol.Response(answer)
        if response.pid is not None:
            self.pid = response.pid
            self.owner.started(self)
            if self._early:
                self.kill(self._early)
        elif response.io is not None:
            self._write(response.io.stream, response.io.data, response.io.eof)
        elif response.status is not None:
            self.status = response.status

    def _write(self, stream: str, data: bytes, eof: bool) -> None:
        first, *others = data.split(b"\n")
        parts = self._lines.setdefault(stream, [])
        parts.append(first)
        for text in others:
            self.owner.output(self, stream, b"".join(parts).decode(errors="replace"))
            parts[:] = [text]
        if eof:
            del self._lines[stream]
            rest = b"".join(parts)
            if rest:
                self.owner.output(self, stream, rest.decode(errors="replace"))

    def _ended(self, error: OSError | FormatError) -> None:
        self._over = True
        for stream in list(self._lines):
            self._write(stream, b"", True)
        if self.status is not None:
            self.owner.exited(self)
        else:
            self.owner.failed(self, error)
