# SPDX-License-Identifier: LGPL-3.0-or-later
"""Terminal sessions by number, and the methods by which clients list, start and end them (terminus)."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.process.spawn import ChildProcess, spawn
from rosin.rfc.payload import field, int_field, list_field
from rosin.shell.pty import Pty
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.flux import Flux
    from rosin.rfc.message import Message
    from rosin.shell.service import ShellService

#: Sessions of one server at most: each holds a terminal of the system.
MAX_SESSIONS = 1024


class Session:
    """A terminal with the process in it."""

    __slots__ = ("ctime", "name", "pty")

    def __init__(self, name: str, pty: Pty) -> None:
        self.name = name
        self.pty = pty
        self.ctime = time.time()


class TerminusServer:
    """The sessions of a service. Its methods are those of ``service`` that begin with ``prefix``.

    ``on_empty()`` is called when the last session has gone, ``on_child(child)`` when a process was started
    whose end is to be told to :meth:`child_exit`.
    """

    def __init__(self, h: Flux, service: ShellService, rank: int, prefix: str = "") -> None:
        self._h = h
        self._service = service
        self._prefix = prefix
        self._name = f"{service.name}.{prefix}".rstrip(".")
        self._rank = rank
        self._ctime = time.time()
        self._kill_waits: list[Message] = []
        self.sessions: dict[int, Session] = {}
        self._children: dict[int, tuple[ChildProcess, Pty]] = {}  # processes that this has started
        self.on_empty: Callable[[], None] | None = None
        self.on_child: Callable[[ChildProcess], None] | None = None
        methods: dict[str, Callable[[Message], Any]] = {
            "list": self._list,
            "new": self._new,
            "kill": self._kill,
            "kill-server": self._kill_server,
            "disconnect": self._disconnect,
        }
        for name, method in methods.items():
            service.methods[f"{prefix}{name}"] = _own(method)

    def add(self, number: int, session: Session) -> None:
        """Add a session. Clients attach to it by its method NUMBER."""
        self.sessions[number] = session
        self._service.methods[f"{self._prefix}{number}"] = _own(session.pty.request)
        session.pty.on_complete = lambda: self._remove(number)

    def _remove(self, number: int) -> None:
        del self.sessions[number]
        del self._service.methods[f"{self._prefix}{number}"]
        if self.sessions:
            return
        self._answer_kills()
        if self.on_empty is not None:
            self.on_empty()

    def _answer_kills(self) -> None:
        """Tell who asked for the end of all sessions."""
        waits, self._kill_waits = self._kill_waits, []
        for msg in waits:
            self._h.respond(msg)

    def release(self) -> None:
        """The sessions need not wait for clients any more."""
        for session in list(self.sessions.values()):
            session.pty.release()

    def close(self) -> None:
        """The end of this process: clients are told."""
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
        server = {"service": self._name, "rank": self._rank, "ctime": self._ctime}
        return {"sessions": sessions, "server": server}

    def _new(self, msg: Message) -> dict[str, Any]:
        """Run a command (the user's shell, if none is named) in a terminal of its own."""
        argv = list_field(msg.args, "cmd", str, []) or [os.environ.get("SHELL", "bash")]
        env = dict(field(msg.args, "environ", dict, None) or os.environ)
        cwd = field(msg.args, "cwd", str, None)
        name = field(msg.args, "name", str, "") or argv[0]
        wait = bool(field(msg.args, "wait", (int, bool), 1))
        if len(self.sessions) >= MAX_SESSIONS:
            raise OSError(errno.ENOSPC, f"there are {MAX_SESSIONS} sessions already")
        number = next(n for n in range(len(self.sessions) + 1) if n not in self.sessions)
        env["FLUX_TERMINUS_SESSION"] = str(number)
        pty = Pty(self._h, capture=False, wait=wait)
        try:
            end = pty.follower
            child = spawn(argv, env=env, cwd=cwd, stdin=end, stdout=end, stderr=end, terminal=True)
        except (OSError, TypeError, ValueError) as error:
            pty.close()
            if not self.sessions and self.on_empty is not None:
                self.on_empty()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise OSError(
                getattr(error, "errno", None) or errno.EPROTO, f"failed to run {argv[0]}: {reason}"
            ) from None
        self._children[child.pid] = child, pty
        pty.started(child.pid)
        self.add(number, Session(name, pty))
        if self.on_child is not None:
            self.on_child(child)
        if not wait:
            pty.discard()
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
    """Only the user of the terminals may type into them, not even the owner of the instance."""

    def checked(msg: Message) -> Any:
        if msg.userid != os.getuid():
            raise OSError(errno.EPERM, "only their user may use these terminals")
        return method(msg)

    return checked
