# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which brokers run, and what follows when one ends: whether the others may stay, and the exit code. Pure."""

from __future__ import annotations


class Exits:
    """``mode`` "any": each broker's end starts the timer, and the highest exit code counts.

    "leader": only that of rank 0 does, and its exit code counts.
    """

    def __init__(self, mode: str = "any") -> None:
        self._mode = mode
        self.running: set[int] = set()
        #: Exit codes of those that have ended and do not run again.
        self.codes: dict[int, int] = {}
        self.exit_code = 0

    def started(self, rank: int) -> None:
        """A broker runs, perhaps not for the first time."""
        self.running.add(rank)
        self.codes.pop(rank, None)

    def ended(self, rank: int, code: int) -> None:
        """A broker has ended with this exit code (128+N: by signal N)."""
        self.running.discard(rank)
        self.codes[rank] = code
        if self._mode == "any":
            self.exit_code = max(self.exit_code, code)
        elif not rank:
            self.exit_code = code

    @property
    def limited(self) -> bool:
        """Whether those that run have only so much time left."""
        return bool(self.running and (0 in self.codes if self._mode == "leader" else self.codes))
