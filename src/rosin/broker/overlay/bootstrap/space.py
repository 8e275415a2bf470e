# SPDX-License-Identifier: LGPL-3.0-or-later
"""What every process manager offers: a rank, a size, and a space of keys that all processes share."""

from __future__ import annotations

from typing import Protocol


class Unavailable(Exception):
    """This way of finding the other brokers does not exist here; the text says why."""


class Space(Protocol):
    """The connection of one process. Each method raises OSError, one line, and ends when it is cancelled."""

    #: How it is called in ``broker.boot-method``.
    method: str
    rank: int
    size: int

    async def begin(self) -> str:
        """The first call; returns the name of the program, in Flux its job id."""

    async def put(self, key: str, value: str) -> None:
        """Give a key a value, once; others see it after the next barrier."""

    async def get(self, key: str, rank: int | None = None) -> str | None:
        """The value of a key that *rank* has put, or the process manager; None if there is none."""

    async def barrier(self) -> None:
        """Wait until every process of the program has come so far."""

    async def abort(self, code: int, text: str) -> None:
        """Ask for the end of the program, with an exit code and a reason; may end this process."""

    async def finish(self) -> None:
        """The last call."""

    def close(self) -> None:
        """Let go of what is held. Closing twice is no error."""
