# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker's socket as the blocking handle uses it: whole messages, whatever a signal handler does.

Python runs signal handlers between two instructions of the main thread, and inside a system call that
waits. One that raises leaves the call; so what was sent or received is stored by the same C call that did
it (``list.extend`` over ``map``), before a handler can run. The stream then goes on where it was. An
OSError of a handler is told from one of the socket by its traceback, which has a frame of the handler.
"""

from __future__ import annotations

import errno
import os
import time
from _socket import AF_UNIX, SOCK_STREAM, socket

from rosin.handle.framing import FrameReader
from rosin.handle.uri import descriptor, not_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: Bytes to read at once: few at first, as memory for many costs more than a small message, then as it comes.
_READ_SIZE = 1 << 14
_MAX_READ_SIZE = 1 << 18


def inherited(uri: str) -> socket:
    """The socket of a ``fd://N`` URI, in the process of a module. Raises OSError and ValueError."""
    sock = socket(fileno=descriptor(uri))
    os.set_inheritable(sock.fileno(), False)
    if sock.recv(1) != b"\0":
        sock.close()
        raise OSError(errno.ECONNRESET, f"{uri}: the broker is gone")
    return sock


def connect(path: str) -> socket:
    """Connect to a broker's socket and read its answer byte (RFC 3, UNIX socket transport).

    A refused connection is tried again with a growing pause, as the socket may exist just before the broker
    listens (``FLUX_LOCAL_CONNECTOR_RETRY_COUNT``, 5 by default). Raises OSError with one line that names the
    socket and the cause.
    """
    sock = socket(AF_UNIX, SOCK_STREAM)
    retries = int(os.environ.get("FLUX_LOCAL_CONNECTOR_RETRY_COUNT", "5"))
    pause = 0.016
    try:
        while True:
            try:
                _connect(sock, path)
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
        raise OSError(
            exc.errno or errno.EINVAL, f"Unable to connect to Flux: {path}: {exc.strerror or exc}"
        ) from None
    except BaseException:
        sock.close()
        raise
    if answer != b"\0":
        sock.close()
        errnum = answer[0] if answer else errno.ECONNRESET
        raise OSError(errnum, f"Unable to connect to Flux: {path}: {os.strerror(errnum)}")
    return sock


def _connect(sock: socket, path: str) -> None:
    try:
        sock.connect(path)
    except OSError as exc:
        if exc.errno is not None:
            raise
        # Python's own refusal of a path that does not fit into sun_path.
        from rosin.process.directory import socket_path

        with socket_path(path) as name:
            sock.connect(name)


class ConnectionLost(Exception):
    """The socket has failed, with this errno."""

    def __init__(self, errnum: int) -> None:
        super().__init__(errnum)
        self.errnum = errnum


def _from_callback(exc: OSError) -> bool:
    """Python code that the system call let run has raised this, not the call itself."""
    return exc.__traceback__ is not None and exc.__traceback__.tb_next is not None


class Stream:
    """A connected socket that carries messages. Methods raise ConnectionLost when it fails."""

    __slots__ = ("_arrived", "_reader", "_recv", "_send", "_size", "_socket", "_unsent")

    def __init__(self, sock: socket) -> None:
        self._socket = sock
        self._send = sock.send
        self._recv = sock.recv
        self._reader = FrameReader()
        self._size = _READ_SIZE
        self._arrived: list[bytes] = []
        self._unsent = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        """Send a message; blocks while the socket is full.

        When a signal handler raises meanwhile, a message that has begun is finished by the next call, and
        one that has not is dropped.
        """
        before = self._unsent
        data = before + frame if before else frame
        counts: list[int] = []
        try:
            counts.extend(map(self._send, (data,)))
            if counts[0] != len(data):
                while (done := sum(counts)) < len(data):
                    counts.extend(map(self._send, (memoryview(data)[done:],)))
            if before:
                self._unsent = b""
        except BaseException as exc:
            done = sum(counts)
            self._unsent = data[done:] if done > len(before) else before[done:]
            if not isinstance(exc, OSError) or _from_callback(exc):
                raise
            raise ConnectionLost(exc.errno or errno.ECONNRESET) from None

    def receive(self, flags: int) -> list[Message]:
        """The messages that have come; without MSG_DONTWAIT in ``flags`` wait for bytes. Raises
        FormatError.
        """
        if not self._arrived:
            try:
                self._arrived.extend(map(self._recv, (self._size,), (flags,)))
            except OSError as exc:
                if _from_callback(exc):
                    raise
                if isinstance(exc, BlockingIOError):
                    return []
                raise ConnectionLost(exc.errno or errno.ECONNRESET) from None
        data = self._arrived.pop()
        if not data:
            raise ConnectionLost(errno.ECONNRESET)
        if len(data) == self._size < _MAX_READ_SIZE:
            self._size *= 4
        return self._reader.feed(data)
