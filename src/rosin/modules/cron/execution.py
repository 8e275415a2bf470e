# SPDX-License-Identifier: LGPL-3.0-or-later
"""Running the command of an entry by the subprocess server of its rank (RFC 42)."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING, Protocol

from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.remote import protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.clock import TimerHandle
    from rosin.handle.future import Future
    from rosin.handle.handle import Handle
    from rosin.modules.cron.entry import CronEntry, CronRun


class ExecutionOwner(Protocol):
    """What an execution needs of its module."""

    @property
    def h(self) -> Handle: ...

    def now(self) -> float: ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle: ...

    def wrote(self, entry: CronEntry, stream: str, line: str) -> None: ...

    def finished(self, entry: CronEntry, failure: OSError | None) -> None: ...


class Execution:
    """One run. ``finished`` of its owner is called once, with what has kept it from running."""

    def __init__(self, owner: ExecutionOwner, entry: CronEntry, run: CronRun, cwd: str) -> None:
        self._owner = owner
        self._entry = entry
        self._run = run
        self._timer: TimerHandle | None = None
        self._rest: dict[str, bytes] = {}
        self._early = 0
        run.started = entry.lastrun = owner.now()
        command = protocol.command(["sh", "-c", entry.command], entry.environ or {}, cwd=entry.cwd or cwd)
        request = protocol.exec_request(command)
        owner.h.rpc("rexec.exec", request, entry.rank, FLUX_RPC_STREAMING).then(self._answered)
        if entry.timeout >= 0:
            self._timer = owner.call_later(entry.timeout, self._time_out)

    def kill(self, signum: int = signal.SIGTERM) -> None:
        """Signal the process, now or when it has an id."""
        if not self._run.pid:
            self._early = signum
            return
        request = protocol.kill_request(self._run.pid, int(signum))
        self._owner.h.rpc("rexec.kill", request, self._entry.rank, FLUX_RPC_NORESPONSE)

    def _time_out(self) -> None:
        self._timer = None
        self._run.timed_out = True
        self.kill()

    def _answered(self, rpc: Future) -> None:
        try:
            response = protocol.Response(rpc.get())
        except OSError as exc:
            self._ended(None if exc.errno == errno.ENODATA and self._run.pid else exc)
            return
        except FormatError as exc:
            self._ended(OSError(errno.EPROTO, str(exc)))
            return
        if response.pid is not None:
            self._run.pid = response.pid
            self._run.running = self._owner.now()
            if self._early:
                self.kill(self._early)
        elif response.io is not None:
            self._write(response.io.stream, response.io.data, response.io.eof)
        elif response.status is not None:
            self._run.status = response.status
        rpc.reset()

    def _write(self, stream: str, data: bytes, eof: bool) -> None:
        *lines, rest = (self._rest.pop(stream, b"") + data).split(b"\n")
        if eof and rest:
            lines.append(rest)
        elif rest:
            self._rest[stream] = rest
        for line in lines:
            self._owner.wrote(self._entry, stream, line.decode(errors="replace"))

    def _ended(self, failure: OSError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for stream in list(self._rest):
            self._write(stream, b"", True)
        self._run.ended = self._owner.now()
        self._run.errnum = failure.errno or errno.EIO if failure is not None else 0
        self._owner.finished(self._entry, failure)
