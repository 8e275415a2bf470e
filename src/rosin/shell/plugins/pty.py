# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``pty`` option, and the shell's terminal sessions: methods ``terminus.*`` of its service.

A task with a terminal is session number RANK, with the method ``terminus.RANK`` for its clients. An
interactive one is announced in ``shell.init``, so that whoever follows the job attaches to it.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.process.spawn import ChildProcess, spawn
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field, int_field, list_field
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.pty import Pty
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.rfc.message import Message
    from rosin.shell.task import Task

#: Signals after which a job is not expected to go on.
_ENDING = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGALRM)


class PtyOption:
    """``pty``: ``ranks`` of the tasks with a terminal (None: all), ``interactive``, ``capture``."""

    __slots__ = ("capture", "interactive", "ranks")

    def __init__(self, value: Any) -> None:
        """Raises ShellError."""
        if not isinstance(value, dict):  # plain "-o pty"
            value = {}
        unknown = sorted(value.keys() - {"ranks", "capture", "interactive"})
        if unknown:
            raise ShellError(f"invalid shell pty option: pty.{unknown[0]} is unknown", component="pty")
        self.interactive = _flag(value, "interactive", False)
        self.capture = _flag(value, "capture", not self.interactive)
        self.ranks = _ranks(value.get("ranks", 0 if self.interactive else "all"))


def _flag(value: dict[str, Any], name: str, default: bool) -> bool:
    flag = value.get(name, default)
    if not isinstance(flag, int):
        raise ShellError(
            f"invalid shell pty option: pty.{name}: expected 0 or 1, got {flag!r}", component="pty"
        )
    return bool(flag)


def _ranks(value: Any) -> Idset | None:
    if value == "all":
        return None
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return Idset(str(value))
    except FormatError as error:
        raise ShellError(
            f"invalid shell pty option: pty.ranks: expected an idset, as in 0-3, or all: {error}",
            component="pty",
        ) from None
    raise ShellError(
        f"invalid shell pty option: pty.ranks: expected an idset, got {value!r}", component="pty"
    )


class Session:
    """A terminal with the process in it."""

    __slots__ = ("ctime", "name", "pty")

    def __init__(self, name: str, pty: Pty) -> None:
        self.name = name
        self.pty = pty
        self.ctime = time.time()


class Terminus(ShellPlugin):
    """The sessions of one shell, by number. Those of tasks keep the shell until they have been read."""

    name = "pty"

    def __init__(self, shell: Api) -> None:
        """Opens the terminals of the ``pty`` option. Raises ShellError."""
        super().__init__(shell)
        service = shell.service
        self._h = shell.h
        self._service = service
        self._name = f"{service.name}.terminus"
        self._ctime = time.time()
        self._kill_waits: list[Message] = []
        self.sessions: dict[int, Session] = {}
        self._children: dict[int, tuple[ChildProcess, Pty]] = {}  # processes that are no tasks
        #: Terminals of tasks, by their ranks.
        self.terminals: dict[int, Pty] = {}
        methods: dict[str, Callable[[Message], Any]] = {
            "list": self._list,
            "new": self._new,
            "kill": self._kill,
            "kill-server": self._kill_server,
            "disconnect": self._disconnect,
        }
        for name, method in methods.items():
            service.methods[f"terminus.{name}"] = _own(method)
        if shell.info.options.get("pty") is not None:
            self._open(PtyOption(shell.info.options.get("pty")))

    def _open(self, option: PtyOption) -> None:
        """Make the tasks' terminals, and tell clients in the ``shell.init`` event what they need to know."""
        info, log = self.shell.info, self.shell.log
        ranks = [rank for rank in info.local_tasks if option.ranks is None or rank in option.ranks]
        if option.interactive and info.rank == 0 and 0 not in ranks:
            log.warn("adding pty to rank 0 for interactive support", "pty")
            ranks.append(0)
        for rank in ranks:
            attachable = option.interactive and rank == 0
            # Only the first task can be attached to, so the others' output is lost unless it is captured.
            capture = option.capture or rank != 0
            try:
                pty = Pty(self._h, capture=capture, wait=attachable)
            except OSError as error:
                raise ShellError(f"task {rank}: no terminal: {error.strerror}", component="pty") from None
            self._add(rank, Session(f"task{rank}", pty))
        if option.interactive and 0 in ranks:
            self.shell.announcement["pty"] = "terminus.0"
            if option.capture:
                self.shell.announcement["capture"] = 1
        self.terminals = {rank: session.pty for rank, session in self.sessions.items()}
        if self.terminals:
            self.shell.hold(self.name)

    # --- tasks

    def task_init(self, task: Task) -> None:
        task.terminal = self.terminals.get(task.rank)
        if task.terminal is not None:
            task.env["FLUX_TERMINUS_SESSION"] = str(task.rank)

    def task_fork(self, task: Task) -> None:
        """The task's output is what comes out of its terminal, if that is captured: it has only stdout."""
        terminal = task.terminal
        if terminal is None or task.child is None:
            return
        terminal.started(task.child.pid)
        task.output("stderr", b"", True)
        if not terminal.capture:
            task.output("stdout", b"", True)
            return
        terminal.on_data = lambda data: task.output("stdout", data, False)
        terminal.on_closed = lambda: task.output("stdout", b"", True)

    def _add(self, number: int, session: Session) -> None:
        self.sessions[number] = session
        self._service.methods[f"terminus.{number}"] = _own(session.pty.request)
        session.pty.on_complete = lambda: self._remove(number)

    def _remove(self, number: int) -> None:
        del self.sessions[number]
        del self._service.methods[f"terminus.{number}"]
        if self.sessions:
            return
        self._answer_kills()
        self.shell.release(self.name)

    def _answer_kills(self) -> None:
        """Tell who asked for the end of all sessions."""
        waits, self._kill_waits = self._kill_waits, []
        for msg in waits:
            self._h.respond(msg)

    def shell_kill(self, signum: int) -> None:
        """After most signals the job need not wait for clients."""
        if signum in _ENDING:
            for session in list(self.sessions.values()):
                session.pty.release()

    def shell_exit(self) -> None:
        for session in self.sessions.values():
            session.pty.close()
        self.sessions.clear()
        self._answer_kills()

    # --- requests

    def _list(self, _msg: Message) -> dict[str, Any]:
        sessions = [
            {
                "id": number,
                "name": session.name,
                "clients": len(session.pty.clients),
                "pid": session.pty.pid,
                "exited": int(session.pty.status is not None),
                "ctime": session.ctime,
            }
            for number, session in self.sessions.items()
        ]
        server = {"service": self._name, "rank": self.shell.info.node.rank, "ctime": self._ctime}
        return {"sessions": sessions, "server": server}

    def _new(self, msg: Message) -> dict[str, Any]:
        """Run a command (the user's shell, if none is named) in a terminal of its own, beside the tasks."""
        argv = list_field(msg.args, "cmd", str, []) or [os.environ.get("SHELL", "bash")]
        env = dict(field(msg.args, "environ", dict, None) or os.environ)
        cwd = field(msg.args, "cwd", str, None)
        name = field(msg.args, "name", str, "") or argv[0]
        number = next(n for n in range(len(self.sessions) + 1) if n not in self.sessions)
        env["FLUX_TERMINUS_SESSION"] = str(number)
        pty = Pty(self._h, capture=False, wait=True)
        try:
            end = pty.follower
            child = spawn(argv, env=env, cwd=cwd, stdin=end, stdout=end, stderr=end, terminal=True)
        except (OSError, TypeError, ValueError) as error:
            pty.close()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise OSError(
                getattr(error, "errno", None) or errno.EPROTO, f"failed to run {argv[0]}: {reason}"
            ) from None
        self._children[child.pid] = child, pty
        pty.started(child.pid)
        self._add(number, Session(name, pty))
        return {"name": name, "pty_service": f"{self._name}.{number}", "id": number}

    def child_exit(self, pid: int, status: int) -> None:
        """Perhaps it was in one of these terminals, without being a task."""
        child, pty = self._children.pop(pid, (None, None))
        if child is not None and pty is not None:
            child.reaped(status)
            pty.exited(status)

    def _kill(self, msg: Message) -> Any:
        number = field(msg.args, "id", int)
        signum = int_field(msg.args, "signal", 1, signal.NSIG - 1)
        wait = field(msg.args, "wait", (int, bool), 0)
        session = self.sessions.get(number)
        if session is None:
            raise OSError(errno.ENOENT, f"no session {number}")
        if wait:
            session.pty.watch_exit(msg)
        self._signal(session, signum)
        return LATER if wait else None

    def _kill_server(self, msg: Message) -> Any:
        if not self.sessions:
            return None
        self._kill_waits.append(msg)
        for session in list(self.sessions.values()):
            self._signal(session, signal.SIGKILL)
        return LATER

    def _signal(self, session: Session, signum: int) -> None:
        session.pty.kill(signum)
        session.pty.release()

    def _disconnect(self, msg: Message) -> Any:
        for session in self.sessions.values():
            session.pty.disconnected(msg.sender)
        return LATER


def _own(method: Callable[[Message], Any]) -> Callable[[Message], Any]:
    """Only the job's user may type into its terminals, not even the owner of the instance."""

    def checked(msg: Message) -> Any:
        if msg.userid != os.getuid():
            raise OSError(errno.EPERM, "only the job's user may use its terminals")
        return method(msg)

    return checked
