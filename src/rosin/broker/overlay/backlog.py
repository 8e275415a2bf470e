# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages that wait until ZeroMQ takes more for a peer, and how many bytes may.

Who reads slowly is not lost for it: a large file on its way over a thin line is no fault. Who does not read
at all is, when it costs more than any such file.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.broker.overlay.loopsocket import LoopSocket
#: Bytes that wait for a peer at most.
BUDGET = 2 << 30
#: How few are few enough for more.
_LOW = 1 << 20


class Backlog:
    """The messages for one peer, in their order, behind those that ZeroMQ holds."""

    __slots__ = ("_few", "_waiting", "size")

    def __init__(self) -> None:
        self._waiting: deque[list[bytes]] = deque()
        #: Bytes that wait.
        self.size = 0
        self._few: asyncio.Future[None] | None = None

    def backlog(self) -> int:
        """Bytes that wait."""
        return self.size

    async def drained(self) -> None:
        """Wait until they are few, or the peer is gone."""
        if self.size > _LOW:
            if self._few is None:
                self._few = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._few)

    def clear(self) -> None:
        """The peer is gone: nothing waits for it."""
        self._waiting.clear()
        self.size = 0
        self._release()

    def _release(self) -> None:
        few, self._few = self._few, None
        if few is not None and not few.done():
            few.set_result(None)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def append(self, frames: list[bytes]) -> bool:
        """Let a message wait; False if there is too much already: the peer does not read."""
        self.size += sum(map(len, frames))
        self._waiting.append(frames)
        return self.size <= BUDGET

    def flush(self, socket: LoopSocket) -> None:
        """Send what there is room for. Raises OSError: EHOSTUNREACH the peer is gone."""
        while self._waiting and socket.send(self._waiting[0]):
            self.size -= sum(map(len, self._waiting.popleft()))
        if self.size <= _LOW:
            self._release()
