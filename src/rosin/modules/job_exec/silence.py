# SPDX-License-Identifier: LGPL-3.0-or-later
"""Shells that have outlived their brokers, and may not know yet that there are others (pure).

One that ends without having been heard of has not done its work, unless the leader says that the tasks on its
rank were over: a shell waits for the leader to have heard that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.modules.job_exec.actions import TellLeader


class Silence:
    """Who has not been heard of, and what has to wait for that."""

    def __init__(self, leader: int | None) -> None:
        self._leader = leader
        self._ranks = Idset()  # a shell that ends there has not done its work
        self._leader_silent = False
        self._ended: dict[int, int] = {}  # rank -> wait status, while only the leader can say what it means
        self._untold: list[TellLeader] = []

    def begin(self, ranks: Idset, *, done: Idset | None = None) -> None:
        """The brokers of these shells are gone; those that are ``done`` may end."""
        self._ranks |= ranks if done is None else ranks - done
        self._leader_silent = self._leader_silent or self._leader in ranks

    def __contains__(self, rank: int) -> bool:
        """Whether a shell that ends has not done its work."""
        return rank in self._ranks

    def heard(self, rank: int, over: Sequence[int]) -> list[TellLeader]:
        """A shell is back; returns what the leader is to be told. Tasks on the ranks ``over`` are."""
        self._ranks = self._ranks.without_id(rank)
        if rank != self._leader:
            return []
        self._leader_silent = False
        for number in over:
            if number in self._ranks:
                self._ranks = self._ranks.without_id(number)
        untold, self._untold = self._untold, []
        return untold

    def hold(self, rank: int, status: int, active: Idset) -> bool:
        """Whether nobody can say yet what it means that a shell has ended."""
        waits = rank in self._ranks and self._leader_silent and self._leader in active
        if waits:
            self._ended[rank] = status
        return waits

    def leader_ended(self) -> None:
        """It waits for the tasks of all, unless it has not been heard of."""
        self._leader_silent = False
        if self._leader not in self._ranks:
            self._ranks = Idset()

    def take(self) -> dict[int, int]:
        """What was held, when the leader has said all that it will."""
        ended, self._ended = self._ended, {}
        return ended

    def postpone(self, told: TellLeader) -> bool:
        """Whether the leader can be told something only when it is back."""
        if self._leader_silent:
            self._untold.append(told)
        return self._leader_silent
