# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: the tasks' output on its way. The leader writes the job's log, the other shells write to it.

The log takes so many bytes at a time: until they are stored, tasks that write more wait.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.rfc.payload import field
from rosin.shell.output import LIMIT_MAX, Limit, Output
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.plugins.output_link import LeaderLink
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.rfc.message import Message
    from rosin.shell.task import Task

#: Unacknowledged bytes of output at which tasks are no longer read, and at which they are again.
_BACKLOG_HIGH = 16 << 20
_BACKLOG_LOW = 4 << 20


class TaskOutput(ShellPlugin):
    """Reads the tasks' stdout and stderr."""

    name = "output"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        options, ntasks = shell.info.options, shell.info.ntasks
        self._credit_waits: list[Message] = []
        self._link: LeaderLink | None = None
        if shell.leader:
            self.output = Output(options, shell.log, self._append, self._limit(), ntasks)
            shell.guest.on_progress = self._progress
            if shell.info.size > 1:
                shell.service.methods["write"] = self._write
                shell.service.methods["write-getcredit"] = self._getcredit
        else:
            self._link = LeaderLink(shell)
            self.output = Output(options, shell.log, self._link.write, None, ntasks)
        self.prepares = any(conf.path is not None for conf in self.output.conf.values())

    def _limit(self) -> Limit:
        shell = self.shell
        owner = shell.startup.attr("security.owner") or str(os.getuid())
        default = "1G" if owner == str(os.getuid()) else "10M"
        return Limit(*shell.info.options.size("output.limit", default, LIMIT_MAX), shell.log)

    # --- the logs

    def shell_begin(self) -> None:
        """Open the files, on a follower only those that no other shell writes; the leader begins the log."""
        info, leader = self.shell.info, self.shell.leader

        def remote(template: str) -> bool:
            return not leader and not info.is_per_shell(template)

        for localid, rank in enumerate(info.local_tasks):
            self.output.open(rank, partial(info.render, task=(rank, localid)), remote)
        if self.output.conf["stderr"].path is not None:
            self.shell.log.sink = self.output.log_event
        if leader:
            self.output.header()
            self.output.redirects(lambda template: info.render(template, shell_rank=info.size))

    def _append(self, name: str, context: dict[str, Any]) -> None:
        """Append to the output log. The end of a stream waits a little: more is likely to follow."""
        lazy = name == "data" and "data" not in context
        self.shell.guest.append("output", name, context, lazy=lazy)

    def _check_backlog(self) -> None:
        if self.shell.leader and self.shell.guest.backlog > _BACKLOG_HIGH:
            self.shell.pause(True)

    def _progress(self) -> None:
        if self.shell.guest.backlog < _BACKLOG_LOW:
            self.shell.pause(False)
            waits, self._credit_waits = self._credit_waits, []
            for msg in waits:
                self.shell.h.respond(msg, {"credits": msg.args["credits"]})

    # --- tasks

    def task_init(self, task: Task) -> None:
        task.line = {name: conf.line for name, conf in self.output.conf.items()}
        task.on_output = self._data

    def _data(self, task: Task, stream: str, data: bytes, eof: bool) -> None:
        if data:
            self.output.write(stream, str(task.rank), data)
        if eof:
            self.output.eof(stream, str(task.rank))
        self._check_backlog()

    def shell_kill(self, signum: int) -> None:
        if signum == signal.SIGKILL and self._link is not None:
            self._link.killed()

    def shell_exit(self) -> None:
        self.output.close()
        if self.output.incomplete:
            self.shell.exit_code = max(self.shell.exit_code, 1)

    # --- requests of the other shells

    def _write(self, msg: Message) -> Any:
        self.output.remote(field(msg.args, "name", str), field(msg.args, "context", dict))
        self._check_backlog()
        return LATER  # these requests have no response

    def _getcredit(self, msg: Message) -> Any:
        credits = field(msg.args, "credits", int)
        if self.shell.guest.backlog < _BACKLOG_LOW:
            return {"credits": credits}
        self._credit_waits.append(msg)
        return LATER
