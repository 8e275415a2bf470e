# SPDX-License-Identifier: LGPL-3.0-or-later
"""Counts of jobs by state and result, of all jobs and of each queue (``job-list.job-stats``).

No RFC specifies this method; names and meanings are flux-core's.
"""

from __future__ import annotations

from typing import Any

from rosin.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_COMPLETED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_RESULT_TIMEOUT,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
)

_STATES = {
    FLUX_JOB_STATE_DEPEND: "depend",
    FLUX_JOB_STATE_PRIORITY: "priority",
    FLUX_JOB_STATE_SCHED: "sched",
    FLUX_JOB_STATE_RUN: "run",
    FLUX_JOB_STATE_CLEANUP: "cleanup",
    FLUX_JOB_STATE_INACTIVE: "inactive",
}
_RESULTS = {
    FLUX_JOB_RESULT_COMPLETED: "successful",
    FLUX_JOB_RESULT_FAILED: "failed",
    FLUX_JOB_RESULT_CANCELED: "canceled",
    FLUX_JOB_RESULT_TIMEOUT: "timeout",
}


class Counts:
    """The counts of one set of jobs."""

    __slots__ = ("purged", "results", "states")

    def __init__(self) -> None:
        self.states = dict.fromkeys(_STATES, 0)
        self.results = dict.fromkeys(_RESULTS, 0)
        self.purged = 0

    def add(self, state: int, result: int, step: int = 1) -> None:
        """Count a job in ``state``, with its ``result`` if it is inactive; step -1 takes it out again."""
        if state != FLUX_JOB_STATE_NEW:
            self.states[state] += step
            if state == FLUX_JOB_STATE_INACTIVE:
                self.results[result] += step

    def encode(self) -> dict[str, Any]:
        """The counts as they go into a response."""
        states = {name: self.states[bit] for bit, name in _STATES.items()}
        states["total"] = sum(self.states.values())
        results = {name: self.results[bit] for bit, name in _RESULTS.items()}
        return {"job_states": states, **results, "inactive_purged": self.purged}


class Stats:
    """The counts of all jobs and of each queue; ``changed`` is set by every change."""

    def __init__(self) -> None:
        self.all = Counts()
        self.queues: dict[str, Counts] = {}
        self.changed = False

    def configure(self, queues: object) -> None:
        """Show the queues of the configuration even before they have a job."""
        if isinstance(queues, dict):
            for name in queues:
                self.queues.setdefault(name, Counts())

    def move(self, old: tuple[int, str | None], new: tuple[int, str | None], result: int = 0) -> None:
        """A job went from the (state, queue) ``old`` to ``new``."""
        if old == new:
            return
        self.changed = True
        for (state, queue), step in ((old, -1), (new, 1)):
            self.all.add(state, result, step)
            if queue is not None and state != FLUX_JOB_STATE_NEW:
                counts = self.queues.get(queue) or self.queues.setdefault(queue, Counts())
                counts.add(state, result, step)

    def purge(self, queue: str | None, result: int) -> None:
        """An inactive job was purged."""
        self.changed = True
        for counts in (self.all, self.queues.get(queue) if queue is not None else None):
            if counts is not None:
                counts.add(FLUX_JOB_STATE_INACTIVE, result, -1)
                counts.purged += 1

    def encode(self) -> dict[str, Any]:
        """The response to ``job-list.job-stats``."""
        queues = [{"name": name, **counts.encode()} for name, counts in self.queues.items()]
        return {**self.all.encode(), "queues": queues}
