# SPDX-License-Identifier: LGPL-3.0-or-later
"""How the brokers of a tree are: each is asked as soon as the one above has answered, many at a time."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.flux import Flux
    from rosin.handle.future import Future

#: Brokers that are asked at the same time: no more answers wait, either.
WIDE = 256


class Answer:
    """What a broker has said, or why it has not (``error``), and how many milliseconds that took."""

    __slots__ = ("children", "error", "health", "ms")

    def __init__(self, health: dict[str, Any], error: OSError | None, ms: float) -> None:
        self.health = health
        self.children: list[dict[str, Any]] = health.get("children", [])
        self.error = error
        self.ms = ms


class Survey:
    """Asks, for ``timeout`` seconds each (< 0: for ever). Those below are asked of whom ``wanted(child)``."""

    def __init__(self, h: Flux, timeout: float, wanted: Callable[[dict[str, Any]], bool]) -> None:
        self._h = h
        self._timeout = timeout
        self._wanted = wanted
        self._next: deque[int] = deque()
        self._asked: set[int] = set()
        self.answers: dict[int, Answer] = {}

    def run(self, rank: int) -> dict[int, Answer]:
        """Ask a broker and those below it; returns the answers by rank."""
        self._later(rank)
        self._ask()
        self._h.reactor_run()
        return self.answers

    def _later(self, rank: int) -> None:
        if rank not in self._asked:
            self._asked.add(rank)
            self._next.append(rank)

    def _ask(self) -> None:
        """Ask the next ones, as many as may be."""
        while self._next and len(self._asked) - len(self._next) - len(self.answers) < WIDE:
            rank = self._next.popleft()
            rpc = self._h.rpc("overlay.health", nodeid=rank)
            rpc.then(self._answered, rank, time.monotonic(), timeout=self._timeout)

    def _answered(self, rpc: Future, rank: int, start: float) -> None:
        health: dict[str, Any] = {}
        error = None
        try:
            health = rpc.get()
        except OSError as exc:
            error = exc
        answer = self.answers[rank] = Answer(health, error, (time.monotonic() - start) * 1e3)
        for child in answer.children:
            if child["status"] not in ("lost", "offline") and self._wanted(child):
                self._later(child["rank"])
        self._ask()
        if len(self.answers) == len(self._asked):
            self._h.reactor_stop()
