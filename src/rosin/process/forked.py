# SPDX-License-Identifier: LGPL-3.0-or-later
"""A process that a zygote has forked, as it knows it."""

from __future__ import annotations

import contextlib
import socket

from rosin.process.outcome import exited


class Forked:
    """A process that was forked for request ``id`` (0: it waits for its next one)."""

    __slots__ = ("channel", "group", "id", "pid", "signalled")

    def __init__(self, pid: int, number: int, group: bool, channel: socket.socket | None) -> None:
        self.pid = pid
        self.id = number
        self.group = group
        self.channel = channel
        self.signalled = False  # by request, since it serves the present one

    def reported(self, status: int) -> int:
        """The exit code that it has reported before something ended it, else the wait status of that."""
        if self.channel is None or not self.id:
            return status
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            code = self.channel.recv(1, socket.MSG_DONTWAIT)
            if code:
                return exited(code[0])
        return status
