# SPDX-License-Identifier: LGPL-3.0-or-later
"""The barrier in which the shells of a job wait for each other (``job-exec.shell-barrier``, pure)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.modules.job_exec.actions import Release

if TYPE_CHECKING:
    from rosin.rfc.idset import Idset


class ShellBarrier:
    """One barrier after the other; each is entered once from every rank. A shell's exit breaks them all."""

    __slots__ = ("_ranks", "_waiting", "broken", "passed", "pending")

    def __init__(self, ranks: Idset) -> None:
        self._ranks = ranks
        self._waiting: list[Any] = []
        self.pending = ranks  # ranks that have not entered the current barrier
        self.passed = 0
        self.broken = False

    def enter(self, rank: int, token: Any) -> list[Release]:
        """The shell on broker rank ``rank`` enters; returns who is to be answered and how."""
        if rank not in self.pending:
            return [Release(token, errno.EINVAL, f"rank {rank} is not pending in barrier")]
        self.pending = self.pending.without_id(rank)
        if self.broken:
            return [Release(token, errno.EIO)]
        self._waiting.append(token)
        if self.pending:
            return []
        self.passed += 1
        self.pending = self._ranks
        return self._answer(0)

    def skip(self, count: int) -> None:
        """The shells have passed so many barriers in a past life."""
        self.passed = count

    @property
    def waiting(self) -> int:
        """How many shells are in the current barrier."""
        return len(self._waiting)

    def shell_exited(self) -> list[Release]:
        """A shell ended: nobody shall wait for it."""
        self.broken = True
        return self._answer(errno.EIO)

    def _answer(self, errnum: int) -> list[Release]:
        waiting, self._waiting = self._waiting, []
        return [Release(token, errnum) for token in waiting]
