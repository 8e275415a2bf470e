# SPDX-License-Identifier: LGPL-3.0-or-later
"""A shell without processes, for its plugins: what it would send is kept, answers are given by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rosin.constants import FLUX_ROLE_USER
from rosin.handle.rpc import RPC
from rosin.rfc.message import Message
from rosin.shell.info import ShellInfo
from rosin.shell.plugins import table
from rosin.shell.plugins.api import Api

JOBID = 1234


class FakeRPC:
    """A request under way."""

    def __init__(self, topic: str, payload: Any) -> None:
        self.topic = topic
        self.payload = payload
        self.value: Any = None
        self.answered = False
        self._callback: Callable[[], Any] = lambda: None

    def then(self, callback: Callable[..., Any], *args: Any, timeout: float | None = None) -> FakeRPC:
        self._callback = lambda: callback(self, *args)
        return self

    def answer(self, value: Any) -> None:
        """Give the answer, an OSError for one that failed."""
        self.value = value
        self.answered = True
        self._callback()

    def is_ready(self) -> bool:
        return self.answered

    def stop(self) -> None:
        self._callback = lambda: None

    def get(self) -> Any:
        if isinstance(self.value, OSError):
            raise self.value
        return self.value

    get_raw = get

    def reset(self) -> None:
        pass


class FakeTimer:
    """One that never fires by itself."""

    def __init__(self, after: float, callback: Callable[[], Any]) -> None:
        self.after = after
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeHandle:
    """The handle and its reactor."""

    uri = "local:///nowhere"
    lost = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, int | None]] = []
        self.rpcs: list[FakeRPC] = []
        self.responses: list[tuple[str, int, Any]] = []
        self.timers: list[FakeTimer] = []
        self.subscribed: list[str] = []
        self.watched: dict[int, Callable[[int], Any]] = {}
        self.reactor = self
        self.event: Callable[[Message], None] = lambda msg: None
        self.request: Callable[[Message], None] = lambda msg: None

    def rpc(self, topic: str, payload: Any = None, nodeid: int | None = None, flags: int = 0) -> FakeRPC:
        self.sent.append((topic, payload, nodeid))
        self.rpcs.append(FakeRPC(topic, payload))
        return self.rpcs[-1]

    def begin(self, rpc: RPC, payload: Any, flags: int) -> None:
        """What an RPC of the client API does; nobody answers it."""
        self.sent.append((rpc.topic, payload, rpc.nodeid))

    def find(self, topic: str) -> FakeRPC:
        """The first request of a topic."""
        return next(rpc for rpc in self.rpcs if rpc.topic == topic)

    def timer(self, after: float, callback: Callable[[], Any], repeat: float = 0.0) -> FakeTimer:
        self.timers.append(FakeTimer(after, callback))
        return self.timers[-1]

    def defer(self, callback: Callable[[], Any]) -> None:
        callback()

    def add_fd(self, fd: int, callback: Callable[[int], Any], events: int = 0) -> None:
        self.watched[fd] = callback

    def remove_fd(self, fd: int) -> None:
        self.watched.pop(fd, None)

    def on_event(self, topic: str, callback: Callable[[Message], None]) -> None:
        self.event = callback

    def event_subscribe(self, topic: str) -> None:
        self.subscribed.append(topic)

    def on_request(
        self, glob: str, callback: Callable[[Message], None], *, allow_guest: bool = False
    ) -> None:
        self.request = callback

    def respond(self, msg: Message, payload: Any = None) -> None:
        self.responses.append((_method(msg), 0, payload))

    def respond_error(self, msg: Message, errnum: int, text: str | None = None) -> None:
        self.responses.append((_method(msg), errnum, text))


def _method(msg: Message) -> str:
    return msg.topic.partition(".")[2]


class FakeGuest:
    """The job's logs."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, Any]] = []
        self.backlog = 0
        self.on_progress: Callable[[], None] = lambda: None

    def append(self, key: str, name: str, context: Any = None, *, lazy: bool = False) -> None:
        self.entries.append((key, name, context))


class FakeTask:
    """A task without a process, which is what its child is, too."""

    def __init__(self, rank: int = 0, localid: int = 0, argv: list[str] | None = None) -> None:
        self.rank = rank
        self.localid = localid
        self.argv = argv or ["prog"]
        self.env: dict[str, str] = {}
        self.child: Any = self
        self.pid = 100 + rank
        self.status: int | None = 0
        self.deaf = False
        self.pmi = False
        self.terminal: Any = None
        self.stdin_path: str | None = None
        self.line: dict[str, bool] = {}
        self.paused: list[bool] = []
        self.input: list[tuple[bytes, bool]] = []
        self.said: list[str] = []
        self.got: list[tuple[str, bytes, bool]] = []
        self.on_pmi: Any = None
        self.on_output: Any = None

    def pause(self, paused: bool) -> None:
        self.paused.append(paused)

    def write_stdin(self, data: bytes, eof: bool) -> None:
        self.input.append((data, eof))

    def send_pmi(self, text: str) -> None:
        self.said.append(text)

    def output(self, stream: str, data: bytes, eof: bool) -> None:
        self.got.append((stream, data, eof))


class FakeShell(Api):
    """A shell of a job with a task on each of ``size`` nodes, on brokers 3, 7, 8 ...; its own is ``rank``."""

    h: Any
    guest: Any

    def __init__(
        self,
        options: dict[str, Any] | None = None,
        *,
        rank: int = 3,
        size: int = 2,
        ntasks: int | None = None,
        environment: dict[str, str] | None = None,
        keep: float = 0.0,
        **system: Any,
    ) -> None:
        handle: Any = FakeHandle()
        attrs = {"rundir": "/nowhere", "security.owner": str(os.getuid())}
        super().__init__(handle, JOBID, {}, {"attrs": attrs, "keep": keep})
        self.guest = FakeGuest()
        self.logged: list[tuple[int, str]] = []
        self.log.sink = lambda context: self.logged.append((context["level"], context["message"]))
        self.signals: list[int] = []
        self.kill = self.signals.append
        self.released = 0
        self.on_release = self._count_release
        count = ntasks or size
        slot = {"type": "slot", "count": count, "label": "t", "with": [{"type": "core", "count": 1}]}
        system = {
            "duration": 0,
            "environment": environment or {},
            "shell": {"options": options or {}},
            **system,
        }
        spec = {
            "version": 1,
            "resources": [slot],
            "tasks": [{"command": ["/bin/prog"], "slot": "t", "count": {"per_slot": 1}}],
            "attributes": {"system": system},
        }
        ranks = [3, *range(7, 6 + size)]
        cores = f"0-{count // size - 1}" if count > size else "0"
        lite = [{"rank": str(rank), "children": {"core": cores}} for rank in ranks]
        nodelist = [f"n{rank}" for rank in ranks]
        R = {"version": 1, "execution": {"R_lite": lite, "nslots": count, "nodelist": nodelist}}
        self.info = ShellInfo(JOBID, spec, R, rank)

    def _count_release(self) -> None:
        self.released += 1

    def load(self, *names: str) -> Any:
        """Make these plugins; returns the last one."""
        for name in names:
            table.load(self, name)
        return next(plugin for plugin in self.stack if plugin.name == names[-1])

    def request(self, method: str, payload: Any, sender: bytes = b"client") -> Message:
        """Call a method of the shell's service, as its user."""
        msg = Message.request(f"{self.service.name}.{method}", payload, matchtag=1)
        msg.rolemask, msg.userid, msg.route = FLUX_ROLE_USER, os.getuid(), [sender]
        self.h.request(msg)
        return msg
