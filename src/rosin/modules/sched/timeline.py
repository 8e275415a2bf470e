# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of a pool if each job uses all of its time, and who is promised what of it (RFC 27).

A reservation is a promise to a job that waits: these resources from then on. What starts in the meantime
leaves them alone, or is over by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import inf
from operator import ge
from typing import TYPE_CHECKING, NamedTuple

from rosin.resource.allocator.packed import Packing
from rosin.resource.allocator.room import per_node, wanted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from rosin.modules.sched.job import PendingJob
    from rosin.resource.allocator.pool import NodePool
    from rosin.resource.allocator.request import ResourceRequest

#: Steps of a search after which others get their turn.
_PAUSE = 64


class Reservation(NamedTuple):
    """A promise.

    Attributes:
        start, end: seconds since the epoch; inf is never.
        id: of the job.
        packed: what is promised, as an integer (:mod:`rosin.resource.allocator.packed`).
    """

    start: float
    end: float
    id: int
    packed: int


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
        self._bounds: list[tuple[Needs, float]] = []  # what starts no earlier than that
        self._known = pool.changes  # of the pool that take nothing away from these
        self._changes = -1
        self._now: _Now

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
            now, promised = self._current(), 0
            for reservation in self.reservations[:count]:
                promised |= reservation.packed
            pool = self._without[count] = now.having_free(self.pool, now.free & ~promised)
        pool.up = self.pool.up
        return pool

    def started(self, jobid: int, count: int) -> None:
        """Note that ``without(count)`` has given resources to a job."""
        allocation = self.without(count).jobs[jobid]
        if count:
            self.pool.adopt(jobid, allocation)
        for number, pool in self._without.items():
            if number != count:
                pool.set_aside(allocation)
        self._known = self.pool.changes

    # -- later --------------------------------------------------------------------------------------

    def reserve(self, job: PendingJob) -> Generator[None, None, Reservation | None]:
        """Promise a job what it asks for, as early as no other promise suffers; returns the reservation.

        None when it would not fit even then when all jobs are over, as nodes are down, or not before the
        resources go away. A generator that pauses.
        Raises UnknownEndError, InfeasibleError and FormatError.
        """
        reservation = yield from self._earliest(job)
        if reservation is not None:
            at = bisect_left(self.reservations, reservation)
            self.reservations.insert(at, reservation)
            self._without = {number: pool for number, pool in self._without.items() if number <= at}
        return reservation

    def _earliest(self, job: PendingJob) -> Generator[None, None, Reservation | None]:
        request, now = job.request, self._current()
        future = _Future(now, self.reservations)
        needed = self.pool.least_cores(request)
        needs = Needs(request)
        bound = self._bound(needs)
        for step, start in enumerate(future.steps(self.now)):
            if step % _PAUSE == _PAUSE - 1:
                yield
            if 0 < self.pool.expiration <= start:
                return None
            end = self.end(request, start)
            future.move(start, end)
            if start < bound or future.most < needed or future.free().bit_count() < needed:
                continue
            yield  # what follows takes long on many nodes
            if now.packing.room(future.free(), request) < wanted(request).min:
                continue
            allocation = future.pool(self.pool).alloc(job.id, request)
            if allocation is not None:
                self._bounds.append((needs, start))
                packed = now.packing.pack(allocation.nodes.items(), allocation.units)
                return Reservation(start, end, job.id, packed)
        if self.pool.room_if_idle(request) >= wanted(request).min:
            raise UnknownEndError
        self.pool.check(request)
        return None

    def _bound(self, needs: Needs) -> float:
        """Before this time nothing starts that has these needs: what needs no more did not either.

        What is free at any time becomes less with each promise, and with each job that starts beside them.
        """
        if self._known != self.pool.changes:
            self._bounds, self._known = [], self.pool.changes
        return max((start for other, start in self._bounds if needs.cover(other)), default=0.0)

    def _current(self) -> _Now:
        if self._changes != self.pool.changes:
            self._changes, self._now = self.pool.changes, _Now(self.pool)
        return self._now


class Needs:
    """What a request needs, to be compared."""

    __slots__ = ("_kind", "_sizes")

    def __init__(self, request: ResourceRequest) -> None:
        where = request.shape[-2:] if isinstance(request.shape, tuple) else request.shape
        self._kind = (request.nodes is None, request.exclusive, where)
        self._sizes = (
            wanted(request).min,
            *((0, 0) if request.exclusive else per_node(request) if request.nodes else ()),
            request.cores,
            request.gpus,
            request.duration or inf,
        )

    def cover(self, other: Needs) -> bool:
        """Whether what is enough for this is enough for another."""
        return self._kind == other._kind and all(map(ge, self._sizes, other._sizes))


class _Now:
    """What is free and held at the moment.

    Attributes:
        endings: when jobs end, with their ids and what they hold.
    """

    def __init__(self, pool: NodePool) -> None:
        self.packing = Packing(pool)
        self.free = self.packing.pack(enumerate(pool.free_now()), pool.counted.free)
        self.endings = sorted(
            (held.expiration, jobid, held) for jobid, held in pool.jobs.items() if held.expiration > 0
        )

    def held(self, number: int) -> int:
        """What the job of an ending holds, packed."""
        allocation = self.endings[number][2]
        if allocation.packed is None:
            allocation.packed = self.packing.pack(allocation.nodes.items(), allocation.units)
        return allocation.packed

    def having_free(self, pool: NodePool, packed: int) -> NodePool:
        """The pool with this free, to try things on."""
        return pool.having_free(self.packing.unpack(packed), self.packing.units(packed))


class _Future:
    """A way through time: what is free from one moment on to another.

    Attributes:
        most: not fewer than are free of all cores and GPUs.
    """

    def __init__(self, now: _Now, reservations: list[Reservation]) -> None:
        self.most = now.free.bit_count()
        self._now = now
        self._reservations = reservations
        self._free = now.free
        self._over = 0  # how many of the endings are past
        self._freed = 0  # how many of these are in what is free
        self._promised = 0
        self._window = (-1, -1)  # how many promises begin before its end, how many end before its start
        self._ends = sorted(reservation.end for reservation in reservations)

    def steps(self, now: float) -> Iterator[float]:
        """Yield the moments at which something becomes free, now first, for which jobs that overrun end.

        Each has to be moved to.
        """
        yield now
        last = now
        ends = [end for end in self._ends if now < end < inf]
        ends.reverse()
        while self._over < len(self._now.endings) or ends:
            ending = self._now.endings[self._over][0] if self._over < len(self._now.endings) else inf
            last = max(last, min(ending, ends[-1] if ends else inf))
            while ends and ends[-1] <= last:
                ends.pop()
            yield last

    def move(self, start: float, end: float) -> None:
        """Go on to the time from *start* to *end*; neither is before what it was."""
        endings = self._now.endings
        while self._over < len(endings) and endings[self._over][0] <= start:
            self.most += endings[self._over][2].size
            self._over += 1
        window = bisect_left(self._reservations, (end,)), bisect_right(self._ends, start)
        if window != self._window:
            self._window = window
            self._promised = 0
            for reservation in self._reservations[: window[0]]:
                if reservation.end > start:
                    self._promised |= reservation.packed

    def free(self) -> int:
        """What is free all the time, packed."""
        while self._freed < self._over:
            self._free |= self._now.held(self._freed)
            self._freed += 1
        return self._free & ~self._promised

    def pool(self, pool: NodePool) -> NodePool:
        """The same as a pool to try things on."""
        return self._now.having_free(pool, self.free())
