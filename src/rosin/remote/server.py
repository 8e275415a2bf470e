# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the methods exec, write, kill, list, wait and attach, and the table of processes behind them.

A streaming ``exec`` runs a process in the foreground: its client sees everything and takes it along when it
goes. A plain one starts it in the background: its output goes to the host's log, and a client may attach to
it or wait for it later. A client that does not read makes the process block on its pipe instead of filling
memory.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.constants import SUBPROCESS_REXEC_WAITABLE, SUBPROCESS_REXEC_WRITE_CREDIT
from rosin.process import refused
from rosin.remote.command import Command, is_job_shell
from rosin.remote.protocol import KEEP_OPTION, STDIO_FALLTHROUGH, ZYGOTE_OPTION
from rosin.remote.session import ProcessSession
from rosin.remote.window import Window
from rosin.rfc import ioencode
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.process.kept import KeptProcess
    from rosin.remote.host import SubprocessHost
    from rosin.remote.process import Process
    from rosin.rfc.message import Message


def signal_field(args: dict[str, Any]) -> int:
    """The signal that a request is to send, 0 for none. Raises FormatError, and OSError EINVAL."""
    signum = field(args, "signum", int)
    if not 0 <= signum < signal.NSIG:
        raise OSError(errno.EINVAL, f"invalid signal number {signum}")
    return signum


class SubprocessServer:
    """The table of processes. ``on_empty()`` is called when the last one is forgotten.

    The methods named after requests take the request and the payload to act upon. They raise OSError and
    FormatError, which are the answer. ``exec``, ``wait`` and ``attach`` answer by themselves else.
    """

    def __init__(self, host: SubprocessHost) -> None:
        self.host = host
        self.rank = host.rank
        self.loop = host.loop
        self.log = host.log
        self.collects = host.collects
        self.respond = host.respond
        self.respond_error = host.respond_error
        self.stopping = False
        self.sessions: dict[ProcessSession, None] = {}  # in order of start
        self.by_pid: dict[int, ProcessSession] = {}
        self.by_label: dict[str, ProcessSession] = {}
        self.by_request: dict[tuple[bytes, int], ProcessSession] = {}
        self.clients: dict[bytes, dict[ProcessSession, None]] = {}
        self.with_credit: dict[ProcessSession, None] = {}
        self._windows: dict[bytes, Window] = {}  # by client: what is on its way there
        self._children: dict[int, Process] = {}  # those that the host collects
        self.on_empty: Callable[[], None] | None = None

    def stop(self) -> None:
        """Start nothing any more, and forget what has ended."""
        self.stopping = True
        for session in [s for s in self.sessions if s.process.closed]:
            self._remove(session)

    def end(self, signum: int) -> None:
        """Signal every process for the sake of its end."""
        for session in list(self.sessions):
            session.waitable = False
            session.process.last_stand = True
            session.process.resume()
            session.process.signal(signum)
            session.process.signal(signal.SIGCONT)

    def adopt(self, kept: KeptProcess) -> None:
        """Go on with a job shell that the broker before this one has started. Raises FormatError."""
        command = Command.decode(
            {"env": {}, "opts": {}, "channels": [], **field({"keep": kept.keep}, "keep", dict)}
        )
        session = ProcessSession(self, None, command, 0)
        session.forsaken = time.monotonic()
        self.sessions[session] = None
        if command.label is not None:
            self.by_label[command.label] = session
        session.process.adopt(kept)

    def leave(self) -> None:
        """Leave those processes to the next broker that can do without this one."""
        for session in [s for s in self.sessions if s.process.outlives]:
            self._remove(session)
            session.process.leave()

    def end_unclaimed(self, seconds: float) -> list[str]:
        """Kill those that have waited for a client for so long, as none is going to come; their labels."""
        since = time.monotonic() - seconds
        unclaimed = [s for s in self.sessions if s.forsaken is not None and s.forsaken <= since]
        for session in unclaimed:
            session.forsaken, session.waitable = None, False
            session.process.signal(signal.SIGKILL)
            if session.process.closed:
                self._remove(session)
        return [session.command.label or "" for session in unclaimed]

    def abandon(self, text: str) -> None:
        """The host cannot stay until the end of the processes: tell clients so, and do no more."""
        self.stopping = True
        self.on_empty = None
        for session in self.sessions:
            for msg in (session.listener, session.waiter):
                if msg is not None:
                    self.respond_error(msg, errno.ECANCELED, text)
            session.listener = session.waiter = None

    def reaped(self, pid: int, status: int) -> bool:
        """A child of the host has ended; whether it was one of these."""
        process = self._children.pop(pid, None)
        if process is not None:
            process.reaped(status)
        return process is not None

    # -- requests ---------------------------------------------------------------------------------

    def exec(self, msg: Message, args: dict[str, Any]) -> None:
        if self.stopping:
            raise OSError(errno.ENOSYS, "subprocess server is shutting down")
        flags = field(args, "flags", int)
        local_flags = field(args, "local_flags", int, 0)
        command = Command.decode(field(args, "cmd", dict))
        self._check_mode(msg.streaming, flags, local_flags, command)
        session = ProcessSession(self, msg, command, flags)
        self._launch(session, local_flags)

    def write(self, msg: Message, args: dict[str, Any]) -> None:
        matchtag = field(args, "matchtag", int)
        io = ioencode.decode_data(field(args, "io", dict))
        session = self.by_request.get((msg.sender, matchtag))
        if session is not None:  # data for a process that has just ended is no error
            session.write(io.stream, io.data, io.eof)

    def kill(self, _msg: Message, args: dict[str, Any]) -> None:
        session = self._find(args, errno.ESRCH)
        signum = signal_field(args)
        if not session.process.signal(signum):
            raise OSError(errno.ESRCH, f"process {session.process.pid} has ended")

    def list(self) -> dict[str, Any]:
        return {"rank": self.rank, "procs": [session.describe() for session in self.sessions]}

    def wait(self, msg: Message, args: dict[str, Any]) -> None:
        session = self._find(args, errno.ESRCH)
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

    def attach(self, msg: Message, args: dict[str, Any]) -> None:
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

    def keep(self, msg: Message, args: dict[str, Any]) -> None:
        """The sender's process is to outlive it; whoever attaches gets what it has written meanwhile.

        Rosin's own: in RFC 42 a process is either in the foreground or in the background.
        """
        session = self._find(args, errno.ENOENT)
        if session.listener is None or session.listener.sender != msg.sender:
            raise OSError(errno.EBUSY, "subprocess belongs to another client")
        self._silence(session)
        session.process.resume()
        session.keep()

    def disconnected(self, sender: bytes) -> None:
        self._windows.pop(sender, None)
        for session in self.clients.pop(sender, {}):
            if session.waiter is not None and session.waiter.sender == sender:
                session.waiter = None
            if session.listener is not None and session.listener.sender == sender:
                self._silence(session)
                if not session.background and session.process.outlives:
                    session.keep()
                    session.forsaken = time.monotonic()
                    self.host.forsaken()
                elif not session.background:
                    session.process.signal(signal.SIGKILL)
                session.process.resume()

    # -- the parts of exec ------------------------------------------------------------------------

    def _check_mode(self, foreground: bool, flags: int, local_flags: int, command: Command) -> None:
        if (
            command.label is not None
            and command.label in self.by_label
            and not self._supersede(command.label)
        ):
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

    def _supersede(self, label: str) -> bool:
        """Kill who has this label and waits for a client: it is of a start that nobody remembers."""
        session = self.by_label[label]
        if session.kept:
            session.waitable = False
            session.process.signal(signal.SIGKILL)
            del self.by_label[label]
        return session.kept

    def _launch(self, session: ProcessSession, local_flags: int) -> None:
        command = session.command
        environment = self.host.environment(command)
        self.sessions[session] = None
        if command.label is not None:
            self.by_label[command.label] = session
        if session.listener is not None:
            self.by_request[session.listener.sender, session.listener.matchtag] = session
            self._join(session.listener.sender, session)
        target = command.opts.get(ZYGOTE_OPTION, "")
        try:
            session.process.start(
                environment,
                outputs=session.wanted_outputs(),
                with_input=not session.background,
                local_flags=local_flags,
                zygote=self.host.zygote,
                target=target,
                adopted=is_job_shell(command),
                keep=command.summary() if KEEP_OPTION in command.opts and self.host.keeps else None,
            )
        except OSError as err:
            self._remove(session)
            where = f" in {command.cwd}" if err.filename == command.cwd and command.cwd else ""
            reason = f"error launching process{where}: {os.strerror(err.errno or errno.EIO)}"
            if not where:
                reason += refused.why(err.errno or 0, command.cmdline, environment, command.cwd or "")
            raise OSError(err.errno or errno.EIO, reason) from None
        except BaseException:
            self._remove(session)
            raise

    def _find(self, args: dict[str, Any], missing: int) -> ProcessSession:
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

    def _join(self, sender: bytes, session: ProcessSession) -> None:
        self.clients.setdefault(sender, {})[session] = None

    def _part(self, sender: bytes, session: ProcessSession) -> None:
        held = self.clients.get(sender)
        if held is not None:
            held.pop(session, None)
            if not held:
                del self.clients[sender]
                self._windows.pop(sender, None)

    def _silence(self, session: ProcessSession) -> None:
        """Forget the client that listens to a process."""
        msg, session.listener = session.listener, None
        if msg is not None:
            self.by_request.pop((msg.sender, msg.matchtag), None)
            self._part(msg.sender, session)

    def started(self, session: ProcessSession) -> None:
        """The process has its id."""
        self.by_pid[session.process.pid] = session
        if self.collects:
            self._children[session.process.pid] = session.process

    def grant(self, session: ProcessSession) -> None:
        """Announce credit at the end of this turn of the loop."""
        self.with_credit[session] = None
        self.host.call_soon_once(self._grant_all)

    def _grant_all(self) -> None:
        sessions, self.with_credit = self.with_credit, {}
        for session in sessions:
            session.send_credit()

    def sent(self, session: ProcessSession, count: int) -> bool:
        """So many bytes of output have been sent; whether the client is to read before there is more."""
        assert session.listener is not None
        sender = session.listener.sender
        window = self._windows.get(sender)
        if window is None:
            ask = partial(self.host.drain, session.listener)
            window = self._windows[sender] = Window(ask, partial(self._opened, sender))
        window.sent(count)
        return window.full

    def _opened(self, sender: bytes) -> None:
        for session in self.clients.get(sender, {}):
            session.process.resume()

    def failed(self, session: ProcessSession) -> None:
        """The process could not be started or broke the protocol; its client has been told."""
        session.waitable = False
        self._remove(session)

    def finish(self, session: ProcessSession) -> None:
        """The process is over: answer its waiter, and forget it unless somebody may still wait."""
        if session.waiter is not None:
            self.respond(session.waiter, session.wait_result())
        elif session.background and session.waitable and not self.stopping:
            return
        self._remove(session)

    def _remove(self, session: ProcessSession) -> None:
        self.sessions.pop(session, None)
        self.with_credit.pop(session, None)
        if self.by_pid.get(session.process.pid) is session:
            del self.by_pid[session.process.pid]
        label = session.command.label
        if label is not None and self.by_label.get(label) is session:
            del self.by_label[label]
        self._silence(session)
        if session.waiter is not None:
            self._part(session.waiter.sender, session)
            session.waiter = None
        if not self.sessions and self.on_empty is not None:
            self.on_empty()
