# SPDX-License-Identifier: LGPL-3.0-or-later
"""A pseudo terminal that clients attach to by messages: flux-core's terminus protocol.

Requests of a client: ``{"type":"attach","mode":"rw","winsize":{"rows":R,"cols":C}}`` (streaming; mode may be
ro or wo as well), ``resize`` with a winsize, ``data``, ``detach``. Responses to attach: ``attach``, ``data``,
and ``{"type":"exit","message":TEXT,"status":WAITSTATUS}`` followed by ENODATA. Empty data is how a client
finds out whether the terminal still exists.

A terminal is over when its process has ended, when what it wrote has been read, and when the client that it
may wait for has come. Until then the shell stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.job import ptydata
from rosin.process.outcome import exited
from rosin.process.pump import Sink
from rosin.rfc.payload import field
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.flux import Flux
    from rosin.handle.reactor import Reactor
    from rosin.rfc.message import Message

_CHUNK = 65536
#: Bytes that may wait for a program that does not read its terminal.
MAX_INPUT = 1 << 20
_ROWS, _COLUMNS = 25, 80
_MODES = {"rw": (True, True), "ro": (True, False), "wo": (False, True)}


class TerminalClient:
    """Who is attached: the request that gets the responses, and what it may do."""

    __slots__ = ("reads", "request", "writes")

    def __init__(self, request: Message, reads: bool, writes: bool) -> None:
        self.request = request
        self.reads = reads
        self.writes = writes


class Pty:
    """One terminal with its clients.

    ``capture`` reads it even without a client, for ``on_data(bytes)``; ``wait`` keeps it until a client has
    been there. ``on_closed()`` is called when nothing more will come out of it, ``on_complete()`` at the end.
    """

    def __init__(self, handle: Flux, *, capture: bool, wait: bool) -> None:
        """Raises OSError when the system has no terminal left."""
        self._h = handle
        self._reactor: Reactor = handle.reactor
        self.leader, self.follower = os.openpty()
        self._resize(_ROWS, _COLUMNS)
        os.set_blocking(self.leader, False)
        self._sink: Sink | None = None
        self._unanswered: list[Message] = []
        self.capture = capture
        self._waiting = wait
        self._released = False
        self._unattended = False
        self._paused = False
        self._reading = False
        self.closed = False
        self.pid = -1
        self.status: int | None = None
        self.complete = False
        self.clients: dict[bytes, TerminalClient] = {}
        self.on_data: Callable[[bytes], None] | None = None
        self.on_closed: Callable[[], None] | None = None
        self.on_complete: Callable[[], None] | None = None

    # --- the life of the process

    def started(self, pid: int) -> None:
        """The process has its end; when it lets go of it, the terminal is closed."""
        self.pid = pid
        os.close(self.follower)
        self.follower = -1
        self._watch()

    def exited(self, status: int) -> None:
        """The process has ended with this wait status."""
        self.status = status
        self._watch()
        self._check()

    def release(self) -> None:
        """The job is told to end: wait for no client, and discard what nobody reads."""
        self._waiting = False
        self._released = True
        self._watch()
        self._check()

    def discard(self) -> None:
        """Nobody need come: when the process has ended it is over, and what nobody has read is lost."""
        self._unattended = True
        self._watch()

    def kill(self, signum: int) -> None:
        """Signal the terminal's foreground process group, and the process's own if that is another."""
        groups = {self.pid} if self.status is None else set()
        if not self.closed:
            with contextlib.suppress(OSError):  # there may be none
                groups.add(os.tcgetpgrp(self.leader))
        for group in groups:
            if group > 1:
                with contextlib.suppress(OSError):  # it has just ended
                    os.killpg(group, signum)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading what is captured."""
        self._paused = paused and self.capture
        self._watch()

    def close(self) -> None:
        """The shell ends, whatever the state: clients are told."""
        self.on_data = self.on_closed = self.on_complete = None
        self._waiting = False
        if self.status is None:
            self.status = exited(1)
        self._closed()
        self._check()

    # --- what comes out

    def _watch(self) -> None:
        """Read when somebody wants it; else a program that writes waits, as at any terminal."""
        wanted = (
            self._released
            or (self._unattended and self.status is not None)
            or (self.capture and not self._waiting)
            or any(client.reads for client in self.clients.values())
        )
        wanted = wanted and not self.closed and not self._paused and self.follower < 0
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._reactor.add_fd(self.leader, self._readable)
            else:
                self._reactor.remove_fd(self.leader)

    def _readable(self, _events: int) -> None:
        try:
            data = os.read(self.leader, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: no process has this terminal open any more
            data = b""
        if not data:
            self._closed()
            return
        if self.on_data is not None:
            self.on_data(data)
        message = ptydata.encode(data) if self.clients else None
        for client in self.clients.values():
            if client.reads:
                self._h.respond(client.request, message)

    def _closed(self) -> None:
        """Nothing more can be read or written."""
        if self.closed:
            return
        self.closed = True
        self._watch()
        self._drop_input()
        for fd in (self.leader, self.follower):
            if fd >= 0:
                os.close(fd)
        self.leader = self.follower = -1
        if self.on_closed is not None:
            self.on_closed()
        self._check()

    def _check(self) -> None:
        if self.complete or self.status is None or not self.closed or self._waiting:
            return
        self.complete = True
        for client in self.clients.values():
            self._dismiss(client, "session exiting", self.status)
        self.clients.clear()
        if self.on_complete is not None:
            self.on_complete()

    def _dismiss(self, client: TerminalClient, reason: str, status: int) -> None:
        with contextlib.suppress(OSError):  # at the end of a shell its broker may be gone
            self._h.respond(client.request, {"type": "exit", "message": reason, "status": status})
            self._h.respond_error(client.request, errno.ENODATA)

    # --- requests

    def request(self, msg: Message) -> Any:
        """Take a client's request. Raises OSError and FormatError for the response."""
        kind = field(msg.args, "type", str)
        client = self.clients.get(msg.sender)
        if kind == "attach":
            if client is not None:
                raise OSError(errno.EEXIST, "this client is attached already")
            self._attach(msg)
            return LATER
        if client is None:
            raise OSError(errno.ENOENT, "this client is not attached")
        if kind == "resize":
            self._set_size(msg.args)
        elif kind == "data":
            return self._write(msg) if client.writes else None
        elif kind == "detach":
            self._dismiss(client, "Client requested detach", 0)
            self.disconnected(msg.sender)
        else:
            raise OSError(errno.ENOSYS, f"unknown message type '{kind}'")
        return None

    def _attach(self, msg: Message) -> None:
        mode = field(msg.args, "mode", str)
        if mode not in _MODES:
            raise FormatError(f"mode: expected rw, ro or wo, got {mode!r}")
        if not msg.streaming:
            raise OSError(errno.EPROTO, "attach is a streaming request")
        client = TerminalClient(msg, *_MODES[mode])
        if client.reads and client.writes:
            self._set_size(msg.args)
        self.clients[msg.sender] = client
        self._h.respond(msg, {"type": "attach"})
        if client.reads:
            self._waiting = False
        self._watch()
        self._check()

    def watch_exit(self, msg: Message) -> None:
        """Tell this client of the end, and nothing else."""
        self.clients[msg.sender] = TerminalClient(msg, reads=False, writes=False)

    def disconnected(self, sender: bytes) -> None:
        """A client is gone."""
        if self.clients.pop(sender, None) is not None:
            self._watch()

    def _set_size(self, args: dict[str, Any]) -> None:
        size = field(args, "winsize", dict)
        rows, columns = field(size, "rows", int), field(size, "cols", int)
        if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16):
            raise OSError(errno.EINVAL, f"a terminal cannot have {rows} rows and {columns} columns")
        if self.closed:
            return
        if not self._resize(rows, columns):
            self.kill(signal.SIGWINCH)  # the same size, but another screen: it has to be drawn again

    def _resize(self, rows: int, columns: int) -> bool:
        """Set the size; whether it has changed, of which the kernel tells the program."""
        import fcntl
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        if fcntl.ioctl(self.leader, termios.TIOCGWINSZ, bytes(8))[:4] == size[:4]:
            return False
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, size)
        return True

    # --- what goes in

    def _write(self, msg: Message) -> Any:
        """Type: answered once the terminal has taken it, so that a client can hold back the rest."""
        data = ptydata.decode(msg.args)
        if self.closed or not data:
            return None
        if self._sink is None:
            self._sink = Sink(os.dup(self.leader))
        sink = self._sink
        if sink.pending + len(data) > MAX_INPUT:
            raise OSError(errno.ENOSPC, "the program does not read its terminal")
        watched = sink.wants_write
        sink.write(data)
        if not sink.wants_write:
            return None
        self._unanswered.append(msg)
        if not watched:
            self._reactor.add_fd(sink.fd, self._writable, select.POLLOUT)
        return LATER

    def _writable(self, _events: int) -> None:
        sink = self._sink
        assert sink is not None
        self._reactor.remove_fd(sink.fd)  # first: the sink may close the descriptor
        sink.on_writable()
        if sink.wants_write:
            self._reactor.add_fd(sink.fd, self._writable, select.POLLOUT)
            return
        self._answer_writers()

    def _answer_writers(self) -> None:
        waiting, self._unanswered = self._unanswered, []
        for msg in waiting:
            self._h.respond(msg)

    def _drop_input(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None and not sink.closed:
            self._reactor.remove_fd(sink.fd)
            os.close(sink.fd)
        with contextlib.suppress(OSError):
            self._answer_writers()
