# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``pty`` option, and the shell's terminal sessions: methods ``terminus.*`` of its service.

A task with a terminal is session number RANK, with the method ``terminus.RANK`` for its clients. An
interactive one is announced in ``shell.init``, so that whoever follows the job attaches to it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.pty import Pty
from rosin.shell.terminus import Session, TerminusServer

if TYPE_CHECKING:
    from rosin.shell.task import Task

#: Signals after which a job is not expected to go on.
_ENDING = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGALRM)


class PtyOption:
    """``pty``: ``ranks`` of the tasks with a terminal (None: all), ``interactive``, ``capture``."""

    __slots__ = ("capture", "interactive", "ranks")

    def __init__(self, value: Any) -> None:
        """Raises ShellError."""
        if not isinstance(value, dict):  # plain "-o pty"
            value = {}
        unknown = sorted(value.keys() - {"ranks", "capture", "interactive"})
        if unknown:
            raise ShellError(f"invalid shell pty option: pty.{unknown[0]} is unknown", component="pty")
        self.interactive = _flag(value, "interactive", False)
        self.capture = _flag(value, "capture", not self.interactive)
        self.ranks = _ranks(value.get("ranks", 0 if self.interactive else "all"))


def _flag(value: dict[str, Any], name: str, default: bool) -> bool:
    flag = value.get(name, default)
    if not isinstance(flag, int):
        raise ShellError(
            f"invalid shell pty option: pty.{name}: expected 0 or 1, got {flag!r}", component="pty"
        )
    return bool(flag)


def _ranks(value: Any) -> Idset | None:
    if value == "all":
        return None
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return Idset(str(value))
    except FormatError as error:
        raise ShellError(
            f"invalid shell pty option: pty.ranks: expected an idset, as in 0-3, or all: {error}",
            component="pty",
        ) from None
    raise ShellError(
        f"invalid shell pty option: pty.ranks: expected an idset, got {value!r}", component="pty"
    )


class Terminus(ShellPlugin):
    """The sessions of one shell, by number. Those of tasks keep the shell until they have been read."""

    name = "pty"

    def __init__(self, shell: Api) -> None:
        """Opens the terminals of the ``pty`` option. Raises ShellError."""
        super().__init__(shell)
        self._h = shell.h
        self.server = TerminusServer(shell.h, shell.service, shell.info.node.rank, "terminus.")
        self.server.on_empty = lambda: self.shell.release(self.name)
        #: Terminals of tasks, by their ranks.
        self.terminals: dict[int, Pty] = {}
        if shell.info.options.get("pty") is not None:
            self._open(PtyOption(shell.info.options.get("pty")))

    def _open(self, option: PtyOption) -> None:
        """Make the tasks' terminals, and tell clients in the ``shell.init`` event what they need to know."""
        info, log = self.shell.info, self.shell.log
        ranks = [rank for rank in info.local_tasks if option.ranks is None or rank in option.ranks]
        if option.interactive and info.rank == 0 and 0 not in ranks:
            log.warn("adding pty to rank 0 for interactive support", "pty")
            ranks.append(0)
        for rank in ranks:
            attachable = option.interactive and rank == 0
            # Only the first task can be attached to, so the others' output is lost unless it is captured.
            capture = option.capture or rank != 0
            try:
                pty = Pty(self._h, capture=capture, wait=attachable)
            except OSError as error:
                raise ShellError(f"task {rank}: no terminal: {error.strerror}", component="pty") from None
            self.server.add(rank, Session(f"task{rank}", pty))
        if option.interactive and 0 in ranks:
            self.shell.announcement["pty"] = "terminus.0"
            if option.capture:
                self.shell.announcement["capture"] = 1
        self.terminals = {rank: session.pty for rank, session in self.server.sessions.items()}
        if self.terminals:
            self.shell.hold(self.name)

    # --- tasks

    def task_init(self, task: Task) -> None:
        task.terminal = self.terminals.get(task.rank)
        if task.terminal is not None:
            task.env["FLUX_TERMINUS_SESSION"] = str(task.rank)

    def task_fork(self, task: Task) -> None:
        """The task's output is what comes out of its terminal, if that is captured: it has only stdout."""
        terminal = task.terminal
        if terminal is None or task.child is None:
            return
        terminal.started(task.child.pid)
        task.output("stderr", b"", True)
        if not terminal.capture:
            task.output("stdout", b"", True)
            return
        terminal.on_data = lambda data: task.output("stdout", data, False)
        terminal.on_closed = lambda: task.output("stdout", b"", True)

    def child_exit(self, pid: int, status: int) -> None:
        self.server.child_exit(pid, status)

    def shell_kill(self, signum: int) -> None:
        """After most signals the job need not wait for clients."""
        if signum in _ENDING:
            self.server.release()

    def shell_exit(self) -> None:
        self.server.close()
