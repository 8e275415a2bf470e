# SPDX-License-Identifier: LGPL-3.0-or-later
"""Moving bytes between descriptors and a program in large pieces.

:class:`Pump` reads what a process writes. A chunk ends at its last newline, so that a reader who labels or
decodes lines never sees half of one, and yet a thousand lines cost one read (a line at a time runs at a
twelfth of the speed). :class:`Sink` writes to a process without ever blocking. Neither knows an event loop:
the owner calls ``on_readable`` and ``on_writable`` when its loop says so. Neither encodes anything.
"""

from __future__ import annotations

import os
from collections import deque

CHUNK = 262144
#: A line longer than this is delivered in pieces.
MAX_LINE = 1 << 20


class Pump:
    """The reading end of one stream.

    ``fd`` is made non-blocking and is closed by :meth:`close`. ``line`` keeps an unfinished last line back
    until its newline, the end of the stream, or :data:`MAX_LINE` bytes.
    """

    __slots__ = ("_chunk", "_held", "_held_size", "_line", "eof", "fd")

    def __init__(self, fd: int, *, line: bool = True, chunk: int = CHUNK) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.eof = False
        self._line = line
        self._chunk = chunk
        self._held: list[bytes] = []
        self._held_size = 0

    def on_readable(self) -> bytes:
        """Read once and return what is complete (possibly nothing). Sets :attr:`eof` at the end of the
        stream; the unfinished last line, if any, is returned with it."""
        try:
            data = os.read(self.fd, self._chunk)
        except BlockingIOError:
            return b""
        except OSError:  # EIO is how a pseudo-terminal ends; any other failure ends the stream as well
            data = b""
        if not data:
            self.eof = True
            return self.flush()
        if not self._line:
            return data
        end = data.rfind(b"\n") + 1
        if end == len(data) and not self._held:
            return data
        if end == 0:
            self._held.append(data)
            self._held_size += len(data)
            return self.flush() if self._held_size >= MAX_LINE else b""
        self._held.append(data[:end])
        complete = b"".join(self._held)
        tail = data[end:]
        self._held = [tail] if tail else []
        self._held_size = len(tail)
        return complete

    def flush(self) -> bytes:
        """Take the unfinished line, whatever it holds."""
        data = b"".join(self._held)
        self._held = []
        self._held_size = 0
        return data

    def close(self) -> None:
        """Close the descriptor (once)."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Sink:
    """The writing end of one stream: a queue in front of a non-blocking descriptor.

    :meth:`write` and :meth:`close` return at once; :attr:`wants_write` says whether the owner should watch
    the descriptor for writability and call :meth:`on_writable`. A reader that went away ends the stream
    quietly (EPIPE), as it does in a shell pipeline.
    """

    __slots__ = ("_closing", "_queue", "fd", "pending")

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.pending = 0
        self._queue: deque[memoryview] = deque()
        self._closing = False

    @property
    def wants_write(self) -> bool:
        return self.fd >= 0 and bool(self._queue)

    @property
    def closed(self) -> bool:
        return self.fd < 0

    def write(self, data: bytes) -> None:
        """Queue ``data`` and write what the descriptor takes now. Ignored after the end of the stream."""
        if self.fd < 0 or self._closing or not data:
            return
        self._queue.append(memoryview(data))
        self.pending += len(data)
        if len(self._queue) == 1:
            self.on_writable()

    def on_writable(self) -> int:
        """Write as much as possible; returns the number of bytes written."""
        written = 0
        while self._queue:
            head = self._queue[0]
            try:
                count = os.write(self.fd, head)
            except BlockingIOError:
                break
            except OSError:
                self._abandon()
                return written
            written += count
            self.pending -= count
            if count == len(head):
                self._queue.popleft()
            else:
                self._queue[0] = head[count:]
        if self._closing and not self._queue:
            self._abandon()
        return written

    def close(self) -> None:
        """End the stream once everything queued is written."""
        self._closing = True
        if not self._queue:
            self._abandon()

    def _abandon(self) -> None:
        self._queue.clear()
        self.pending = 0
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
