# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27, RFC 30: jobs in the order in which they shall be scheduled.

A heap whose outdated entries are skipped when they surface: insertion, removal and change of priority cost
O(log n), and a queue of 100,000 jobs is never scanned but to list it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.job_manager.job import Job

    Key = tuple[int, int]

#: Outdated entries are swept out when they outnumber the live ones by this many.
_SLACK = 64


class PendingQueue:
    """Jobs ordered by (priority descending, id)."""

    __slots__ = ("_heap", "_jobs")

    def __init__(self) -> None:
        self._heap: list[Key] = []
        self._jobs: dict[int, tuple[Key, Job]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    def add(self, job: Job) -> None:
        """Insert *job*, or move it to where its present priority puts it."""
        key = job.order()
        known = self._jobs.get(job.id)
        if known is None or known[0] != key:
            self._jobs[job.id] = (key, job)
            heapq.heappush(self._heap, key)
            if len(self._heap) > 2 * len(self._jobs) + _SLACK:
                self._heap = sorted(key for key, _ in self._jobs.values())

    def discard(self, job: Job) -> bool:
        """Remove *job*; tells whether it was there."""
        return self._jobs.pop(job.id, None) is not None

    def first(self) -> Job | None:
        """The job that is next, or None."""
        heap, jobs = self._heap, self._jobs
        while heap:
            key = heap[0]
            known = jobs.get(key[1])
            if known is not None and known[0] == key:
                return known[1]
            heapq.heappop(heap)
        return None

    def head(self, count: int) -> list[Job]:
        """The first *count* jobs in order; costs O(count log n)."""
        found: list[Job] = []
        while len(found) < count:
            job = self.first()
            if job is None:
                break
            found.append(job)
            key = heapq.heappop(self._heap)
            while self._heap and self._heap[0] == key:
                heapq.heappop(self._heap)
        for job in found:
            heapq.heappush(self._heap, job.order())
        return found

    def __iter__(self) -> Iterator[Job]:
        """All jobs in order; costs a sort."""
        return (job for _, job in sorted(self._jobs.values(), key=lambda item: item[0]))
