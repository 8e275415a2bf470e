# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``proctable`` method of the shell's service: which processes the job has, for debuggers and
``rosin job hostpids``.

Every shell knows its own tasks. The leader asks the others when it is asked itself.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.job.proctable import Row, decode, encode
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message

#: Seconds that another shell may take; one that is about to end may never answer.
_TIMEOUT = 5.0


class Proctable(ShellPlugin):
    """Answers requests; the shell stays until it has answered them all."""

    name = "proctable"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._gathers: set[Gather] = set()
        shell.service.methods["proctable"] = self._request

    def _request(self, msg: Message) -> Any:
        rows = self._rows()
        if self.shell.info.rank != 0 or self.shell.info.size == 1:
            return encode(rows)
        gather = Gather(self.shell.info.size, rows, msg)
        self._gathers.add(gather)
        self.shell.hold(self.name)
        for node in self.shell.info.resources.nodes[1:]:
            rpc = self.shell.h.rpc(f"{self.shell.service.name}.proctable", {}, node.rank)
            rpc.then(self._answered, gather, timeout=_TIMEOUT)
        return LATER

    def _rows(self) -> list[Row]:
        if len(self.shell.tasks) < len(self.shell.info.local_tasks):
            raise OSError(errno.EAGAIN, "the tasks have not been started yet")
        host = socket.gethostname()
        rank = self.shell.info.node.rank
        return [
            (task.rank, host, task.argv[0], task.child.pid, rank)
            for task in self.shell.tasks
            if task.child is not None
        ]

    def _answered(self, rpc: Future, gather: Gather) -> None:
        if gather not in self._gathers:
            return
        try:
            table = gather.add(decode(rpc.get()))
        except (OSError, FormatError) as error:
            self.shell.log.error(f"proctable: {error}")
            self.shell.h.respond_error(gather.request, errno.ECANCELED, "a shell of the job did not answer")
        else:
            if table is None:
                return
            self.shell.h.respond(gather.request, encode(table))
        self._gathers.discard(gather)
        if not self._gathers:
            self.shell.release(self.name)

    def shell_exit(self) -> None:
        gathers, self._gathers = self._gathers, set()
        for gather in gathers:
            self.shell.h.respond_error(gather.request, errno.ECANCELED, "the job shell is about to end")


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
