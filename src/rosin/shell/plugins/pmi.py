# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the PMI server of a shell, between the protocol and the tasks' sockets.

Spawning and publishing are refused, as flux-core's shell refuses them.

The key-value space is seeded with what programs and Flux instances look for: ``PMI_process_mapping``,
``flux.taskmap``, ``flux.instance-level``, ``flux.tbon-interface-hint``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.payload import field
from rosin.rfc.pmi import MAPPING_KEY, VALUE_MAX
from rosin.rfc.pmi.server import Abort, Server
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message
    from rosin.shell.task import Task

    Replies = list[tuple[int, str]]

#: Names for what this shell serves, and for what it could be told not to.
_SERVERS = frozenset(("simple", "pmi1", "pmi2"))
_ELSEWHERE = frozenset(("off", "none", "pmix", "cray-pals"))


def enabled(option: str | None) -> bool:
    """``pmi``: the simple server serves unless the list of wanted ones leaves it out. Raises ShellError."""
    if option is None:
        return True
    wanted = set(option.split(","))
    for name in sorted(wanted - _SERVERS - _ELSEWHERE):
        raise ShellError(f"shell option pmi={option}: unknown server {name!r}: expected simple or off")
    return bool(_SERVERS & wanted)


class Pmi(ShellPlugin):
    """Gives each task a channel, and shares keys with the other shells of the job, by way of the leader."""

    name = "pmi"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._enabled = enabled(shell.info.options.optional_string("pmi"))
        self._by_rank: dict[int, Task] = {}
        self._server: Server | None = None
        self._aborted = False
        self._keys: Exchange | None = None
        if shell.leader and shell.info.size > 1:
            self._keys = Exchange(shell)

    def task_init(self, task: Task) -> None:
        if self._enabled:
            task.env["PMI_RANK"] = str(task.rank)
            task.env["PMI_SIZE"] = str(self.shell.info.ntasks)
            task.pmi = True
            task.on_pmi = self.request

    def _start(self) -> Server:
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
        if info.size > 1:
            server.exchange = self._exchange
        return server

    def _exchange(self, pending: Mapping[str, str]) -> None:
        if self._keys is not None:
            self._keys.put(dict(pending), self._exchanged)
        else:
            self.shell.ask("pmi-exchange", {"dict": dict(pending)}).then(self._answered)

    def _answered(self, future: Future) -> None:
        try:
            keys = dict(field(future.get(), "dict", dict))
        except (OSError, FormatError) as error:
            raise ShellError(f"PMI exchange failed: {error}") from None
        self._exchanged(keys)

    def _exchanged(self, keys: dict[str, str]) -> None:
        assert self._server is not None
        self._send(self._server.barrier_complete(keys))

    def request(self, task: Task, line: str) -> None:
        """Take a line from a task. Raises ShellError when it breaks the protocol or aborts the program."""
        if self._server is None:
            self._server = self._start()
        self.shell.log.trace(f"{task.rank}: C: {line}", "pmi-simple")
        try:
            self._send(self._server.request(task.rank, line))
        except Abort as abort:
            self._aborted = True
            raise ShellError(f"PMI_Abort: {abort}", abort.code) from None
        except FormatError as error:
            if not self._aborted:
                raise ShellError(f"PMI-1 wire protocol error: {error}") from None
        while self._server.warnings:
            self.shell.log.warn(self._server.warnings.pop(), "pmi-simple")

    def _send(self, replies: Replies) -> None:
        if len(self._by_rank) != len(self.shell.tasks):
            self._by_rank = {task.rank: task for task in self.shell.tasks}
        for rank, text in replies:
            self.shell.log.trace(f"{rank}: S: {text.rstrip()}", "pmi-simple")
            self._by_rank[rank].send_pmi(text)


class Exchange:
    """The leader's part: everybody gets everybody's keys when every shell has put its own in."""

    def __init__(self, shell: Api) -> None:
        self._shell = shell
        self._others: list[tuple[Message, dict[str, str]]] = []
        self._own: dict[str, str] | None = None
        self._done: Callable[[dict[str, str]], None] | None = None
        shell.service.methods["pmi-exchange"] = self._request

    def put(self, keys: dict[str, str], done: Callable[[dict[str, str]], None]) -> None:
        """Put the leader's own keys in; ``done`` gets all."""
        self._own, self._done = keys, done
        self._check()

    def _request(self, msg: Message) -> Any:
        self._others.append((msg, field(msg.args, "dict", dict)))
        self._check()
        return LATER

    def _check(self) -> None:
        if self._own is None or len(self._others) < self._shell.info.size - 1:
            return
        everything = dict(self._own)
        for _, keys in self._others:
            everything |= keys
        for msg, _ in self._others:
            self._shell.h.respond(msg, {"dict": everything})
        self._others, self._own = [], None
        if self._done is not None:
            self._done(everything)
