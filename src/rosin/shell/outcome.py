# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21 and RFC 50: how tasks ended, and what that means for the shell and the job.

The shell exits with the greatest exit code of its tasks, where a signal N counts as 128+N. The first task to
end is recorded in the job's ``exec.eventlog``; it may doom the others, at once (``exit-on-error``) or
after a while (``exit-timeout``).
"""

from __future__ import annotations

from typing import Any

from rosin.process.outcome import describe, exit_code, termsig
from rosin.rfc import fsd
from rosin.shell.errors import ShellError
from rosin.shell.options import Options

DEFAULT_EXIT_TIMEOUT = 30.0


def task_info(localid: int, rank: int, pid: int, status: int) -> dict[str, Any]:
    """Context of the ``shell.task-exit`` event."""
    return {
        "localid": localid,
        "rank": rank,
        "state": "Exited",
        "pid": pid,
        "wait_status": status,
        "signaled": termsig(status),
        "exitcode": exit_code(status),
    }


class Doom:
    """What the first task's end does to the others; ``timeout`` None means nothing ever."""

    __slots__ = ("_host", "_program", "_rank", "_status", "exit_on_error", "timeout")

    def __init__(self, options: Options, program: str) -> None:
        self.timeout = parse_timeout(options.get("exit-timeout"))
        self.exit_on_error = options.flag("exit-on-error")
        self._program = program
        self._rank = -1
        self._host = "unknown"
        self._status = 0

    def first_exit(self, rank: int, host: str, status: int) -> None:
        """Note the first end. Raises ShellError when that ends the job at once."""
        self._rank, self._host, self._status = rank, host, status
        if self.exit_on_error and status != 0:
            raise self._error("failed", "and exit-on-error is set")

    def expired(self) -> ShellError:
        """The error for tasks that run on ``timeout`` seconds after the first end."""
        assert self.timeout is not None
        return self._error("exited", f"and exit-timeout={fsd.encode(self.timeout)} has expired")

    def _error(self, verb: str, reason: str) -> ShellError:
        text = (
            f"{self._program}: task rank {self._rank} on host {self._host} {verb}"
            f" ({describe(self._status)}) {reason}"
        )
        return ShellError(text, exit_code(self._status), wait_status=self._status, component="task-exit")


def parse_timeout(value: Any) -> float | None:
    """``exit-timeout``: an RFC 23 duration, a number of seconds, or "none"."""
    if value is None:
        return DEFAULT_EXIT_TIMEOUT
    if isinstance(value, str) and value.lower() == "none":
        return None
    seconds = parse_duration(value)
    if seconds is None:
        raise ShellError(
            f"exit-timeout is not a valid Flux Standard Duration: {value}: expected a duration, as in 30s"
        )
    return seconds


def parse_duration(value: Any) -> float | None:
    """A duration given as text or number; None if it is neither."""
    if isinstance(value, str):
        try:
            return fsd.parse(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    return None
