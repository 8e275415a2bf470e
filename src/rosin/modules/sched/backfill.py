# SPDX-License-Identifier: LGPL-3.0-or-later
"""Backfill: jobs may overtake others that wait, if those start no later for it.

The first jobs that have to wait are promised resources. EASY makes one promise, conservative backfill one to
each job.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument, choice, number
from rosin.errors import FormatError
from rosin.modules.sched.forecast import forecast
from rosin.modules.sched.policy import Deny, Policy, Start
from rosin.modules.sched.settings import depth
from rosin.modules.sched.steps import finish
from rosin.modules.sched.timeline import Timeline, UnknownEndError
from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.room import wanted
from rosin.rfc import fluid

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from rosin.job.pending import PendingQueue
    from rosin.modules.sched.job import PendingJob
    from rosin.resource.allocator.pool import NodePool

#: Promises that the policies make, by name; those of the hybrid one are ``reservation-depth``.
POLICIES = {"fcfs": 0, "easy": 1, "hybrid": 64, "conservative": 256}
#: As many as may be asked for: each costs a pass what there is to look at.
MAX_RESERVATIONS = 10000
#: Jobs behind the first one that waits that may overtake it.
BACKFILL_DEPTH = 1000
#: The settings of backfill.
BACKFILL = (
    Argument("queue-policy", "POLICY", f"who may overtake: {', '.join(POLICIES)}", choice(*POLICIES)),
    Argument(
        "reservation-depth",
        "N",
        "jobs that are promised a start by hybrid (64) and conservative (256)",
        number(1, MAX_RESERVATIONS),
    ),
    Argument("backfill-depth", "N|unlimited", f"jobs that may overtake ({BACKFILL_DEPTH})", depth),
)
#: Promises that are worked out for somebody who asks.
_TOLD = 64
#: Jobs looked at after which others get their turn.
_PAUSE = 32
#: The same where it is only compared what they ask for.
_FEW = 4096


class Backfill(Policy):
    """Backfill as the settings ``queue-policy``, ``reservation-depth`` and ``backfill-depth`` say.

    Attributes:
        default: the ``queue-policy`` when none is set.
    """

    default = "easy"

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        name = self.settings.get("queue-policy", self.default)
        #: How many jobs that wait are promised resources.
        self.reservations: int = POLICIES[name]
        if name in ("hybrid", "conservative"):
            self.reservations = self.settings.get("reservation-depth", self.reservations)
        #: How many may overtake; 0: any number.
        self.depth: int = self.settings.get("backfill-depth", BACKFILL_DEPTH)
        self._look: _Look | None = None

    def plan(
        self, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> Iterator[Start | Deny | None]:
        """Take jobs out of the queue until one has to wait, then those behind it that delay no promise."""
        yield from super().plan(queue, pool, now)
        if self.reservations and len(queue) > 1:
            yield from self._overtake(queue, pool, now)

    def _overtake(
        self, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> Iterator[Start | Deny | None]:
        look = self._look
        if look is None or not look.holds(queue, pool):
            look = self._look = _Look(pool, now)
        look.timeline.now = now
        last = yield from self._last_with_room(queue, pool, len(look.seen))
        for behind, job in enumerate(islice(queue, len(look.seen), last + 1), len(look.seen)):
            if behind % _PAUSE == _PAUSE - 1:
                yield None
            if behind:
                decision = self._try(job, look)
                if decision is not None:
                    queue.pop(job.id)
                    yield decision
                    if not pool.free_cores():
                        break
                    continue
            look.seen.append(job.id)
            if len(look.timeline.reservations) < self.reservations:
                try:
                    reservation = yield from look.timeline.reserve(job)
                except UnknownEndError:  # whoever overtakes might delay it
                    self._look = None
                    return
                except (InfeasibleError, FormatError):
                    continue  # it is denied at its turn
                if reservation is not None:
                    look.hopeless.clear()
                yield None

    def _last_with_room(
        self, queue: PendingQueue[PendingJob], pool: NodePool, first: int
    ) -> Generator[None, None, int]:
        """Return the place of the last job, from one on, for which there is room now, promised or not; or -1.

        What is behind it need not be looked at, and if there is none no promise has to be worked out.
        """
        last = -1
        if not pool.free_cores():
            return last
        room: dict[Any, bool] = {}
        first = max(1, first)
        most = self.depth + 1 if self.depth else None
        for behind, job in enumerate(islice(queue, first, most), first):
            if behind % _FEW == _FEW - 1:
                yield
            shape = job.request.shape
            if shape not in room:
                try:
                    room[shape] = pool.room_now(job.request) >= wanted(job.request).min
                except FormatError:
                    room[shape] = True  # it is denied when it is tried
            if room[shape]:
                last = behind
        return last

    def _try(self, job: PendingJob, look: _Look) -> Start | Deny | None:
        """Start a job with what is free and not promised to others before it ends."""
        timeline = look.timeline
        request = job.request
        promised = timeline.before(timeline.end(request, timeline.now))
        shape = request.shape
        if promised >= look.hopeless.get(shape, promised + 1):
            return None
        before = timeline.pool.changes
        decision = self.attempt(job, timeline.without(promised), timeline.now)
        if decision is None:
            look.hopeless[shape] = promised
        elif isinstance(decision, Start):
            timeline.started(job.id, promised)
            look.changes += timeline.pool.changes - before
            if timeline.reservations:
                first = fluid.encode(timeline.reservations[0].id, "f58")
                return decision._replace(annotations={"backfill": first})
        return decision

    def forecast(self, jobs: list[PendingJob], pool: NodePool, now: float) -> dict[int, float | None]:
        """Return when each of the first jobs starts if none of them is delayed by those behind it."""
        return finish(self.forecasting(jobs, pool, now))

    def forecasting(
        self, jobs: list[PendingJob], pool: NodePool, now: float
    ) -> Generator[None, None, dict[int, float | None]]:
        """The same in steps."""
        if not self.reservations:
            return (yield from forecast(pool, jobs, now))
        timeline = Timeline(pool, now)
        estimates: dict[int, float | None] = {job.id: None for job in jobs}
        for job in jobs:
            try:
                yield from timeline.reserve(job)
            except UnknownEndError:
                break
            except (InfeasibleError, FormatError):
                continue
        estimates.update({reservation.id: reservation.start for reservation in timeline.reservations})
        return estimates

    def held_up(
        self, job: PendingJob, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """Return the promise to another job that this one would break if it started now; in steps."""
        if not self.reservations:
            return (yield from super().held_up(job, queue, pool, now))
        if self.depth and queue.ahead(job.id) > self.depth:
            return [{"kind": "backfill-depth", "limit": self.depth}]
        timeline = Timeline(pool, now)
        for other in queue.head(min(queue.ahead(job.id), self.reservations, _TOLD)):
            try:
                yield from timeline.reserve(other)
            except UnknownEndError:
                return [{"kind": "order", "jobid": other.id, "unlimited": True}]
            except (InfeasibleError, FormatError):
                continue
        end = timeline.end(job.request, now)
        for count in range(1, timeline.before(end) + 1):
            yield
            if timeline.without(count).room_now(job.request) < wanted(job.request).min:
                promise = timeline.reservations[count - 1]
                return [{"kind": "reservation", "jobid": promise.id, "start": promise.start}]
        return []


class _Look:
    """What a look at the queue has found: it still holds while no resources change and jobs come last.

    Attributes:
        seen: ids of the jobs that were looked at and wait.
        hopeless: shape of a request: with how many reservations it does not fit.
        changes: of the pool, as far as they are taken into account.
    """

    def __init__(self, pool: NodePool, now: float) -> None:
        self.timeline = Timeline(pool, now)
        self.seen: list[int] = []
        self.hopeless: dict[Any, int] = {}
        self.changes = pool.changes

    def holds(self, queue: PendingQueue[PendingJob], pool: NodePool) -> bool:
        """Whether a look from the beginning would find the same."""
        if pool is not self.timeline.pool or pool.changes != self.changes:
            return False
        return [job.id for job in queue.head(len(self.seen))] == self.seen
