# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the last output of a waitable background process, kept for the answer to ``wait`` (pure)."""

from __future__ import annotations

from collections import deque
from typing import Any

#: Bytes kept; one io object is kept whole whatever its size.
RETAINED_OUTPUT_MAX = 8192


class RetainedOutput:
    """A queue of io objects; the oldest are dropped first."""

    __slots__ = ("_bytes", "_items")

    def __init__(self) -> None:
        self._items: deque[tuple[int, dict[str, Any]]] = deque()
        self._bytes = 0

    def add(self, size: int, io: dict[str, Any]) -> None:
        """Keep ``io``, which holds ``size`` bytes of output."""
        self._items.append((size, io))
        self._bytes += size
        while self._bytes > RETAINED_OUTPUT_MAX and len(self._items) > 1:
            self._bytes -= self._items.popleft()[0]

    def encode(self) -> list[dict[str, Any]]:
        """The io objects, oldest first."""
        return [io for _, io in self._items]
