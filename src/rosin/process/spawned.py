# SPDX-License-Identifier: LGPL-3.0-or-later
"""A process that a zygote was asked for, as the one who has asked sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Parent(Protocol):
    """What a process needs of its zygote."""

    def _kill(self, spawned: Spawned, signum: int, group: bool) -> bool: ...


class Spawned:
    """A process that was asked for.

    ``pid`` is None until the zygote has answered; ``status`` is the wait status once it ended; ``error`` is
    set when it could not be started or when nobody can say how it ended (its zygote died).
    """

    __slots__ = ("_number", "_zygote", "error", "kept", "on_exit", "on_start", "pid", "status")

    def __init__(
        self,
        zygote: Parent,
        number: int,
        on_start: Callable[[Spawned], None] | None,
        on_exit: Callable[[Spawned], None] | None,
    ) -> None:
        self._zygote = zygote
        self._number = number
        self.on_start = on_start
        self.on_exit = on_exit
        self.pid: int | None = None
        self.status: int | None = None
        self.error: OSError | None = None
        #: It outlives us.
        self.kept = False

    @property
    def ended(self) -> bool:
        return self.status is not None or self.error is not None

    def kill(self, signum: int, *, group: bool = True) -> bool:
        """Signal the process group (or just the process). False when it is not running (any more)."""
        return self._zygote._kill(self, signum, group)


def fail(waiting: list[Spawned], error: OSError) -> None:
    """Tell those who wait that nobody knows how their processes end."""
    for spawned in waiting:
        spawned.error = error
        if spawned.on_exit is not None:
            spawned.on_exit(spawned)
