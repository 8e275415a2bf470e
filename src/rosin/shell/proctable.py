# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``proctable`` method of the shell's service: which processes the job has, for debuggers and
``rosin job hostpids``.

Every shell knows its own tasks. The leader asks the others when it is asked itself.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.job.proctable import Row
    from rosin.rfc.message import Message
    from rosin.shell.connection import ShellHandle
    from rosin.shell.info import JobInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.service import ShellService
    from rosin.shell.task import Task

#: Seconds that another shell may take; one that is about to end may never answer.
_TIMEOUT = 5.0


class Proctable:
    """Answers requests. ``tasks`` is the (live) list of this shell's tasks."""

    def __init__(
        self, handle: ShellHandle, info: JobInfo, log: ShellLog, tasks: list[Task], service: ShellService
    ) -> None:
        self._h = handle
        self._info = info
        self._log = log
        self._tasks = tasks
        self._service = service
        self._gathers: set[Gather] = set()
        #: Called when no request waits for an answer any more.
        self.on_idle: Callable[[], None] | None = None
        service.methods["proctable"] = self._request

    @property
    def busy(self) -> bool:
        """Somebody waits for an answer."""
        return bool(self._gathers)

    def _request(self, msg: Message) -> Any:
        from rosin.job.proctable import encode  # few jobs are ever asked

        rows = self._rows()
        if self._info.rank != 0 or self._info.size == 1:
            return encode(rows)
        gather = Gather(self._info.size, rows, msg)
        self._gathers.add(gather)
        for node in self._info.resources.nodes[1:]:
            rpc = self._h.rpc(f"{self._service.name}.proctable", {}, node.rank)
            rpc.then(self._answered, gather, timeout=_TIMEOUT)
        return LATER

    def _rows(self) -> list[Row]:
        if len(self._tasks) < len(self._info.local_tasks):
            raise OSError(errno.EAGAIN, "the tasks have not been started yet")
        host = socket.gethostname()
        rank = self._info.node.rank
        return [
            (task.rank, host, task.argv[0], task.child.pid, rank)
            for task in self._tasks
            if task.child is not None
        ]

    def _answered(self, rpc: Future, gather: Gather) -> None:
        from rosin.job.proctable import decode, encode

        if gather not in self._gathers:
            return
        try:
            table = gather.add(decode(rpc.get()))
        except (OSError, FormatError) as error:
            self._log.error(f"proctable: {error}")
            self._h.respond_error(gather.request, errno.ECANCELED, "a shell of the job did not answer")
        else:
            if table is None:
                return
            self._h.respond(gather.request, encode(table))
        self._gathers.discard(gather)
        if self.on_idle is not None and not self._gathers:
            self.on_idle()

    def close(self) -> None:
        """The shell ends: nobody is left waiting."""
        gathers, self._gathers = self._gathers, set()
        for gather in gathers:
            self._h.respond_error(gather.request, errno.ECANCELED, "the job shell is about to end")


class Gather:
    """The tables that have come for one request."""

    __slots__ = ("_left", "_tables", "request")

    def __init__(self, size: int, rows: list[Row], request: Message) -> None:
        self.request = request
        self._left = size - 1
        self._tables = [rows]

    def add(self, rows: list[Row]) -> list[Row] | None:
        """Take another shell's tasks; returns the whole table once it is complete, node by node."""
        self._tables.append(rows)
        self._left -= 1
        if self._left:
            return None
        self._tables.sort(key=lambda table: table[0][0] if table else -1)
        return [row for table in self._tables for row in table]
