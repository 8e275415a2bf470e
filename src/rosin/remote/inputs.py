# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the input streams of one process, from its client's messages to its descriptors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.process.pump import Sink
from rosin.remote.credit import Credit

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.process.loop import Loop


class Inputs:
    """Streams by name; ``credits`` has the books of each, and ``on_credit()`` is called when they change."""

    __slots__ = ("_loop", "_on_credit", "_on_end", "_sinks", "credits")

    def __init__(self, loop: Loop, on_credit: Callable[[], None]) -> None:
        self.credits: dict[str, Credit] = {}
        self._loop = loop
        self._on_credit = on_credit
        self._on_end: dict[str, Callable[[], None]] = {}
        self._sinks: dict[str, Sink] = {}

    def add(self, stream: str, fd: int, bufsize: int, on_end: Callable[[], None] | None = None) -> None:
        """Take over a descriptor; ``on_end()`` is called when it has been closed after the last byte."""
        self._sinks[stream] = Sink(fd)
        self.credits[stream] = Credit(bufsize)
        if on_end is not None:
            self._on_end[stream] = on_end

    def write(self, stream: str, data: bytes) -> None:
        """Queue input. Raises OSError (ENOSPC) if the client sent more than it had credit for.

        Unknown streams and input after the end are dropped (RFC 42).
        """
        sink = self._sinks.get(stream)
        if sink is None or sink.closed:
            return
        self.credits[stream].received(len(data))
        sink.write(data)
        self._account(stream)

    def close(self, stream: str) -> None:
        """End a stream once everything queued is written."""
        sink = self._sinks.get(stream)
        if sink is not None and not sink.closed:
            fd = sink.fd
            sink.close()
            self._check(stream, fd)

    def close_all(self) -> None:
        """End every stream once everything queued is written."""
        for stream in self._sinks:
            self.close(stream)

    def release(self) -> None:
        """Let go of every descriptor, whatever is queued."""
        for sink in self._sinks.values():
            if sink.fd >= 0:
                self._loop.remove_writer(sink.fd)
                os.close(sink.fd)
                sink.fd = -1

    def _check(self, stream: str, fd: int) -> None:
        sink = self._sinks[stream]
        if sink.closed or not sink.wants_write:
            self._loop.remove_writer(fd)
        if sink.closed and stream in self._on_end:
            self._on_end[stream]()

    def _writable(self, stream: str, fd: int) -> None:
        self._sinks[stream].on_writable()
        self._check(stream, fd)
        self._account(stream)

    def _account(self, stream: str) -> None:
        sink = self._sinks[stream]
        if sink.wants_write:
            self._loop.add_writer(sink.fd, self._writable, stream, sink.fd)
        self.credits[stream].drained(sink.pending)
        self._on_credit()
