# SPDX-License-Identifier: LGPL-3.0-or-later
"""One run of a prolog or an epilog: a command on some ranks, its time limits, and what came of it."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any, Protocol

from rosin.modules.job_manager.rank_process import RankProcess
from rosin.process.outcome import exit_code, exited, termsig, unstarted
from rosin.remote import protocol
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.errors import FormatError
    from rosin.modules.job_manager.plugins.perilog_settings import ScriptSettings
    from rosin.modules.job_manager.port import Port, PortTimer


class ScriptOwner(Protocol):
    """Who is told of a run, besides its end."""

    def output(self, run: ScriptRun, rank: int, stream: str, line: str) -> None:
        """A line that a process wrote to ``stdout`` or ``stderr``."""

    def unstarted(self, run: ScriptRun, rank: int, text: str) -> None:
        """A process could not be started, or contact with it was lost: *text* says why."""

    def unkillable(self, run: ScriptRun) -> None:
        """Processes have not ended ``kill-timeout`` after SIGTERM, and are given up."""


class ScriptRun:
    """A run of the script *name* (``prolog`` or ``epilog``) for the job *id*.

    ``active`` are the ranks whose process has not ended, ``status`` is the greatest wait status so far.
    ``canceled``: an exception has ended it. ``timed_out``: its own time limit has. ``hangs``: it could not be
    ended.
    """

    def __init__(
        self, port: Port, owner: ScriptOwner, name: str, id: int, settings: ScriptSettings, ranks: Idset
    ) -> None:
        self.port = port
        self.owner = owner
        self.name = name
        self.id = id
        self.settings = settings
        self.ranks = self.active = ranks
        self._bad = Idset()
        self._lost = Idset()
        self.status = 0
        self.canceled = self.timed_out = self.hangs = False
        self._processes = [RankProcess(port, self, rank) for rank in ranks]
        self._deadline = 0.0
        self._timer: PortTimer | None = None
        self._killing = False
        self._done: Callable[[], None] | None = None

    def start(self, env: dict[str, str], done: Callable[[], None]) -> None:
        """Start the processes with *env* in addition to the broker's; *done* follows once."""
        self._done = done
        if self.settings.timeout > 0:
            self._arm(self.settings.timeout, self._expire)
        request = protocol.exec_request(protocol.command(self.settings.command, {**os.environ, **env}))
        for process in self._processes:
            process.start(request)

    def cancel(self) -> None:
        """A fatal exception was raised on the job."""
        if self.settings.cancel_on_exception and not self.canceled and self.active and self._done is not None:
            self.canceled = True
            self._terminate()

    def abandon(self) -> None:
        """End the processes, and tell of nothing any more."""
        self._done = None
        self._disarm()
        for process in self._processes:
            process.kill(signal.SIGTERM)

    def problem(self) -> str | None:
        """What went wrong, without where; None if nothing did, or if it was canceled and has ended."""
        if self.hangs and self.canceled:
            return f"{self.name} canceled then timed out"
        if self.timed_out:
            return f"{self.name} timed out"
        if self.canceled or not self.status:
            return None
        if self._bad and not self._bad - self._lost:
            return f"{self.name} lost its broker"
        code = exit_code(self.status)
        if termsig(self.status) or code > 128:
            return f"{self.name} killed by signal {code - 128}"
        return f"{self.name} exited with code={code}"

    def bad_ranks(self) -> Idset:
        """The ranks that are to blame for the problem."""
        return self.active if self.hangs else self._bad or self.ranks

    def describe(self) -> dict[str, Any]:
        """What a query of the plugin shows."""
        left = round(self._deadline - self.port.monotonic()) if self._timer is not None else -1
        return {
            "name": self.name,
            "state": "canceled" if self.canceled else "timeout" if self.timed_out else "running",
            "total": len(self.ranks),
            "active": len(self.active),
            "active_ranks": self.active.encode(),
            "remaining_time": left,
        }

    # -- what a process tells -------------------------------------------------------------------------

    def started(self, process: RankProcess) -> None:
        """A process runs."""

    def output(self, process: RankProcess, stream: str, line: str) -> None:
        """A process wrote a line."""
        if self._done is not None:
            self.owner.output(self, process.rank, stream, line)

    def exited(self, process: RankProcess) -> None:
        """A process is over."""
        self._ended(process, process.status or 0)

    def failed(self, process: RankProcess, error: OSError | FormatError) -> None:
        """There was no process, or contact with it was lost."""
        errnum = getattr(error, "errno", None)
        reason = str(getattr(error, "strerror", None) or error)
        if self._done is not None:
            text = "lost" if process.pid else "error launching process"
            self.owner.unstarted(self, process.rank, f"{text}: {reason}")
        self._lost |= Idset([process.rank] if errnum == errno.EHOSTUNREACH else ())
        self._ended(process, exited(unstarted(errnum)))

    def _ended(self, process: RankProcess, status: int) -> None:
        rank = Idset([process.rank])
        self.active -= rank
        self.status = max(self.status, status)
        if status:
            self._bad |= rank
        if not self.active:
            self._finish()

    # -- time -----------------------------------------------------------------------------------------

    def _expire(self) -> None:
        self.timed_out = True
        self._terminate()

    def _terminate(self) -> None:
        """SIGTERM; after the kill timeout, what has not ended is given up."""
        if self._killing:
            return
        self._killing = True
        for process in self._processes:
            process.kill(signal.SIGTERM)
        self._arm(self.settings.kill_timeout, self._give_up)

    def _give_up(self) -> None:
        self.hangs = True
        self.owner.unkillable(self)
        self._finish()

    def _finish(self) -> None:
        self._disarm()
        done, self._done = self._done, None
        if done is not None:
            done()

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.port.monotonic() + seconds
        self._timer = self.port.later(seconds, call)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
