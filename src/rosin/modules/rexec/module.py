# SPDX-License-Identifier: LGPL-3.0-or-later
"""The rexec module: RFC 42's exec, write, kill, list, wait and attach.

A streaming ``exec`` runs a process in the foreground: its client sees everything and takes it along when it
goes. A plain one starts it in the background: its output goes to the broker's log, and a client may
attach to it or wait for it later. A client that does not read makes the process block on its pipe instead
of filling the broker's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import (
    FLUX_ROLE_LOCAL,
    SUBPROCESS_REXEC_WAITABLE,
    SUBPROCESS_REXEC_WRITE_CREDIT,
)
from rosin.modules.rexec import signed
from rosin.modules.rexec.command import ZYGOTE_OPTION, Command
from rosin.modules.rexec.process import STDIO_FALLTHROUGH
from rosin.modules.rexec.session import Session
from rosin.rfc import ioencode
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: Bytes that may wait for a client before its process is paused, and at which it goes on.
HIGH_WATER = 4 << 20
LOW_WATER = 1 << 20
_LOOK_AGAIN = 0.01  # seconds between two looks at a slow client
#: Seconds that processes have between SIGTERM and SIGKILL when the module stops.
SHUTDOWN_TIMEOUT = 5.0


class Rexec(BrokerModule):
    """Service ``rexec`` on every rank."""

    name = "rexec"

    async def start(self) -> None:
        self.rank = int(self.attrs.get("rank", "0"))
        self.local_uri = self.attrs.get("local-uri", "")
        owner = self.attrs.get("security.owner")
        self.require_signature = owner is not None and owner != str(os.getuid())
        self.stopping = False
        self.sessions: dict[Session, None] = {}  # in order of start
        self.by_pid: dict[int, Session] = {}
        self.by_label: dict[str, Session] = {}
        self.by_request: dict[tuple[bytes, int], Session] = {}
        self.clients: dict[bytes, dict[Session, None]] = {}
        self.with_credit: dict[Session, None] = {}
        self.slow: dict[Session, None] = {}  # paused until their clients have read
        self._empty = asyncio.Event()

    async def stop(self) -> None:
        """End every process: SIGTERM, after a while SIGKILL, and collect them."""
        self.stopping = True
        for session in [s for s in self.sessions if s.process.closed]:
            self._remove(session)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for session in list(self.sessions):
                session.waitable = False
                session.process.last_stand = True
                session.process.resume()
                session.process.signal(signum)
                session.process.signal(signal.SIGCONT)
            if self.sessions:
                self._empty.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._empty.wait(), SHUTDOWN_TIMEOUT)
        for session in list(self.sessions):
            self.log.error(f"process {session.process.pid} survived SIGKILL")

    # -- requests ---------------------------------------------------------------------------------

    @request_handler("exec")
    def exec(self, msg: Message) -> object:
        args = self._authorize(msg)
        if self.stopping:
            raise OSError(errno.ENOSYS, "subprocess server is shutting down")
        flags = field(args, "flags", int)
        local_flags = field(args, "local_flags", int, 0)
        command = Command.decode(field(args, "cmd", dict))
        self._check_mode(msg.streaming, flags, local_flags, command)
        session = Session(self, msg, command, flags)
        self._launch(session, local_flags)
        return DEFERRED

    @request_handler("write")
    def write(self, msg: Message) -> None:
        try:
            args = self._authorize(msg)
            matchtag = field(args, "matchtag", int)
            stream, data, eof = session_io(field(args, "io", dict))
        except (OSError, ValueError) as err:
            self.log.error(f"Error decoding {msg.topic} request: {err}")
            return
        session = self.by_request.get((msg.sender, matchtag))
        if session is not None:  # data for a process that has just ended is no error
            session.write(stream, data, eof)

    @request_handler("kill")
    def kill(self, msg: Message) -> None:
        args = self._authorize(msg)
        signum = field(args, "signum", int)
        session = self._find(args, errno.ESRCH)
        if not 0 <= signum < signal.NSIG:
            raise OSError(errno.EINVAL, f"invalid signal number {signum}")
        if not session.process.signal(signum):
            raise OSError(errno.ESRCH, f"process {session.process.pid} has ended")

    @request_handler("list")
    def list_(self, msg: Message) -> dict[str, Any]:
        self._authorize(msg, empty=True)
        return {"rank": self.rank, "procs": [session.describe() for session in self.sessions]}

    @request_handler("wait")
    def wait(self, msg: Message) -> object:
        session = self._find(self._authorize(msg), errno.ESRCH)
        if not (session.background and session.waitable):
            raise OSError(errno.EINVAL, "process is not waitable")
        if session.waiter is not None:
            raise OSError(errno.EINVAL, "process is already being waited on")
        if session.listener is not None:
            raise OSError(errno.EBUSY, "subprocess has a client attached")
        session.waiter = msg
        self._join(msg.sender, session)
        if session.process.closed:
            self.finish(session)
        return DEFERRED

    @request_handler("attach")
    def attach(self, msg: Message) -> object:
        args = self._authorize(msg)
        flags = field(args, "flags", int)
        if not msg.streaming:
            raise OSError(errno.EPROTO, "attach request is missing STREAMING flag")
        session = self._find(args, errno.ENOENT)
        if not session.background:
            raise OSError(errno.EBUSY, "subprocess is not in background mode")
        if session.listener is not None:
            raise OSError(errno.EBUSY, "subprocess already has a client attached")
        if session.waiter is not None:
            raise OSError(errno.EBUSY, "subprocess is being waited on")
        self._join(msg.sender, session)
        session.attach(msg, flags)
        return DEFERRED

    def disconnected(self, sender: bytes) -> None:
        for session in self.clients.pop(sender, {}):
            if session.waiter is not None and session.waiter.sender == sender:
                session.waiter = None
            if session.listener is not None and session.listener.sender == sender:
                self._silence(session)
                if not session.background:
                    session.process.signal(signal.SIGKILL)
                session.process.resume()

    # -- the parts of exec ------------------------------------------------------------------------

    def _authorize(self, msg: Message, empty: bool = False) -> dict[str, Any]:
        """The payload to act upon. Raises OSError (EPERM) for a sender who may not ask."""
        access = self.config.get("access", {})
        if self.rank == 0 and access.get("allow-guest-user") and not msg.rolemask & FLUX_ROLE_LOCAL:
            raise OSError(errno.EPERM, "Remote rexec requests are not allowed on rank 0")
        args = {} if empty and not msg.has_payload else msg.args
        return signed.payload(args, msg.topic, msg.userid, os.getuid(), self.require_signature)

    def _check_mode(self, foreground: bool, flags: int, local_flags: int, command: Command) -> None:
        if command.label is not None and command.label in self.by_label:
            raise OSError(errno.EEXIST, "command label is not unique")
        if foreground:
            if flags & SUBPROCESS_REXEC_WAITABLE:
                raise OSError(errno.EINVAL, "waitable flag only supported in background mode")
            return
        if flags & SUBPROCESS_REXEC_WRITE_CREDIT:
            raise OSError(errno.EINVAL, "write-credit flag is not allowed in background mode")
        if local_flags & STDIO_FALLTHROUGH:
            raise OSError(errno.EINVAL, "stdio-fallthrough flag is not allowed in background mode")
        if command.channels:
            raise OSError(errno.EINVAL, "auxiliary channels are not allowed in background mode")

    def _launch(self, session: Session, local_flags: int) -> None:
        command = session.command
        self.sessions[session] = None
        if command.label is not None:
            self.by_label[command.label] = session
        if session.listener is not None:
            self.by_request[session.listener.sender, session.listener.matchtag] = session
            self._join(session.listener.sender, session)
        target = command.opts.get(ZYGOTE_OPTION, "")
        try:
            session.process.start(
                command.environment(os.environ, self.local_uri),
                outputs=session.wanted_outputs(),
                with_input=not session.background,
                local_flags=local_flags,
                zygote=self.zygote,
                target=target,
            )
        except OSError as err:
            self._remove(session)
            where = f" in {command.cwd}" if err.filename == command.cwd and command.cwd else ""
            reason = f"error launching process{where}: {os.strerror(err.errno or errno.EIO)}"
            raise OSError(err.errno or errno.EIO, reason) from None
        except BaseException:
            self._remove(session)
            raise

    def _find(self, args: dict[str, Any], missing: int) -> Session:
        pid = field(args, "pid", int)
        label = field(args, "label", (str, type(None)), None)
        if label is not None:
            session = self.by_label.get(label)
            what = f"label {label}"
        else:
            session = self.by_pid.get(pid)
            what = f"pid {pid}"
        if session is None:
            raise OSError(missing, f"{what} does not belong to any subprocess")
        return session

    # -- the table --------------------------------------------------------------------------------

    def _join(self, sender: bytes, session: Session) -> None:
        self.clients.setdefault(sender, {})[session] = None

    def _part(self, sender: bytes, session: Session) -> None:
        held = self.clients.get(sender)
        if held is not None:
            held.pop(session, None)
            if not held:
                del self.clients[sender]

    def _silence(self, session: Session) -> None:
        """Forget the client that listens to a process."""
        msg, session.listener = session.listener, None
        if msg is not None:
            self.by_request.pop((msg.sender, msg.matchtag), None)
            self._part(msg.sender, session)

    def started(self, session: Session) -> None:
        """The process has its id."""
        self.by_pid[session.process.pid] = session

    def grant(self, session: Session) -> None:
        """Announce credit at the end of this turn of the loop."""
        self.with_credit[session] = None
        self.call_soon_once(self._grant_all)

    def _grant_all(self) -> None:
        sessions, self.with_credit = self.with_credit, {}
        for session in sessions:
            session.send_credit()

    def congested(self, session: Session) -> bool:
        """Whether a client is too slow for its process, which is then resumed from here when it has read."""
        if self._backlog(session) <= HIGH_WATER:
            return False
        if not self.slow:
            self.loop.call_later(_LOOK_AGAIN, self._resume_slow)
        self.slow[session] = None
        return True

    def _resume_slow(self) -> None:
        for session in [s for s in self.slow if self._backlog(s) <= LOW_WATER]:
            del self.slow[session]
            session.process.resume()
        if self.slow:
            self.loop.call_later(_LOOK_AGAIN, self._resume_slow)

    def _backlog(self, session: Session) -> int:
        """Bytes on their way to the client of a process, as far as the next hop knows."""
        if session.listener is None or not session.listener.route:
            return 0
        peer = self.broker.router.peers.get(session.listener.route[-1])
        return 0 if peer is None else peer.backlog()

    def failed(self, session: Session) -> None:
        """The process could not be started or broke the protocol; its client has been told."""
        session.waitable = False
        self._remove(session)

    def finish(self, session: Session) -> None:
        """The process is over: answer its waiter, and forget it unless somebody may still wait."""
        if session.background and session.waitable and not self.stopping:
            if session.waiter is None:
                return
            self.respond(session.waiter, session.wait_result())
        self._remove(session)

    def _remove(self, session: Session) -> None:
        self.sessions.pop(session, None)
        self.with_credit.pop(session, None)
        self.slow.pop(session, None)
        if self.by_pid.get(session.process.pid) is session:
            del self.by_pid[session.process.pid]
        label = session.command.label
        if label is not None and self.by_label.get(label) is session:
            del self.by_label[label]
        self._silence(session)
        if session.waiter is not None:
            self._part(session.waiter.sender, session)
            session.waiter = None
        if not self.sessions:
            self._empty.set()


def session_io(io: dict[str, Any]) -> tuple[str, bytes, bool]:
    """Stream, data and end-of-file of an io object (RFC 24). Raises FormatError."""
    decoded = ioencode.decode_data(io)
    return decoded.stream, decoded.data, decoded.eof
