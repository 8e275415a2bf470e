# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages that wait until ZeroMQ takes more for a peer, and how many bytes may."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rosin.broker.limits import OWNER

if TYPE_CHECKING:
    from rosin.broker.overlay.loopsocket import LoopSocket


class Backlog:
    """The messages for one peer, in their order, behind those that ZeroMQ holds."""

    __slots__ = ("_waiting", "size")

    def __init__(self) -> None:
        self._waiting: deque[list[bytes]] = deque()
        #: Bytes that wait.
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def append(self, frames: list[bytes]) -> bool:
        """Let a message wait; False if there is too much already: the peer does not read."""
        self.size += sum(map(len, frames))
        self._waiting.append(frames)
        return self.size <= OWNER.held

    def flush(self, socket: LoopSocket) -> None:
        """Send what there is room for. Raises OSError: EHOSTUNREACH the peer is gone."""
        while self._waiting and socket.send(self._waiting[0]):
            self.size -= sum(map(len, self._waiting.popleft()))
