# SPDX-License-Identifier: LGPL-3.0-or-later
"""The blocking handle: a UNIX socket and its own reactor."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_ROLE_NONE, FLUX_USERID_UNKNOWN
from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.handle.future import error
from rosin.handle.handle import Handle
from rosin.handle.reactor import Reactor
from rosin.handle.uri import default_uri, local_path, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.future import Future
    from rosin.rfc.message import Message

#: Bytes to read at once: few at first, as memory for many costs more than a small message, then as it comes.
_READ_SIZE = 1 << 14
_MAX_READ_SIZE = 1 << 18


def connect(path: str) -> socket.socket:
    """Connect to a broker's socket and read its answer byte (RFC 3, UNIX socket transport).

    A refused connection is tried again with a growing pause, as the socket may exist just before the broker
    listens (``FLUX_LOCAL_CONNECTOR_RETRY_COUNT``, 5 by default). Raises OSError with one line that names the
    socket and the cause.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    retries = int(os.environ.get("FLUX_LOCAL_CONNECTOR_RETRY_COUNT", "5"))
    pause = 0.016
    try:
        while True:
            try:
                sock.connect(path)
                break
            except ConnectionRefusedError:
                if retries <= 0:
                    raise
            retries -= 1
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        answer = sock.recv(1)
    except FileNotFoundError:
        sock.close()
        raise OSError(errno.ENOENT, not_found(path)) from None
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"Unable to connect to Flux: {path}: {exc.strerror}") from None
    if answer != b"\0":
        sock.close()
        errnum = answer[0] if answer else errno.ECONNRESET
        raise OSError(errnum, f"Unable to connect to Flux: {path}: {os.strerror(errnum)}")
    return sock


def _guise() -> tuple[int, int] | None:
    """Whom an instance owner speaks for, to test what others may do (FLUX_HANDLE_USERID and _ROLEMASK)."""
    userid, rolemask = (os.environ.get(f"FLUX_HANDLE_{name}") for name in ("USERID", "ROLEMASK"))
    if userid is None and rolemask is None:
        return None
    try:
        return (
            FLUX_USERID_UNKNOWN if userid is None else int(userid) & 0xFFFFFFFF,
            FLUX_ROLE_NONE if rolemask is None else int(rolemask, 0) & 0xFFFFFFFF,
        )
    except ValueError:
        text = f"FLUX_HANDLE_USERID={userid or ''} and FLUX_HANDLE_ROLEMASK={rolemask or ''} must be numbers"
        raise OSError(errno.EINVAL, text) from None


class Flux(Handle):
    """A connection for programs without an event loop.

    ``uri`` is ``local://PATH`` (default: :func:`~rosin.handle.uri.default_uri`). One thread uses a handle
    at a time; a call from a second thread while the first is inside one raises RuntimeError. Threads that
    work at the same time open a handle each.
    """

    def __init__(self, uri: str | bytes | None = None, flags: int = 0) -> None:
        super().__init__()
        text = uri.decode() if isinstance(uri, bytes) else uri
        self.uri = text or default_uri()
        try:
            path = local_path(self.uri)
        except ValueError as exc:
            raise OSError(errno.EINVAL, f"Unable to connect to Flux: {exc}") from None
        self.reactor = Reactor()
        self._owner: int | None = None
        self._depth = 0
        self._reader = FrameReader()
        self._read_size = _READ_SIZE
        self._trace = "FLUX_HANDLE_TRACE" in os.environ
        self._guise = _guise()
        self._sock: socket.socket | None = connect(path)
        self.reactor.busy = self._busy
        self.reactor.add_fd(self._sock.fileno(), self._readable, passive=True)

    def __enter__(self) -> Flux:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; pending RPCs fail with ECONNRESET."""
        if self._sock is not None:
            self.reactor.remove_fd(self._sock.fileno())
            self._sock.close()
            self._sock = None
            self._fail(error(errno.ECONNRESET, "Flux handle is closed"))
        self.reactor.close()

    def fileno(self) -> int:
        """The socket, for programs with their own loop."""
        if self._sock is None:
            raise error(errno.EBADF, "Flux handle is closed")
        return self._sock.fileno()

    @property
    def userid(self) -> int:
        """User on whose behalf requests are sent."""
        return os.getuid()

    # -- one thread at a time ---------------------------------------------------------------------

    def _enter(self) -> None:
        me = get_ident()
        if self._owner is not None and self._owner != me:
            raise RuntimeError("Flux handle is in use by another thread; open one handle per thread")
        self._owner = me
        self._depth += 1

    def _exit(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None

    # -- I/O --------------------------------------------------------------------------------------

    def _send(self, msg: Message) -> None:
        self._check()
        assert self._sock is not None
        self._enter()
        try:
            if self._guise is not None:
                msg.userid, msg.rolemask = self._guise
            if self._trace:
                self._print("-->", msg)
            self._sock.sendall(frame(msg))
        except OSError as exc:
            self._disconnected(exc.errno or errno.ECONNRESET)
            self._check()
        finally:
            self._exit()

    def _disconnected(self, errnum: int) -> None:
        if self._sock is not None:
            self.reactor.remove_fd(self._sock.fileno())
        if errnum in (errno.EPIPE, 0):
            errnum = errno.ECONNRESET
        self._fail(error(errnum, f"Lost connection to the broker at {self.uri}"))

    def _readable(self, _revents: int = 0) -> None:
        self._read(socket.MSG_DONTWAIT)

    def _read(self, flags: int) -> None:
        """Take what has come; without flags, wait for it."""
        assert self._sock is not None
        try:
            data = self._sock.recv(self._read_size, flags)
        except BlockingIOError:
            return
        except OSError as exc:
            self._disconnected(exc.errno or errno.ECONNRESET)
            return
        if not data:
            self._disconnected(errno.ECONNRESET)
            return
        if len(data) == self._read_size < _MAX_READ_SIZE:
            self._read_size *= 4
        try:
            messages = self._reader.feed(data)
        except FormatError as exc:
            self.reactor.remove_fd(self._sock.fileno())
            self._fail(error(errno.EPROTO, f"broker at {self.uri}: {exc}"))
            return
        for msg in messages:
            if self._trace:
                self._print("<--", msg)
            self._receive(msg)

    def _print(self, arrow: str, msg: Message) -> None:
        payload = msg.raw[:2048].decode(errors="replace").rstrip("\0")
        name = {1: "request", 2: "response", 4: "event", 8: "control"}[msg.type]
        sys.stderr.write(
            f"{arrow} {name} {msg.topic} aux1={msg.aux1} matchtag={msg.matchtag} "
            f"flags={msg.flags:#x} {payload}\n"
        )

    def _poll(self, timeout: float) -> None:
        """Wait for the socket alone and take what has come."""
        if timeout < 0:
            self._read(0)
            return
        import select

        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if poll.poll(timeout * 1000):
            self._readable()

    def _wait(self, future: Future, timeout: float) -> None:
        self._enter()
        try:
            deadline = time.monotonic() + timeout
            while not future.is_ready():
                self._check()
                left = -1.0 if timeout < 0 else deadline - time.monotonic()
                if timeout >= 0 and left <= 0:
                    raise error(errno.ETIMEDOUT)
                self._poll(left)
        finally:
            self._exit()

    def recv(self, timeout: float = -1.0) -> Message:
        """The next message that no handler or RPC has claimed (an event, a request)."""
        self._enter()
        try:
            deadline = time.monotonic() + timeout
            while not self._inbox:
                self._check()
                left = -1.0 if timeout < 0 else deadline - time.monotonic()
                if timeout >= 0 and left <= 0:
                    raise error(errno.ETIMEDOUT)
                self._poll(left)
            return self._inbox.popleft()
        finally:
            self._exit()

    def event_recv(self, topic: str | None = None, timeout: float = -1.0) -> Message:
        """The next subscribed event, of one topic if given; other events meanwhile are dropped."""
        while True:
            msg = self.recv(timeout)
            if msg.type == 4 and (topic is None or msg.topic == topic):
                return msg

    # -- reactor ----------------------------------------------------------------------------------

    def _busy(self) -> bool:
        return bool(self._handlers or self._events or any(rpc._callback for rpc in self._rpcs.values()))

    def _defer(self, callback: Callable[[], None]) -> None:
        self.reactor.defer(callback)

    def _timer(self, after: float, callback: Callable[[], None]) -> Any:
        return self.reactor.timer(after, callback)

    def get_reactor(self) -> Reactor:
        """The reactor that :meth:`reactor_run` runs."""
        return self.reactor

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        """Run callbacks until :meth:`reactor_stop`, or until nothing is left to wait for.

        Exceptions of callbacks pass through. Raises OSError when the broker is lost.
        """
        self._enter()
        try:
            result = (reactor or self.reactor).run()
        finally:
            self._exit()
        if result < 0:
            raise error(errno.EIO, "reactor stopped with an error")
        return result

    def reactor_stop(self, reactor: Reactor | None = None) -> None:
        """Make :meth:`reactor_run` return."""
        (reactor or self.reactor).stop(0)

    def reactor_stop_error(self, reactor: Reactor | None = None) -> None:
        """Make :meth:`reactor_run` raise OSError."""
        (reactor or self.reactor).stop(-1)

    def timer_watcher_create(
        self, after: float, callback: Callable[..., Any], repeat: float = 0.0, args: Any = None
    ) -> Any:
        """A (stopped) timer that calls ``callback(handle, watcher, revents, args)``."""
        from rosin.handle.watchers import TimerWatcher

        return TimerWatcher(self, after, callback, repeat, args)

    def fd_watcher_create(
        self, fd_int: int, callback: Callable[..., Any], events: int | None = None, args: Any = None
    ) -> Any:
        """A (stopped) descriptor watcher that calls ``callback(handle, watcher, fd, revents, args)``."""
        from rosin.handle.watchers import FDWatcher

        return FDWatcher(self, fd_int, callback, events, args)

    def signal_watcher_create(self, signum: int, callback: Callable[..., Any], args: Any = None) -> Any:
        """A (stopped) signal watcher that calls ``callback(handle, watcher, signum, args)``."""
        from rosin.handle.watchers import SignalWatcher

        return SignalWatcher(self, signum, callback, args)

    def msg_watcher_create(
        self,
        callback: Callable[..., Any],
        type_mask: int = 15,
        topic_glob: str = "*",
        args: Any = None,
        match_tag: int = 0,
        rolemask: int | None = None,
    ) -> Any:
        """A (stopped) message watcher that calls ``callback(handle, watcher, message, args)``."""
        from rosin.handle.watchers import MessageWatcher

        return MessageWatcher(self, callback, type_mask, topic_glob, match_tag, rolemask, args)
