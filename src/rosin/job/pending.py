# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27, RFC 30: the queue of pending jobs, the job manager's and the schedulers'.

A heap whose outdated entries are skipped when they surface: insertion, removal and change of place cost
O(log n), and a queue of 100,000 jobs is never scanned but to list it.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pending(Protocol):
    """What a job has that waits."""

    id: int
    priority: int


J = TypeVar("J", bound=Pending)

#: Outdated entries are swept out when they outnumber the live ones by this many.
_SLACK = 64


def by_priority(job: Pending) -> tuple[int, int]:
    """The usual key: highest priority first, then the oldest.

    Ids ascend in the order of submission; times do not when the wall clock is set.
    """
    return (-job.priority, job.id)


class PendingQueue(Generic[J]):
    """Jobs by id, and in the order of their keys: smallest first, of equal ones the lowest id.

    Args:
        order: the sort key of a job. When it has changed, ``add`` the job again.
    """

    __slots__ = ("_heap", "_jobs", "_order")

    def __init__(self, order: Callable[[J], Any] = by_priority) -> None:
        self._order = order
        self._heap: list[tuple[Any, int]] = []
        self._jobs: dict[int, tuple[Any, J]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, jobid: object) -> bool:
        return jobid in self._jobs

    def __iter__(self) -> Iterator[J]:
        """All jobs in order; costs a sort."""
        return (self._jobs[jobid][1] for _, jobid in sorted(self._entries()))

    def add(self, job: J) -> None:
        """Insert *job*, or move it to where it belongs now; one of the same id is replaced."""
        key = self._order(job)
        known = self._jobs.get(job.id)
        self._jobs[job.id] = (key, job)
        if known is None or known[0] != key:
            heappush(self._heap, (key, job.id))
            self._sweep()

    def get(self, jobid: int) -> J | None:
        """Return a job by id; None when it is not here."""
        known = self._jobs.get(jobid)
        return None if known is None else known[1]

    def pop(self, jobid: int) -> J | None:
        """Take a job out and return it; None when it is not here."""
        known = self._jobs.pop(jobid, None)
        if known is None:
            return None
        self._sweep()
        return known[1]

    def first(self) -> J | None:
        """Return the job that is next, or None."""
        heap, jobs = self._heap, self._jobs
        while heap:
            key, jobid = heap[0]
            known = jobs.get(jobid)
            if known is not None and known[0] == key:
                return known[1]
            heappop(heap)
        return None

    def head(self, count: int) -> list[J]:
        """Return the first *count* jobs in order; costs O(count log n)."""
        found: list[J] = []
        entries = []
        while len(found) < count:
            job = self.first()
            if job is None:
                break
            found.append(job)
            entries.append(heappop(self._heap))
            while self._heap and self._heap[0] == entries[-1]:
                heappop(self._heap)
        for entry in entries:
            heappush(self._heap, entry)
        return found

    def reorder(self) -> None:
        """Work out all keys again: they depend on something that has changed."""
        self._jobs = {jobid: (self._order(job), job) for jobid, (_, job) in self._jobs.items()}
        self._rebuild()

    def _entries(self) -> list[tuple[Any, int]]:
        return [(key, jobid) for jobid, (key, _) in self._jobs.items()]

    def _sweep(self) -> None:
        if len(self._heap) > 2 * len(self._jobs) + _SLACK:
            self._rebuild()

    def _rebuild(self) -> None:
        self._heap = self._entries()
        heapify(self._heap)
