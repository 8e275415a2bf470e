# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of a pool if each job uses all of its time, and who is promised what of it (RFC 27).

A reservation is a promise to a job that waits: these resources from then on. What starts in the meantime
leaves them alone, or is over by then.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heapify, heappop
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from rosin.modules.sched.job import PendingJob
    from rosin.resource.allocator.pool import Held, NodePool
    from rosin.resource.allocator.request import ResourceRequest

#: Steps of a search after which others get their turn.
_PAUSE = 64


class Reservation(NamedTuple):
    """A promise.

    Attributes:
        start, end: seconds since the epoch; inf is never.
        id: of the job.
        nodes: node index -> (mask of core ids, mask of GPU ids).
    """

    start: float
    end: float
    id: int
    nodes: Held


class UnknownEndError(Exception):
    """Jobs without a time limit hold what a request needs."""


class Timeline:
    """The future of a pool, from the time of a pass on.

    Attributes:
        reservations: those made so far, by start.
    """

    def __init__(self, pool: NodePool, now: float) -> None:
        self.pool = pool
        self.now = now
        self.reservations: list[Reservation] = []
        self._without: dict[int, NodePool] = {}  # the pool without the first n reservations

    # -- now ----------------------------------------------------------------------------------------

    def end(self, request: ResourceRequest, start: float) -> float:
        """Return when a job that starts then is over at the latest."""
        if request.duration > 0.0:
            return start + request.duration
        return self.pool.expiration or inf

    def before(self, end: float) -> int:
        """Return how many reservations begin before *end*."""
        return bisect_left(self.reservations, (end,))

    def without(self, count: int) -> NodePool:
        """Return what is free now and not promised by the first *count* reservations."""
        pool = self.pool if count == 0 else self._without.get(count)
        if pool is None:
            pool = self._without[count] = self.pool.copy()
            for reservation in self.reservations[:count]:
                pool.take(reservation.nodes)
        pool.up = self.pool.up
        return pool

    def started(self, jobid: int, count: int) -> None:
        """Note that ``without(count)`` has given resources to a job."""
        allocation = self.without(count).jobs[jobid]
        if count:
            self.pool.adopt(jobid, allocation)
        for number, pool in self._without.items():
            if number != count:
                pool.take(allocation.nodes)

    # -- later --------------------------------------------------------------------------------------

    def reserve(self, job: PendingJob) -> Generator[None, None, Reservation | None]:
        """Promise a job what it asks for, as early as no other promise suffers; returns the reservation.

        None when it would not fit even then when all jobs are over: nodes are down. A generator that pauses.
        Raises UnknownEndError, InfeasibleError and FormatError.
        """
        reservation = yield from self._earliest(job)
        if reservation is not None:
            at = bisect_left(self.reservations, reservation)
            self.reservations.insert(at, reservation)
            self._without = {number: pool for number, pool in self._without.items() if number <= at}
        return reservation

    def _earliest(self, job: PendingJob) -> Generator[None, None, Reservation | None]:
        request = job.request
        future = _Future(self.pool, self.now, self.reservations)
        needed = self.pool.least_cores(request)
        for step, start in enumerate(future.steps()):
            if step % _PAUSE == _PAUSE - 1:
                yield
            end = self.end(request, start)
            future.move(start, end)
            if future.cores < needed:
                continue
            allocation = future.pool.alloc(job.id, request)
            if allocation is not None:
                return Reservation(start, end, job.id, allocation.nodes)
        if future.release_unlimited() and future.pool.alloc(job.id, request) is not None:
            raise UnknownEndError
        return None


class _Future:
    """A pool on its way through time: what is free from one moment on to another.

    Attributes:
        pool: with what is free all the time.
        cores: not fewer than the free cores of it.
    """

    def __init__(self, pool: NodePool, now: float, reservations: list[Reservation]) -> None:
        self.pool = pool.copy()
        self.cores = pool.free_cores()
        self._now = now
        self._endings = [(held.expiration, jobid) for jobid, held in pool.jobs.items() if held.expiration > 0]
        heapify(self._endings)
        self._coming = reservations[::-1]
        self._reservations = reservations
        self._active: list[tuple[float, Reservation]] = []
        self._on: dict[int, list[tuple[int, int]]] = {}  # what of a node is promised within the time

    def steps(self) -> Iterator[float]:
        """Yield the moments at which something becomes free, now first, for which jobs that overrun end.

        Each has to be moved to.
        """
        yield self._now
        ends = sorted(reservation.end for reservation in self._reservations if reservation.end < inf)
        ends.reverse()
        last = self._now
        while self._endings or ends:
            ending = self._endings[0][0] if self._endings else inf
            last = max(last, min(ending, ends[-1] if ends else inf))
            while ends and ends[-1] <= last:
                ends.pop()
            yield last

    def move(self, start: float, end: float) -> None:
        """Go on to the time from *start* to *end*; neither is before what it was."""
        while self._endings and self._endings[0][0] <= start:
            self._release()
        while self._active and self._active[0][0] <= start:
            self._over(self._active.pop(0)[1])
        while self._coming and self._coming[-1].start < end:
            reservation = self._coming.pop()
            if reservation.end > start:
                insort(self._active, (reservation.end, reservation))
                self.pool.take(reservation.nodes)
                for i, held in reservation.nodes.items():
                    self._on.setdefault(i, []).append(held)

    def release_unlimited(self) -> bool:
        """Let the jobs go that have no limit; whether there is one."""
        unlimited = [jobid for jobid, held in self.pool.jobs.items() if held.expiration <= 0]
        promised = [reservation for _, reservation in self._active if reservation.end == inf]
        for jobid in unlimited:
            self._free(self.pool.release(jobid).nodes)
        for reservation in promised:
            self._over(reservation)
        return bool(unlimited or promised)

    def _release(self) -> None:
        self._free(self.pool.release(heappop(self._endings)[1]).nodes)

    def _over(self, reservation: Reservation) -> None:
        for i, held in reservation.nodes.items():
            self._on[i].remove(held)
        self.pool.give(reservation.nodes)
        self._free(reservation.nodes)

    def _free(self, nodes: Held) -> None:
        """Note that these are free, but for what others are promised of them."""
        for i, (cores, _) in nodes.items():
            self.cores += cores.bit_count()
            for promised in self._on.get(i, ()):
                self.pool.take({i: promised})
