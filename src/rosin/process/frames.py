# SPDX-License-Identifier: LGPL-3.0-or-later
"""Frames between a program and its zygote: a JSON object with attached descriptors.

On a stream socket, a frame is a 4-byte big-endian length, one byte with the number of descriptors, and the
JSON text. Descriptors travel with the frame's first byte (SCM_RIGHTS), hence arrive no later than the frame
does. Both ends are ours and of one version, so nothing here is a public format.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from typing import Any

from rosin import _json
from rosin.errors import FormatError

_HEADER = 5
#: A request above this is refused before it is read: no environment or argument list is so large.
MAX_FRAME = 256 << 20
_MAX_FDS = 64


def encode(obj: dict[str, Any], nfds: int = 0) -> bytes:
    """One frame as bytes."""
    body = _json.dumps(obj)
    return len(body).to_bytes(4, "big") + bytes((nfds,)) + body


class ZygoteReader:
    """Collects bytes and descriptors from a socket and yields complete frames."""

    __slots__ = ("_buffer", "_fds", "_sock", "eof")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._fds: deque[int] = deque()
        self.eof = False

    def receive(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Read what is there (blocking if the socket is) and return the frames that are now complete.

        Sets :attr:`eof` when the peer is gone. Raises FormatError for an impossible length."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(1 << 16, socket.CMSG_SPACE(_MAX_FDS * 4))
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data, ancillary = b"", []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                self._fds.extend(numbers)
        if not data:
            self.eof = True
            return []
        self._buffer += data
        return self._complete()

    def _complete(self) -> list[tuple[dict[str, Any], list[int]]]:
        frames: list[tuple[dict[str, Any], list[int]]] = []
        buffer = self._buffer
        start = 0
        while len(buffer) - start >= _HEADER:
            length = int.from_bytes(buffer[start : start + 4], "big")
            if length > MAX_FRAME:
                raise FormatError(f"zygote: frame of {length} bytes exceeds {MAX_FRAME}")
            end = start + _HEADER + length
            if len(buffer) < end:
                break
            nfds = buffer[start + 4]
            fds = [self._fds.popleft() for _ in range(min(nfds, len(self._fds)))]
            frames.append((_json.loads(bytes(buffer[start + _HEADER : end])), fds))
            start = end
        del buffer[:start]
        return frames

    def close(self) -> None:
        """Close descriptors that were received but never claimed by a frame."""
        while self._fds:
            os.close(self._fds.popleft())


class ZygoteWriter:
    """Sends frames over a socket that may be full, in order; descriptors are closed once sent."""

    __slots__ = ("_queue", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: deque[tuple[memoryview, list[int]]] = deque()

    @property
    def pending(self) -> bool:
        return bool(self._queue)

    def send(self, obj: dict[str, Any], fds: list[int] | None = None) -> None:
        """Queue a frame. ``fds`` are duplicated by the kernel; ours are closed after the send."""
        fds = fds or []
        self._queue.append((memoryview(encode(obj, len(fds))), fds))
        self.flush()

    def flush(self) -> bool:
        """Send as much as the socket takes; True when nothing is left. Raises OSError without a peer."""
        while self._queue:
            data, fds = self._queue[0]
            try:
                if fds:
                    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                    sent = self._sock.sendmsg([data], [rights])
                else:
                    sent = self._sock.send(data)
            except BlockingIOError:
                return False
            for fd in fds:
                os.close(fd)
            if sent == len(data):
                self._queue.popleft()
            else:
                self._queue[0] = (data[sent:], [])
        return True

    def close(self) -> None:
        """Drop what was not sent, with its descriptors."""
        while self._queue:
            for fd in self._queue.popleft()[1]:
                os.close(fd)
