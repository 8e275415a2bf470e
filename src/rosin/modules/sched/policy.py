# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a scheduler decides: which job is tried next, on which nodes, and whether one may overtake another.

Pure: no I/O, and the time is an argument. A scheduler is a subclass of :class:`Policy` with the methods in
which it differs, and a :class:`~rosin.modules.sched.base.Scheduler` that names it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError
from rosin.job.pending import by_priority
from rosin.modules.sched.forecast import forecast
from rosin.modules.sched.steps import finish
from rosin.resource.allocator.placement import worst_fit
from rosin.resource.allocator.pool import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from rosin.job.pending import PendingQueue
    from rosin.modules.sched.job import PendingJob
    from rosin.resource.allocator.allocation import Allocation
    from rosin.resource.allocator.placement import Portion
    from rosin.resource.allocator.pool import NodePool
    from rosin.resource.allocator.request import ResourceRequest


class Start(NamedTuple):
    """A job that has got resources of the pool; ``annotations`` go below its key ``sched``."""

    job: PendingJob
    allocation: Allocation
    annotations: Mapping[str, Any] = MappingProxyType({})


class Deny(NamedTuple):
    """A job that can never run, and why."""

    job: PendingJob
    note: str


class Policy:
    """First come, first served by priority, on the nodes with most free cores.

    Args:
        settings: the scheduler's arguments and its table of the configuration, by name; those that were set.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = settings or {}

    def order(self, job: PendingJob) -> Any:
        """Return the sort key of a pending job: the job with the smallest is tried first.

        It is asked for when the job arrives and when its priority changes.
        """
        return by_priority(job)

    def place(self, request: ResourceRequest, portions: list[Portion]) -> Iterable[Portion]:
        """Return the nodes in the order in which they are to be used; a job waits without those left out.

        ``portions`` are the nodes that have room, by free cores and then free GPUs, ascending. One may be
        split: by_rank() of ``placement.py`` makes one of each node.
        """
        return worst_fit(portions)

    def plan(
        self, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> Iterator[Start | Deny | None]:
        """Take jobs out of the queue that start now, or never can: here until one has to wait.

        A generator: what it has allocated it yields. At each ``yield`` others may get their turn before it
        goes on, so that jobs leave and arrive, and resources become free or go down; None is a ``yield`` for
        that alone, every few milliseconds.
        """
        while (job := queue.first()) is not None:
            decision = self.attempt(job, pool, now)
            if decision is None:
                return
            queue.pop(job.id)
            yield decision

    def attempt(self, job: PendingJob, pool: NodePool, now: float) -> Start | Deny | None:
        """Give a job what it asks for; None when that is not free now.

        No job has its resources for longer than there are any: what would take longer ends with them, since
        most jobs take less than their limit.
        """
        duration, last = job.request.duration, pool.expiration
        expiration = now + duration if duration > 0.0 else last
        if 0.0 < last <= expiration:
            if last <= now:
                return None
            expiration = last
        try:
            allocation = pool.alloc(job.id, job.request, expiration)
        except InfeasibleError as error:
            return Deny(job, error.strerror or "")
        except FormatError as error:
            return Deny(job, str(error))
        if allocation is None:
            return None
        allocation.userid = job.userid
        return Start(job, allocation)

    def forecast(self, jobs: list[PendingJob], pool: NodePool, now: float) -> dict[int, float | None]:
        """Return when each of the first ``jobs`` of the queue will start, None where that cannot be known."""
        return finish(forecast(pool, jobs, now))

    def forecasting(
        self, jobs: list[PendingJob], pool: NodePool, now: float
    ) -> Generator[None, None, dict[int, float | None]]:
        """The same in steps, for a policy whose forecast takes more than some milliseconds."""
        if type(self).forecast is not Policy.forecast:  # a policy that has another one
            yield
            return self.forecast(jobs, pool, now)
        return (yield from forecast(pool, jobs, now))

    def held_up(
        self, job: PendingJob, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """Return what keeps this job of others that wait, as reasons of :mod:`rosin.job.why`; in steps."""
        yield
        first = queue.first()
        return [] if first is None or first is job else [{"kind": "order", "jobid": first.id}]
