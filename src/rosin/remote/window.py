# SPDX-License-Identifier: LGPL-3.0-or-later
"""How far output may run ahead of the client that reads it (pure).

RFC 42 has credit for what a client sends, and none for what it gets. So the server asks those on the way to
the client from time to time whether what was sent before has been taken (``overlay.drain``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes that may be on their way to a client, at first, at most, and when many processes write to it.
FIRST = 1 << 18
MOST = 4 << 20
LEAST = 1 << 16


class Window:
    """What is on its way to one client. ``ask(answered)`` begins to ask, ``opened()`` is told of new room.

    It begins small and is doubled with each answer, up to the share that those on the way name.
    """

    __slots__ = ("_ask", "_asked", "_opened", "_sent", "size")

    def __init__(self, ask: Callable[[Callable[[int], None]], None], opened: Callable[[], None]) -> None:
        self._ask = ask
        self._opened = opened
        self._sent = 0
        self._asked = 0  # of these, those that the question is about
        #: Bytes from which on it is full.
        self.size = FIRST

    @property
    def full(self) -> bool:
        """No more is to be sent."""
        return self._sent >= self.size

    def sent(self, count: int) -> None:
        """So many bytes have been sent."""
        self._sent += count
        if not self._asked:
            self._look()

    def _look(self) -> None:
        """Ask early enough that there may be an answer before it is full."""
        if self._sent >= self.size // 4:
            self._asked = self._sent
            self._ask(self._answered)

    def _answered(self, share: int) -> None:
        self._sent -= self._asked
        self._asked = 0
        self.size = max(LEAST, min(2 * self.size, share, MOST))
        self._look()
        if not self.full:
            self._opened()
