# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: what a client sees of one process: the responses to exec and attach."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from rosin.constants import (
    SUBPROCESS_REXEC_CHANNEL,
    SUBPROCESS_REXEC_STDERR,
    SUBPROCESS_REXEC_STDOUT,
    SUBPROCESS_REXEC_WAITABLE,
    SUBPROCESS_REXEC_WRITE_CREDIT,
)
from rosin.process.outcome import describe, termsig
from rosin.remote.process import Process
from rosin.remote.retained import RetainedOutput
from rosin.rfc import ioencode

if TYPE_CHECKING:
    from rosin.process.loop import Loop
    from rosin.remote.command import Command
    from rosin.remote.host import ServerLog
    from rosin.rfc.message import Message


#: Bytes of a response with output, about, without the output.
_ENVELOPE = 160


class SessionOwner(Protocol):
    """What a session needs of the server."""

    rank: int
    loop: Loop
    log: ServerLog
    collects: bool
    respond: Callable[..., None]
    respond_error: Callable[..., None]

    def started(self, session: ProcessSession) -> None: ...
    def grant(self, session: ProcessSession) -> None: ...
    def finish(self, session: ProcessSession) -> None: ...
    def failed(self, session: ProcessSession) -> None: ...
    def sent(self, session: ProcessSession, count: int) -> bool: ...


class ProcessSession:
    """A process with the client that listens to it, if there is one.

    ``listener`` is the exec or attach request that gets the responses; ``waiter`` a pending wait request.
    A background process keeps ``background`` true for its whole life.
    """

    def __init__(self, server: SessionOwner, msg: Message | None, command: Command, flags: int) -> None:
        """Without a request: it is kept, as its client has gone with the broker that has started it."""
        self.server = server
        self.command = command
        self.flags = flags
        self.background = msg is None or not msg.streaming
        self.waitable = bool(flags & SUBPROCESS_REXEC_WAITABLE)
        self.request: Message | None = msg  # until it is known whether the process could be started
        self.listener: Message | None = None if self.background else msg
        self.waiter: Message | None = None
        self.retained = RetainedOutput()
        #: A process of the foreground that is in the background until the next client attaches to it.
        self.kept = False
        #: Its client has not said so: since when it is not known that there will be another one.
        self.forsaken: float | None = None
        if msg is None:
            self.keep()
        self.process = Process(command, server.loop, self, collected=server.collects)

    def wanted_outputs(self) -> tuple[str, ...]:
        """The standard streams to read."""
        if self.background:
            return ("stdout", "stderr")
        return tuple(stream for stream in ("stdout", "stderr") if self._forwards(stream))

    def _forwards(self, stream: str) -> bool:
        flag = {"stdout": SUBPROCESS_REXEC_STDOUT, "stderr": SUBPROCESS_REXEC_STDERR}.get(
            stream, SUBPROCESS_REXEC_CHANNEL
        )
        return bool(self.flags & flag)

    def describe(self) -> dict[str, Any]:
        """The entry of this process in the answer to ``list``."""
        return {
            "pid": self.process.pid,
            "cmd": self.command.title,
            "label": self.command.label or "",
            "state": "R" if self.process.status is None else "Z",
        }

    def wait_result(self) -> dict[str, Any]:
        """The answer to ``wait``."""
        result: dict[str, Any] = {"status": self.process.status}
        output = self.retained.encode()
        if output:
            result["output"] = output
        return result

    def keep(self) -> None:
        """The client goes: wait for another one."""
        self.request = None
        self.kept = self.background = self.waitable = True

    def attach(self, msg: Message, flags: int) -> None:
        """Let a client listen to a background process from now on."""
        self.listener = msg
        self.forsaken = None
        self.flags = flags
        if self.process.pid >= 0:
            self._attached()

    def _attached(self) -> None:
        self._send({"type": "attached", "pid": self.process.pid, "cmd": self.command.encode()})
        if self.kept:
            self.kept = self.background = self.waitable = False
            for io in self.retained.encode():
                self._send_io(io)
            self.retained = RetainedOutput()
        for stream in self.process.outputs:
            if self._forwards(stream) and self.process.ended(stream):
                self._send_io(ioencode.encode_data(stream, str(self.server.rank), None, eof=True))
        if self.process.status is not None:
            self._send({"type": "finished", "status": self.process.status})
        if self.process.closed:
            self._send_end()
            self.waitable = False
            self.server.finish(self)

    def write(self, stream: str, data: bytes, eof: bool) -> None:
        """Input from the client."""
        try:
            self.process.write(stream, data)
        except OSError as err:
            if self.listener is not None:
                self.server.respond_error(self.listener, err.errno or errno.EIO, err.strerror)
            self.process.abort()
            self.server.failed(self)
            return
        if eof:
            self.process.inputs.close(stream)

    def send_credit(self) -> None:
        """Announce what the process has taken in."""
        if self.listener is None or not self.flags & SUBPROCESS_REXEC_WRITE_CREDIT:
            return
        granted = {stream: credit.grant() for stream, credit in self.process.inputs.credits.items()}
        channels = {stream: count for stream, count in granted.items() if count}
        if channels:
            self._send({"type": "add-credit", "channels": channels})

    # -- what the process reports -----------------------------------------------------------------

    def started(self, process: Process) -> None:
        self.server.started(self)
        if self.request is not None:
            self.server.respond(self.request, {"type": "started", "pid": process.pid})
            self.request = None
        elif self.listener is not None:
            self._attached()
        self.send_credit()

    def failed(self, process: Process, error: OSError) -> None:
        request = self.request or self.listener
        if request is not None:
            text = f"error launching process: {error.strerror or error}"
            self.server.respond_error(request, error.errno or errno.EIO, text)
        self.server.failed(self)

    def output(self, process: Process, stream: str, data: bytes) -> None:
        if self.listener is not None and self._forwards(stream):
            pieces = self._pieces(stream, data)
            for piece in pieces:
                self._send_io(ioencode.encode_data(stream, str(self.server.rank), piece))
            if self.server.sent(self, len(data) * 4 // 3 + len(pieces) * _ENVELOPE):
                process.pause()
        if self.background:
            if not self.kept:
                self._log_output(stream, data)
            if self.waitable:
                for piece in self._pieces(stream, data):
                    io = ioencode.encode_data(stream, str(self.server.rank), piece)
                    self.retained.add(len(piece), io)

    def _pieces(self, stream: str, data: bytes) -> list[bytes]:
        """What goes into one response each."""
        if not self.command.line_by_line(stream):
            return [data]
        *lines, rest = data.split(b"\n")
        pieces = [line + b"\n" for line in lines]
        return [*pieces, rest] if rest else pieces

    def _log_output(self, stream: str, data: bytes) -> None:
        label = self.command.label or os.path.basename(self.command.cmdline[0])
        write = self.server.log.error if stream == "stderr" else self.server.log.info
        for line in data.decode(errors="replace").splitlines():
            write(f"{label}[{self.process.pid}]: {line}")

    def eof(self, process: Process, stream: str) -> None:
        if self._forwards(stream):
            self._send_io(ioencode.encode_data(stream, str(self.server.rank), None, eof=True))

    def credit(self, process: Process) -> None:
        if self.flags & SUBPROCESS_REXEC_WRITE_CREDIT:
            self.server.grant(self)

    def stopped(self, process: Process) -> None:
        self._send({"type": "stopped"})

    def exited(self, process: Process) -> None:
        assert process.status is not None
        self._send({"type": "finished", "status": process.status})
        if self.background and not self.kept:
            self._log_exit(process.pid, process.status)

    def _log_exit(self, pid: int, status: int) -> None:
        signum = termsig(status)
        prefix = f"{self.command.label}: " if self.command.label else ""
        result = f"Killed by signal {signum}" if signum else describe(status)
        self.server.log.info(f"{prefix}{os.path.basename(self.command.cmdline[0])}[{pid}]: {result}")

    def closed(self, process: Process) -> None:
        if self.listener is not None:
            self._send_end()
            self.waitable = False  # who saw "finished" by attach has reaped the process
        self.server.finish(self)

    # -- sending ----------------------------------------------------------------------------------

    def _send(self, payload: dict[str, Any]) -> None:
        if self.listener is not None:
            self.server.respond(self.listener, payload)

    def _send_io(self, io: dict[str, Any]) -> None:
        self._send({"type": "output", "pid": self.process.pid, "io": io})

    def _send_end(self) -> None:
        if self.listener is not None:
            self.server.respond_error(self.listener, errno.ENODATA)
