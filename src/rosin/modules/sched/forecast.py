# SPDX-License-Identifier: LGPL-3.0-or-later
"""When pending jobs will start if running jobs use all of their time (RFC 27, ``t_estimate``)."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.resource.allocator.pool import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Generator

    from rosin.modules.sched.job import PendingJob
    from rosin.resource.allocator.pool import NodePool

#: Jobs that end before an estimate is given up: their number bounds the cost of a forecast.
MAX_ENDINGS = 512


def forecast(
    pool: NodePool, jobs: list[PendingJob], now: float
) -> Generator[None, None, dict[int, float | None]]:
    """Return, in steps, the estimated start of each of ``jobs`` (in order of trial), seconds since the epoch.

    None where it cannot be known, behind a job without a time limit or waiting for one, and where it is after
    the resources go away. A job never starts before the job ahead of it. ``pool`` is not changed.
    """
    future = pool.copy()
    endings = [
        (allocation.expiration, jobid) for jobid, allocation in pool.jobs.items() if allocation.expiration > 0
    ]
    heapify(endings)
    budget = MAX_ENDINGS
    start = now
    estimates: dict[int, float | None] = {job.id: None for job in jobs}
    for job in jobs:
        try:
            while True:
                yield
                if future.alloc(job.id, job.request) is not None:
                    break
                if not endings or not budget:
                    return estimates
                budget -= 1
                ending, jobid = heappop(endings)
                start = max(start, ending)
                if 0 < pool.expiration <= start:
                    return estimates
                future.release(jobid)
        except (InfeasibleError, FormatError):
            continue  # will be denied at its turn and hold nobody up
        estimates[job.id] = start
        if job.request.duration <= 0.0:
            return estimates
        heappush(endings, (start + job.request.duration, job.id))
    return estimates
