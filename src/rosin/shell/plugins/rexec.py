# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the subprocess server of a job shell, methods ``rexec.*`` of its service (``rosin exec --jobid``).

Its processes live where the tasks do (node, control group), with the environment that the client sends and,
below it, that of the tasks. They end with the job: SIGTERM when the last task is over, SIGKILL after
``rexec-shutdown-timeout``.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.remote import signed
from rosin.remote.protocol import drain_request, drain_share
from rosin.remote.server import SubprocessServer
from rosin.remote.window import MOST
from rosin.shell.errors import ShellError
from rosin.shell.options import parse_duration
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.reactor import Reactor, Timer
    from rosin.process.zygote import Zygote
    from rosin.remote.command import Command
    from rosin.rfc.message import Message
    from rosin.shell.connection import ShellHandle
    from rosin.shell.log import ShellLog

_SHUTDOWN_TIMEOUT = 60.0
#: Beginnings of the names of variables that a client may have from another job.
_OWN = ("FLUX_JOB_", "FLUX_KVS_NAMESPACE", "FLUX_TERMINUS_SESSION", "CUDA_VISIBLE_DEVICES")


def shutdown_timeout(value: Any) -> float:
    """``rexec-shutdown-timeout``: a duration in seconds. Raises ShellError."""
    seconds = _SHUTDOWN_TIMEOUT if value is None else parse_duration(value)
    if seconds is None:
        raise ShellError(
            f"rexec-shutdown-timeout={value!r} is not a valid Flux Standard Duration: "
            "expected a duration, as in 30s"
        )
    return seconds


class ReactorLoop:
    """The reactor under the names that the subprocess server uses."""

    def __init__(self, handle: ShellHandle) -> None:
        self._h = handle
        self._reactor: Reactor = handle.reactor

    def add_reader(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> None:
        def ready(_events: int) -> None:
            with self._h.corked():  # each line of output is a response: send them together
                callback(*args)

        self._reactor.add_fd(fd, ready)

    def add_writer(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> None:
        self._reactor.add_fd(fd, lambda _events: callback(*args), select.POLLOUT)

    def remove_reader(self, fd: int, /) -> None:
        self._reactor.remove_fd(fd)

    remove_writer = remove_reader  # a descriptor is watched for one of both

    def is_closed(self) -> bool:
        return False

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: Any) -> object:
        return self._reactor.timer(delay, lambda: callback(*args))


class RexecLog:
    """What a background process writes goes to the job's log."""

    def __init__(self, log: ShellLog) -> None:
        self._log = log

    def info(self, text: str) -> None:
        self._log.notice(text, "rexec")

    def error(self, text: str) -> None:
        self._log.error(text, "rexec")


class ShellRexec(ShellPlugin):
    """The server with its requests. The shell stays until its processes have ended."""

    name = "rexec"

    collects = True  # the shell waits for all of its children
    zygote: Zygote | None = None
    keeps = False

    def forsaken(self) -> None:
        """No process here outlives its shell."""

    def __init__(self, shell: Api) -> None:
        """Raises ShellError for a bad option."""
        super().__init__(shell)
        handle, info, service = shell.h, shell.info, shell.service
        self._h = handle
        self._name = f"{service.name}.rexec"
        self._timeout = shutdown_timeout(info.options.get("rexec-shutdown-timeout"))
        self._signed = bool(info.options.get("rexec.sign-required")) or not _parent_is_trusted()
        self._soon: dict[Callable[[], Any], None] = {}
        self._timer: Timer | None = None
        self.rank = info.node.rank
        self.loop = ReactorLoop(handle)
        self.log = RexecLog(shell.log)
        self.respond = handle.respond
        self.respond_error = handle.respond_error
        self.server = SubprocessServer(self)
        requests = (self.server.exec, self.server.wait, self.server.attach)
        for name, method in zip(("exec", "wait", "attach"), requests, strict=True):
            service.methods[f"rexec.{name}"] = self._method(method, LATER)
        service.methods["rexec.kill"] = self._method(self.server.kill, None)
        service.methods["rexec.write"] = self._write
        service.methods["rexec.list"] = self._list
        service.methods["rexec.disconnect"] = self._disconnect

    # --- requests

    def _method(
        self, method: Callable[[Message, dict[str, Any]], None], answer: object
    ) -> Callable[[Message], Any]:
        def call(msg: Message) -> Any:
            method(msg, self._authorize(msg, msg.args))
            return answer

        return call

    def _write(self, msg: Message) -> Any:
        try:
            self.server.write(msg, self._authorize(msg, msg.args))
        except (OSError, ValueError) as error:
            self.log.error(f"Error decoding {msg.topic} request: {error}")
        return LATER  # there is no response

    def _list(self, msg: Message) -> dict[str, Any]:
        self._authorize(msg, msg.args if msg.has_payload else {})
        return self.server.list()

    def _disconnect(self, msg: Message) -> Any:
        self.server.disconnected(msg.sender)
        return LATER

    def _authorize(self, msg: Message, args: dict[str, Any]) -> dict[str, Any]:
        """The payload to act upon. In an instance of another user, who could put any name on a message, only
        a signature counts. Raises OSError (EPERM)."""
        if not self._signed and msg.userid != os.getuid():
            raise OSError(errno.EPERM, "Access denied")
        return signed.payload(args, msg.topic, msg.userid, os.getuid(), self._signed)

    # --- what the server asks of its host

    def environment(self, command: Command) -> dict[str, str]:
        """What the client sends, and of the tasks' environment what it does not; what tells one job from
        another is this job's."""
        job = self.shell.environment
        own = {name: value for name, value in job.items() if name.startswith(_OWN)}
        return {**job, **command.environment(os.environ, self._h.uri), **own}

    def call_soon_once(self, callback: Callable[[], Any]) -> None:
        if not self._soon:
            self._h.reactor.defer(self._run_soon)
        self._soon[callback] = None

    def _run_soon(self) -> None:
        callbacks, self._soon = self._soon, {}
        for callback in callbacks:
            callback()

    def drain(self, msg: Message, done: Callable[[int], None]) -> None:
        self._h.rpc("overlay.drain", drain_request(msg)).then(self._drained, done)

    def _drained(self, rpc: Future, done: Callable[[int], None]) -> None:
        share = MOST
        try:
            share = drain_share(rpc.get())
        except OSError as error:
            if error.errno != errno.ENOSYS:  # flux-core's brokers take all that comes
                self.log.error(f"output of processes may wait in brokers: {error.strerror}")
        except FormatError as error:
            self.log.error(f"output of processes may wait in brokers: {error}")
        done(share)

    # --- the end

    def child_exit(self, pid: int, status: int) -> None:
        self.server.reaped(pid, status)

    def shell_kill(self, signum: int) -> None:
        """While the job runs its signals are for its tasks."""
        if self.server.stopping:
            self.server.end(signum)

    def shell_finish(self) -> None:
        """Start no more and end what runs."""
        self.server.stop()
        self.server.on_empty = lambda: self.shell.release(self.name)
        self.server.end(signal.SIGTERM)
        if self.server.sessions:
            self.shell.hold(self.name)
            self._timer = self._h.reactor.timer(self._timeout, lambda: self.server.end(signal.SIGKILL))

    def shell_exit(self) -> None:
        """The processes end with the shell: clients are told."""
        self.server.abandon("the job shell has ended")
        if self._timer is not None:
            self._timer.cancel()


def _parent_is_trusted() -> bool:
    """Whether the instance runs as this user: a guest's shell has a parent that it may not signal."""
    parent = os.getppid()
    if parent <= 0:
        return False
    try:
        os.kill(parent, 0)
    except OSError:
        return False
    return True
