# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the PMI server of a shell, between the protocol and the tasks' sockets.

Spawning and publishing are refused, as flux-core's shell refuses them.

The key-value space is seeded with what programs and Flux instances look for: ``PMI_process_mapping``,
``flux.taskmap``, ``flux.instance-level``, ``flux.tbon-interface-hint``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.pmi import MAPPING_KEY, VALUE_MAX
from rosin.rfc.pmi.server import Abort, Server
from rosin.shell.errors import ShellError

if TYPE_CHECKING:
    from rosin.shell.info import JobInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.startup import Startup
    from rosin.shell.task import Task

    Replies = list[tuple[int, str]]

Exchange = Callable[[dict[str, str], Callable[[dict[str, str]], None]], None]


class PmiService:
    """``exchange(keys, done)`` shares keys with the other shells of the job."""

    def __init__(
        self, info: JobInfo, log: ShellLog, startup: Startup, exchange: Exchange, tasks: list[Task]
    ) -> None:
        self._info = info
        self._log = log
        self._startup = startup
        self._exchange = exchange
        self._tasks = tasks
        self._by_rank: dict[int, Task] = {}
        self._server: Server | None = None
        self._aborted = False

    def _start(self) -> Server:
        """Most programs never speak PMI, so the server is made for the first that does."""
        info = self._info
        keys: dict[str, str] = {}
        if not info.options.get("pmi-simple.nomap"):
            keys[MAPPING_KEY] = info.taskmap.encode_pmi()
            keys["flux.taskmap"] = _json.dumps(info.taskmap.wrap()).decode()
        level = self._startup.attr("instance-level")
        if level is not None and level.isdigit():
            keys["flux.instance-level"] = str(int(level) + 1)
        hint = self._startup.attr("tbon.interface-hint")
        if hint:
            keys["flux.tbon-interface-hint"] = hint
        if len(keys.get(MAPPING_KEY, "")) >= VALUE_MAX and info.rank == 0:
            self._log.warn("PMI_process_mapping overflows PMI max value.", "pmi-simple")
        short = {key: value for key, value in keys.items() if len(value) < VALUE_MAX}
        server = Server(info.f58, info.ntasks, len(info.local_tasks), short)
        if info.size > 1:
            server.exchange = lambda pending: self._exchange(dict(pending), self._exchanged)
        return server

    def _exchanged(self, keys: dict[str, str]) -> None:
        assert self._server is not None
        self._send(self._server.barrier_complete(keys))

    def request(self, task: Task, line: str) -> None:
        """Take a line from a task. Raises ShellError when it breaks the protocol or aborts the program."""
        if self._server is None:
            self._server = self._start()
        self._log.trace(f"{task.rank}: C: {line}", "pmi-simple")
        try:
            self._send(self._server.request(task.rank, line))
        except Abort as abort:
            self._aborted = True
            raise ShellError(f"PMI_Abort: {abort}", abort.code) from None
        except FormatError as error:
            if not self._aborted:
                raise ShellError(f"PMI-1 wire protocol error: {error}") from None
        while self._server.warnings:
            self._log.warn(self._server.warnings.pop(), "pmi-simple")

    def _send(self, replies: Replies) -> None:
        if len(self._by_rank) != len(self._tasks):
            self._by_rank = {task.rank: task for task in self._tasks}
        for rank, text in replies:
            self._log.trace(f"{rank}: S: {text.rstrip()}", "pmi-simple")
            self._by_rank[rank].send_pmi(text)
