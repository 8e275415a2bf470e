# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: standard input of the tasks.

With ``input.stdin.type=service`` (the default) clients send data to the leader shell's ``stdin`` method.
The leader records it in the job's ``input`` log and hands it to its own tasks at once; other shells watch
the log.
With ``file`` every task opens the file itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin import _size
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc import eventlog, ioencode
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field
from rosin.shell.errors import ShellError
from rosin.shell.guestlog import AGAIN, UNKNOWN
from rosin.shell.options import Options
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message
    from rosin.shell.task import Task

LIMIT_MAX = 32 << 20

Emit = Callable[[str, dict[str, Any]], None]


class TaskInput(ShellPlugin):
    """The leader takes and records input; the other shells watch its log."""

    name = "input"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self.input = Input(shell.info.options, shell.info.ntasks)
        self.prepares = not self.input.is_service
        self._taken = 0  # entries of the log that have been taken
        self._entry = 0  # the one that comes next, in this watch of it
        if shell.leader and self.input.is_service:
            shell.service.methods["stdin"] = self._receive

    def shell_init(self) -> None:
        self.input.check_file()

    def shell_begin(self) -> None:
        if self.shell.leader:
            self.input.begin(lambda name, context: self.shell.guest.append("input", name, context))

    def shell_post_init(self) -> None:
        """From now on the input log exists."""
        if not self.shell.leader and self.input.is_service:
            self._watch()

    def _watch(self) -> None:
        if self.shell.h.lost:
            return
        request = {"id": self.shell.jobid, "path": "guest.input", "flags": 0}
        nodeid = self.shell.startup.source
        rpc = self.shell.h.rpc("job-info.eventlog-watch", request, nodeid, FLUX_RPC_STREAMING)
        rpc.then(self._recorded)

    def task_init(self, task: Task) -> None:
        task.stdin_path = self.input.path

    def _receive(self, msg: Message) -> dict[str, bool] | None:
        """What nobody reads any more is dropped: the answer says so to who would send the rest."""
        return None if self.input.receive(msg.args, self.shell.tasks) else {"unread": True}

    def _recorded(self, rpc: Future) -> None:
        try:
            self._take(eventlog.decode_line(field(rpc.get(), "event", str)))
        except FormatError as error:
            raise ShellError(f"malformed input event: {error}") from None
        except OSError as error:
            if error.errno in UNKNOWN and self.shell.startup.keep:
                self.shell.h.reactor.timer(AGAIN, self._watch)
            elif error.errno != errno.ENODATA:
                raise ShellError(f"job-info.eventlog-watch: {error.strerror}") from None
            return
        rpc.reset()

    def _take(self, event: eventlog.Event) -> None:
        """Another broker, or another watch, tells the log from its beginning."""
        if event.name == "header":
            self._entry = 0
        self._entry += 1
        if self._entry > self._taken:
            self._taken = self._entry
            if event.name == "data":
                deliver(event.context, self.shell.tasks)


class Input:
    """Input of this shell's tasks. ``emit(name, context)`` appends to the input log."""

    def __init__(self, options: Options, ntasks: int) -> None:
        """Raises ShellError for a bad option or an unreadable file."""
        kind = options.string("input.stdin.type", "service")
        if kind not in ("service", "file"):
            raise ShellError(f"input.stdin.type={kind} invalid: expected service or file")
        self.limit, _ = options.size("input.limit", "10M", LIMIT_MAX)
        self.path: str | None = None
        if kind == "file":
            self.path = options.optional_string("input.stdin.path")
            if self.path is None:
                raise ShellError("path for stdin file input not specified")
        self._open = Idset.from_range(0, ntasks - 1)
        self._received = 0
        self._ntasks = ntasks
        self._emit: Emit | None = None

    @property
    def is_service(self) -> bool:
        return self.path is None

    def check_file(self) -> None:
        """One error for the job instead of one per task. Raises ShellError."""
        if self.path is not None:
            try:
                os.close(os.open(self.path, os.O_RDONLY))
            except OSError as error:
                raise ShellError(
                    f"error opening input file '{self.path}': {error.strerror}", component="input.file"
                ) from None

    def begin(self, emit: Emit) -> None:
        """Start the input log (leader only)."""
        self._emit = emit
        emit("header", ioencode.header({"stdin": 1}))
        if self.path is not None:
            emit("redirect", ioencode.redirect("stdin", "all", self.path))

    def receive(self, context: dict[str, Any], tasks: list[Task]) -> bool:
        """Take a request to the leader's ``stdin`` method. False: none of the tasks that it is for reads it.

        Raises FormatError, OSError (ENOSYS: there is no such input, or its end has come, as in flux-core),
        and ShellError when the job's limit is passed."""
        chunk = ioencode.decode_data(context)
        ranks = chunk.ranks()
        if not self.is_service or not self._open or (ranks is not None and not ranks <= self._open):
            raise OSError(errno.ENOSYS, "standard input is closed")
        if self._unread(ranks, tasks):
            return False
        self._received += len(chunk.data)
        if self._received > self.limit:
            raise ShellError(
                f"stdin exceeds {_size.encode(self.limit)} limit. Try file input (flux submit --input=FILE) "
                "or redirect input to your command to avoid the KVS for large amounts of input"
            )
        assert self._emit is not None
        self._emit("data", context)
        if chunk.eof:
            self._open = Idset("") if ranks is None else self._open - ranks
        deliver(context, tasks)
        return True

    def _unread(self, ranks: Idset | None, tasks: list[Task]) -> bool:
        """Whether all tasks that input is for are this shell's and have closed their end, or have ended: what
        nobody reads counts for no limit."""
        meant = [task for task in tasks if ranks is None or task.rank in ranks]
        wanted = self._ntasks if ranks is None else len(ranks)
        return len(meant) == wanted and all(task.deaf for task in meant)


def deliver(context: dict[str, Any], tasks: list[Task]) -> None:
    """Pass a data event on to those of ``tasks`` that it is for. Raises FormatError."""
    chunk = ioencode.decode_data(context)
    ranks = chunk.ranks()
    for task in tasks:
        if ranks is None or task.rank in ranks:
            task.write_stdin(chunk.data, chunk.eof)
