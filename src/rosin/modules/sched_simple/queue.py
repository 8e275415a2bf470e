# SPDX-License-Identifier: LGPL-3.0-or-later
"""The order in which jobs are tried (RFC 27, 30): highest priority, then lowest id: first submitted.

Submission times say the same, but when the wall clock is set.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, nsmallest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.sched_simple.request import ResourceRequest


class PendingJob:
    """A job that waits for resources.

    Attributes:
        id: job id.
        priority: 0 to 4294967295, higher is sooner.
        request: what it asks for.
        reply: what the owner of the queue needs in order to answer; opaque here.
        estimate: the start time that was last announced, or None.
    """

    __slots__ = ("estimate", "id", "priority", "reply", "request")

    def __init__(self, jobid: int, priority: int, request: ResourceRequest, reply: Any) -> None:
        self.id = jobid
        self.priority = priority
        self.request = request
        self.reply = reply
        self.estimate: float | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Sorts before the key of every job that is tried later."""
        return (-self.priority, self.id)


class Queue:
    """Pending jobs by id and in order of trial.

    A heap in which removed and re-prioritised jobs leave a stale entry behind; stale entries are skipped,
    and swept once they outnumber the jobs, so every operation is logarithmic.
    """

    __slots__ = ("_heap", "_jobs")

    def __init__(self) -> None:
        self._jobs: dict[int, PendingJob] = {}
        self._heap: list[tuple[int, int]] = []

    def push(self, job: PendingJob) -> None:
        """Add a job; one of the same id is replaced."""
        self._jobs[job.id] = job
        heappush(self._heap, job.key)

    def head(self) -> PendingJob | None:
        """Return the job to try next, or None."""
        while self._heap:
            job = self._jobs.get(self._heap[0][1])
            if job is not None and job.key == self._heap[0]:
                return job
            heappop(self._heap)
        return None

    def get(self, jobid: int) -> PendingJob | None:
        """Return a job by id; None when it is not here."""
        return self._jobs.get(jobid)

    def remove(self, jobid: int) -> PendingJob | None:
        """Take a job out and return it; None when it is not here."""
        job = self._jobs.pop(jobid, None)
        if job is not None:
            self._sweep()
        return job

    def prioritize(self, jobid: int, priority: int) -> bool:
        """Set the priority of a job; False when it is not here."""
        job = self._jobs.get(jobid)
        if job is None:
            return False
        if job.priority != priority:
            job.priority = priority
            heappush(self._heap, job.key)
            self._sweep()
        return True

    def first(self, count: int) -> list[PendingJob]:
        """Return the first ``count`` jobs in order of trial."""
        return nsmallest(count, self._jobs.values(), key=lambda job: job.key)

    def _sweep(self) -> None:
        if len(self._heap) > 2 * len(self._jobs) + 64:
            self._heap = [job.key for job in self._jobs.values()]
            heapify(self._heap)

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[PendingJob]:
        return iter(self._jobs.values())

    def __contains__(self, jobid: object) -> bool:
        return jobid in self._jobs
