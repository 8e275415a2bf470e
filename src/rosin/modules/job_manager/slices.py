# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done to very many jobs, some at a time, so that the broker does other things in between."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import Port

#: Jobs to which something is done in one turn of the loop: each may have events to store and to announce.
SLICE = 50


class Jobs(Protocol):
    """The active jobs, and the way to the outside."""

    active: dict[int, Job]
    port: Port


class Slices:
    """``step(job)`` for each of the jobs that is still active when its turn comes, then ``done()``.

    The first slice is at once, and if it is the only one, so is ``done``.
    """

    def __init__(
        self,
        manager: Jobs,
        jobs: Iterable[Job],
        step: Callable[[Job], object],
        done: Callable[[], object] | None = None,
    ) -> None:
        self._manager = manager
        self._jobs = list(jobs)
        self._left = iter(self._jobs)
        self._count = len(self._jobs)
        self._step = step
        self._done = done
        self._go_on()

    @property
    def pending(self) -> bool:
        """Some jobs have not had their turn."""
        return self._count > 0

    def cancel(self) -> None:
        """The others are left as they are; ``done`` is not called."""
        self._left, self._count, self._done = iter(()), 0, None

    def _go_on(self) -> None:
        manager = self._manager
        for job in islice(self._left, SLICE):
            self._count -= 1
            if manager.active.get(job.id) is job:
                self._step(job)
        manager.port.wake()
        if self._count:
            manager.port.later(0.0, self._go_on)
        elif self._done is not None:
            done, self._done = self._done, None
            done()
