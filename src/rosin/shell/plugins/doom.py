# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21 and RFC 50: the first task to end is recorded in the job's ``exec.eventlog``. It may doom others,
at once (``exit-on-error``) or after a while (``exit-timeout``). So may a shell that is lost.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.process.outcome import describe, exit_code, termsig
from rosin.rfc import fsd
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.payload import field
from rosin.shell.errors import ShellError
from rosin.shell.options import Options, parse_duration
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.reactor import Timer
    from rosin.rfc.message import Message
    from rosin.shell.task import Task

DEFAULT_EXIT_TIMEOUT = 30.0


class DoomPlugin(ShellPlugin):
    """The leader records and decides; the other shells tell it of the first of their tasks."""

    name = "doom"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._exited = False
        self._timer: Timer | None = None
        self._doom: Doom | None = None
        if shell.leader:
            self._doom = Doom(shell.info.options, shell.info.spec.command[0].rpartition("/")[2])
            if shell.info.size > 1:
                shell.service.methods["doom"] = self._remote

    def task_exit(self, task: Task) -> None:
        assert task.child is not None
        self._first(task_info(task.localid, task.rank, task.child.pid, task.child.status or 0))

    def _remote(self, msg: Message) -> Any:
        for name in ("rank", "wait_status"):
            field(msg.args, name, int)
        self._first(dict(msg.args))
        return LATER  # these requests have no response

    def _first(self, end: dict[str, Any]) -> None:
        """A task of the job is complete; only the first counts. Raises ShellError (exit-on-error)."""
        if self._exited:
            return
        self._exited = True
        shell, doom = self.shell, self._doom
        if doom is None:
            shell.tell("doom", end)
            return
        shell.guest.append(KEY, "shell.task-exit", end, lazy=True)
        doom.first_exit(end["rank"], shell.info.host_of(end["rank"]), end["wait_status"])
        self._begin(doom)

    def shell_lost(self, rank: int) -> None:
        """Raises ShellError (exit-on-error)."""
        doom = self._doom
        if doom is None or rank not in range(self.shell.info.size):
            return
        doom.lost(rank, self.shell.info.resources.nodes[rank].hostname)
        self._begin(doom)

    def _begin(self, doom: Doom) -> None:
        """The others have so much time from the first of these events on."""
        if doom.timeout is not None and self._timer is None:
            self._timer = self.shell.h.reactor.timer(doom.timeout, partial(_expire, doom))

    def shell_tasks_complete(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _expire(doom: Doom) -> None:
    raise doom.expired()


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
    """What the end of a task, or the loss of a shell, does to the others; ``timeout`` None: nothing ever."""

    __slots__ = ("_code", "_program", "_status", "_who", "exit_on_error", "timeout")

    def __init__(self, options: Options, program: str) -> None:
        self.timeout = parse_timeout(options.get("exit-timeout"))
        self.exit_on_error = options.flag("exit-on-error")
        self._program = program
        self._who = ""
        self._code = 0
        self._status: int | None = None  # a wait status, as far as one is known

    def first_exit(self, rank: int, host: str, status: int) -> None:
        """Note the first end of a task. Raises ShellError when that ends the job at once."""
        self._status = status
        self._note(f"task rank {rank} on host {host}", exit_code(status))

    def lost(self, rank: int, host: str) -> None:
        """Note the loss of a shell. Raises ShellError when that ends the job at once."""
        self._note(f"shell rank {rank} on host {host}", 1)

    def _note(self, who: str, code: int) -> None:
        self._who, self._code = who, code
        if self.exit_on_error and code != 0:
            raise self._error("failed", "and exit-on-error is set")

    def expired(self) -> ShellError:
        """The error for tasks that run on ``timeout`` seconds after the first of these events."""
        assert self.timeout is not None
        return self._error("exited", f"and exit-timeout={fsd.encode(self.timeout)} has expired")

    def _error(self, verb: str, reason: str) -> ShellError:
        how = "" if self._status is None else f" ({describe(self._status)})"
        text = f"{self._program}: {self._who} {verb}{how} {reason}"
        return ShellError(text, self._code, wait_status=self._status, component="task-exit")


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
