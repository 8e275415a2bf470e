# SPDX-License-Identifier: LGPL-3.0-or-later
"""No process manager: an instance of one broker."""

from __future__ import annotations


class Single:
    """A :class:`~rosin.broker.overlay.bootstrap.space.Space` that nobody else shares."""

    method = "single"
    rank, size = 0, 1

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    async def begin(self) -> str:
        return self.method

    async def put(self, key: str, value: str) -> None:
        self._keys[key] = value

    async def get(self, key: str, rank: int | None = None) -> str | None:
        return self._keys.get(key)

    async def barrier(self) -> None:
        """Nobody is waited for."""

    async def abort(self, code: int, text: str) -> None:
        """There is nobody to end."""

    async def finish(self) -> None:
        """Nobody is to be told."""

    def close(self) -> None:
        """Nothing is held."""
