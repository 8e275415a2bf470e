# SPDX-License-Identifier: LGPL-3.0-or-later
"""The two roles of a shell in its job: the leader (shell rank 0), which writes the job's logs and serves its
clients, and the followers, which report to the leader."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.payload import field
from rosin.shell.errors import ShellError
from rosin.shell.follower import LeaderLink
from rosin.shell.outcome import Doom
from rosin.shell.service import LATER
from rosin.shell.stdin import Input, deliver

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message
    from rosin.shell.connection import ShellHandle
    from rosin.shell.guestlog import GuestLog
    from rosin.shell.info import JobInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.output import Output
    from rosin.shell.service import ShellService
    from rosin.shell.task import Task

#: Unacknowledged bytes of output at which tasks are no longer read, and at which they are again.
_BACKLOG_HIGH = 16 << 20
_BACKLOG_LOW = 4 << 20


class Head:
    """What both roles have in common. ``tasks`` is the (live) list of this shell's tasks."""

    def __init__(self, handle: ShellHandle, info: JobInfo, log: ShellLog, tasks: list[Task]) -> None:
        self.h = handle
        self.info = info
        self.log = log
        self.tasks = tasks
        self.input = Input(info.options, info.ntasks)
        #: Called with True to stop reading tasks, with False to go on.
        self.on_pause: Callable[[bool], None] | None = None
        #: Called when nothing keeps this shell from ending once its own tasks are complete.
        self.on_released: Callable[[], None] | None = None

    def _pause(self, paused: bool) -> None:
        if self.on_pause is not None:
            self.on_pause(paused)


class Leader(Head):
    """Shell rank 0."""

    def __init__(
        self,
        handle: ShellHandle,
        info: JobInfo,
        log: ShellLog,
        tasks: list[Task],
        guest: GuestLog,
        service: ShellService,
    ) -> None:
        super().__init__(handle, info, log, tasks)
        self.guest = guest
        self.output: Output | None = None
        self._doom = Doom(info.options, info.spec.command[0].rpartition("/")[2])
        self._timer: Any = None
        self._exited = False
        self._active = set(range(info.size))
        self._exchange: list[tuple[Message, dict[str, str]]] = []
        self._own_keys: dict[str, str] | None = None
        self._exchanged: Callable[[dict[str, str]], None] | None = None
        self._credit_waits: list[Message] = []
        guest.on_progress = self._progress
        if self.input.is_service:
            service.methods["stdin"] = self._stdin
        if info.size > 1:
            service.methods["write"] = self._write
            service.methods["write-getcredit"] = self._getcredit
            service.methods["doom"] = self._remote_exit
            service.methods["tasks-complete"] = self._remote_complete
            service.methods["exception"] = self._exception
            service.methods["pmi-exchange"] = self._pmi_exchange
        self._service = service

    @property
    def released(self) -> bool:
        """No other shell will send anything any more."""
        return not self._active

    # --- the logs

    def emit(self, name: str, context: dict[str, Any]) -> None:
        """Append to the output log. The end of a stream waits a little: more is likely to follow."""
        lazy = name == "data" and "data" not in context
        self.guest.append("output", name, context, lazy=lazy)

    def begin(self) -> None:
        """Write the headers."""
        assert self.output is not None
        self.output.header()
        self.output.redirects(lambda template: self.info.render(template, shell_rank=self.info.size))
        self.input.begin(lambda name, context: self.guest.append("input", name, context))

    def announce(self) -> None:
        """``shell.init``: clients may now use the service."""
        context = {
            "service": self._service.name,
            "leader-rank": self.info.node.rank,
            "size": self.info.size,
            **self.info.announcement,
        }
        self.guest.append(KEY, "shell.init", context)

    def started(self) -> None:
        """``shell.start``: all tasks of all shells have been started."""
        context = {"taskmap": self.info.taskmap.wrap()}
        self.guest.append(KEY, "shell.start", context, lazy=True)

    def check_backlog(self) -> None:
        """Flow control, after output was added."""
        if self.guest.backlog > _BACKLOG_HIGH:
            self._pause(True)

    def _progress(self) -> None:
        if self.guest.backlog < _BACKLOG_LOW:
            self._pause(False)
            waits, self._credit_waits = self._credit_waits, []
            for msg in waits:
                self.h.respond(msg, {"credits": msg.args["credits"]})

    # --- the end of tasks

    def task_exit(self, info: dict[str, Any]) -> None:
        """A task of the job is complete; only the first is recorded. Raises ShellError (exit-on-error)."""
        if self._exited:
            return
        self._exited = True
        self.guest.append(KEY, "shell.task-exit", info, lazy=True)
        self._doom.first_exit(info["rank"], self.info.host_of(info["rank"]), info["wait_status"])
        if self._doom.timeout is not None:
            self._timer = self.h.reactor.timer(self._doom.timeout, self._expired)

    def _expired(self) -> None:
        raise self._doom.expired()

    def shell_complete(self, shell_rank: int) -> None:
        """All tasks of a shell are complete, or that shell is lost."""
        self._active.discard(shell_rank)
        if self._active:
            return
        if self._timer is not None:
            self._timer.cancel()
        if self.on_released is not None:
            self.on_released()

    # --- the service

    def _stdin(self, msg: Message) -> None:
        self.input.receive(msg.args, self.tasks)

    def _write(self, msg: Message) -> Any:
        assert self.output is not None
        self.output.remote(field(msg.args, "name", str), field(msg.args, "context", dict))
        self.check_backlog()
        return LATER  # these requests have no response

    def _getcredit(self, msg: Message) -> Any:
        credits = field(msg.args, "credits", int)
        if self.guest.backlog < _BACKLOG_LOW:
            return {"credits": credits}
        self._credit_waits.append(msg)
        return LATER

    def _remote_exit(self, msg: Message) -> Any:
        for name in ("rank", "wait_status"):
            field(msg.args, name, int)
        self.task_exit(dict(msg.args))
        return LATER

    def _remote_complete(self, msg: Message) -> Any:
        self.shell_complete(field(msg.args, "shell_rank", int))
        return LATER

    def _exception(self, msg: Message) -> None:
        kind = field(msg.args, "type", str)
        shell_rank = field(msg.args, "shell_rank", int)
        message = field(msg.args, "message", str, "")
        if message:
            self.log.warn(message)
        if kind == "lost-shell":
            self.shell_complete(shell_rank)

    # --- PMI between shells

    def exchange(self, keys: dict[str, str], done: Callable[[dict[str, str]], None]) -> None:
        """Put ``keys`` in; ``done`` gets everybody's when every shell has done so."""
        self._own_keys, self._exchanged = dict(keys), done
        self._finish_exchange()

    def _pmi_exchange(self, msg: Message) -> Any:
        self._exchange.append((msg, field(msg.args, "dict", dict)))
        self._finish_exchange()
        return LATER

    def _finish_exchange(self) -> None:
        if self._own_keys is None or len(self._exchange) < self.info.size - 1:
            return
        everything = dict(self._own_keys)
        for _, keys in self._exchange:
            everything |= keys
        for msg, _ in self._exchange:
            self.h.respond(msg, {"dict": everything})
        self._exchange, self._own_keys = [], None
        if self._exchanged is not None:
            self._exchanged(everything)


class Follower(Head):
    """Any other shell of a job."""

    def __init__(
        self, handle: ShellHandle, info: JobInfo, log: ShellLog, tasks: list[Task], service: ShellService
    ) -> None:
        super().__init__(handle, info, log, tasks)
        self.output: Output | None = None
        self._link = LeaderLink(handle, service.name, info.resources.nodes[0].rank, info.rank)
        self._link.on_pause = self._pause
        self._link.on_error = lambda error: log.error(f"output is stopped: {error}")
        self._service = service
        self._exited = False
        self.released = True

    def emit(self, name: str, context: dict[str, Any]) -> None:
        """Send an entry of the output log to the leader."""
        self._link.write(name, context)

    def begin(self) -> None:
        """The leader writes the headers."""

    def announce(self) -> None:
        """The leader announces; from now on the input log exists."""
        if self.input.is_service:
            request = {"id": self.info.jobid, "path": "guest.input", "flags": 0}
            self.h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING).then(self._stdin)

    def started(self) -> None:
        """The leader says so."""

    def check_backlog(self) -> None:
        """Credits stop the tasks here."""

    def task_exit(self, info: dict[str, Any]) -> None:
        """Tell the leader of the first local task that is complete."""
        if not self._exited:
            self._exited = True
            self._link.notify("doom", info)

    def shell_complete(self, shell_rank: int) -> None:
        """Tell the leader that this shell's tasks are complete."""
        self._link.notify("tasks-complete", {"shell_rank": shell_rank})
        if self.on_released is not None:
            self.on_released()

    def exchange(self, keys: dict[str, str], done: Callable[[dict[str, str]], None]) -> None:
        """Put ``keys`` in; ``done`` gets everybody's."""
        rank = self.info.resources.nodes[0].rank
        rpc = self.h.rpc(f"{self._service.name}.pmi-exchange", {"dict": keys}, rank)
        rpc.then(lambda future: done(_exchanged_keys(future)))

    def _stdin(self, rpc: Future) -> None:
        try:
            event = eventlog.decode_line(field(rpc.get(), "event", str))
            if event.name == "data":
                deliver(event.context, self.tasks)
        except FormatError as error:
            raise ShellError(f"malformed input event: {error}") from None
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise ShellError(f"job-info.eventlog-watch: {error.strerror}") from None
            return
        rpc.reset()


def _exchanged_keys(future: Future) -> dict[str, str]:
    try:
        return dict(field(future.get(), "dict", dict))
    except (OSError, FormatError) as error:
        raise ShellError(f"PMI exchange failed: {error}") from None
