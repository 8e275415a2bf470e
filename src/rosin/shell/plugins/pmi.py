# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the PMI server of a shell, between the protocol and the tasks' sockets.

Spawning and publishing are refused, as flux-core's shell refuses them.

The key-value space is seeded with what programs and Flux instances look for: ``PMI_process_mapping``,
``flux.taskmap``, ``flux.instance-level``, ``flux.tbon-interface-hint``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.pmi import MAPPING_KEY, VALUE_MAX
from rosin.rfc.pmi.server import Abort, Server
from rosin.rfc.pmi.version2 import Frames, Translator
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.plugins.pmi_exchange import Exchange

if TYPE_CHECKING:
    from rosin.shell.task import Task

    Replies = list[tuple[int, str]]

#: Names for what this shell serves, and for what it could be told not to.
_SERVERS = frozenset(("simple", "pmi1", "pmi2"))
_NONE = frozenset(("off", "none"))
#: Those that flux-core has as plugins, and who needs them.
_ELSEWHERE = {"pmix": "PMIx server, which Open MPI needs", "cray-pals": "PALS server, which Cray MPICH needs"}


def enabled(option: str | None) -> bool:
    """``pmi``: the simple server serves unless the list of wanted ones leaves it out. Raises ShellError."""
    if option is None:
        return True
    wanted = set(option.split(","))
    for name in sorted(wanted - _SERVERS - _NONE - set(_ELSEWHERE)):
        raise ShellError(f"shell option pmi={option}: unknown server {name!r}: expected simple or off")
    served = bool(_SERVERS & wanted)
    for name in sorted(wanted & set(_ELSEWHERE) if not served else ()):
        raise ShellError(
            f"shell option pmi={option}: this job shell has no {_ELSEWHERE[name]}: expected simple or off"
        )
    return served


class Pmi(ShellPlugin):
    """Gives each task a channel, and shares keys with the other shells of the job."""

    name = "pmi"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._enabled = enabled(shell.info.options.optional_string("pmi"))
        self._by_rank: dict[int, Task] = {}
        self._server: Translator | None = None
        self._aborted = False
        self._exchange = Exchange(shell, self._exchanged) if self._enabled and shell.info.size > 1 else None

    def shell_post_init(self) -> None:
        if self._enabled:
            self.shell.log.debug("simple wire protocol is enabled", "pmi-simple")

    def task_init(self, task: Task) -> None:
        if self._enabled:
            task.env["PMI_RANK"] = str(task.rank)
            task.env["PMI_SIZE"] = str(self.shell.info.ntasks)
            task.pmi = True
            task.on_pmi = self.request
            task.on_pmi_end = self._ended

    def _start(self) -> Translator:
        """Most programs never speak PMI, so the server is made for the first that does."""
        info = self.shell.info
        keys: dict[str, str] = {}
        if not info.options.get("pmi-simple.nomap"):
            keys[MAPPING_KEY] = info.taskmap.encode_pmi()
            keys["flux.taskmap"] = _json.dumps(info.taskmap.wrap()).decode()
        level = self.shell.startup.attr("instance-level")
        if level is not None and level.isdigit():
            keys["flux.instance-level"] = str(int(level) + 1)
        hint = self.shell.startup.attr("tbon.interface-hint")
        if hint:
            keys["flux.tbon-interface-hint"] = hint
        if len(keys.get(MAPPING_KEY, "")) >= VALUE_MAX and info.rank == 0:
            self.shell.log.warn("PMI_process_mapping overflows PMI max value.", "pmi-simple")
        short = {key: value for key, value in keys.items() if len(value) < VALUE_MAX}
        server = Server(info.f58, info.ntasks, len(info.local_tasks), short)
        if self._exchange is not None:
            server.exchange = self._exchange.enter
        return Translator(server)

    def _exchanged(self, keys: dict[str, str] | None) -> None:
        """A barrier is over; None: it has failed, which programs are told."""
        assert self._server is not None
        if keys is None:
            self.shell.log.warn("exchange failed", "pmi-simple")
        self._send(self._server.barrier_complete(keys, failed=keys is None))

    def request(self, task: Task, line: str) -> None:
        """Take a line from a task. Raises ShellError when it breaks the protocol or aborts the program."""
        if self._server is None:
            self._server = self._start()
        self.shell.log.trace(f"{task.rank}: C: {line}", "pmi-simple")
        second = len(self._server.second)
        try:
            replies = self._server.request(task.rank, line)
            if len(self._server.second) != second:
                task.pmi_frames(Frames())
            self._send(replies)
        except Abort as abort:
            self._aborted = True
            raise ShellError(f"PMI_Abort: {abort}", abort.code) from None
        except FormatError as error:
            if not self._aborted:
                raise ShellError(f"PMI-1 wire protocol error: {error}") from None
        while self._server.server.warnings:
            self.shell.log.warn(self._server.server.warnings.pop(), "pmi-simple")

    def _ended(self, task: Task) -> None:
        self.shell.log.trace(f"{task.rank}: C: pmi EOF", "pmi-simple")

    def _send(self, replies: Replies) -> None:
        if len(self._by_rank) != len(self.shell.tasks):
            self._by_rank = {task.rank: task for task in self.shell.tasks}
        for rank, text in replies:
            self.shell.log.trace(f"{rank}: S: {text.rstrip()}", "pmi-simple")
            self._by_rank[rank].send_pmi(text)
            if self._server is not None and rank in self._server.server.finalized:
                self.shell.log.trace(f"{rank}: S: pmi finalized", "pmi-simple")
