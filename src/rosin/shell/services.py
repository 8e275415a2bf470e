# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell serves beside the input and output of its tasks: the process table, terminals,
commands that clients run.

Few jobs are ever asked for any of them, so each is loaded with its first request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.shell.connection import ShellHandle
    from rosin.shell.info import JobInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.proctable import Proctable
    from rosin.shell.rexec import ShellRexec
    from rosin.shell.service import ShellService
    from rosin.shell.tasks import Tasks
    from rosin.shell.terminus import Terminus


class Services:
    """The optional services of one shell."""

    def __init__(
        self, handle: ShellHandle, info: JobInfo, log: ShellLog, tasks: Tasks, service: ShellService
    ) -> None:
        """Opens the terminals of the ``pty`` option. Raises ShellError."""
        self._h = handle
        self._info = info
        self._log = log
        self._tasks = tasks
        self._service = service
        self._proctable: Proctable | None = None
        self._terminus: Terminus | None = None
        self._rexec: ShellRexec | None = None
        self._stopping = False
        self._has_terminals = False
        #: Called when nothing of this keeps the shell from ending any more.
        self.on_idle: Callable[[], None] | None = None
        service.families |= {
            "proctable": self._load_proctable,
            "terminus": self._load_terminus,
            "rexec": self._load_rexec,
        }
        if info.options.get("rexec-shutdown-timeout") is not None:
            self._load_rexec()  # a bad value must show before the tasks run
        if info.options.get("pty") is not None:
            tasks.terminals = self._load_terminus().open(info, log)
            self._has_terminals = bool(tasks.terminals)

    @property
    def idle(self) -> bool:
        """The shell may end: no terminal of a task waits to be read, no request for an answer."""
        if self._has_terminals and self._terminus is not None and self._terminus.sessions:
            return False
        return self._proctable is None or not self._proctable.busy

    @property
    def stopped(self) -> bool:
        """Also the end that :meth:`stop` began is over."""
        return self._rexec is None or not self._rexec.server.sessions

    def stop(self) -> None:
        """The tasks are over: end what runs beside them."""
        self._stopping = True
        if self._rexec is not None:
            self._rexec.stop(self._ended)

    def signalled(self, signum: int) -> None:
        """The job got a signal."""
        if self._terminus is not None:
            self._terminus.signalled(signum)
        if self._rexec is not None and self._stopping:
            self._rexec.server.end(signum)

    def close(self) -> None:
        """The shell ends: no client is left waiting."""
        for part in (self._proctable, self._terminus, self._rexec):
            if part is None:
                continue
            try:
                part.close()
            except OSError as error:  # the broker has gone, and the clients with it
                self._log.debug(f"clients were not told of the end: {error.strerror}")

    def _ended(self) -> None:
        if self.on_idle is not None and self.idle:
            self.on_idle()

    def _child_ended(self, pid: int, status: int) -> None:
        """A child that is no task: a client's, or an orphan of whatever ran here."""
        if self._terminus is not None and self._terminus.reaped(pid, status):
            return
        if self._rexec is not None:
            self._rexec.server.reaped(pid, status)

    def _load_proctable(self) -> None:
        from rosin.shell.proctable import Proctable

        self._proctable = Proctable(self._h, self._info, self._log, self._tasks.all, self._service)
        self._proctable.on_idle = self._ended

    def _load_rexec(self) -> None:
        from rosin.shell.rexec import ShellRexec

        if self._rexec is None:
            self._rexec = ShellRexec(self._h, self._info, self._log, self._tasks, self._service)
            self._tasks.on_child = self._child_ended

    def _load_terminus(self) -> Terminus:
        from rosin.shell.terminus import Terminus

        if self._terminus is None:
            self._terminus = Terminus(self._h, self._info, self._service)
            self._terminus.on_empty = self._ended
            self._tasks.on_child = self._child_ended
        return self._terminus
