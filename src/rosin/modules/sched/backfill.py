# SPDX-License-Identifier: LGPL-3.0-or-later
"""Backfill: jobs may overtake others that wait, if those start no later for it.

The first jobs that have to wait are promised resources. EASY makes one promise, conservative backfill one to
each job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument, choice, number
from rosin.errors import FormatError
from rosin.modules.sched.policy import Deny, Policy, Start
from rosin.modules.sched.settings import depth
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
#: Promises that are worked out for somebody who asks, and pauses that are passed over for that.
FORECAST_DEPTH = 64
_NO_PAUSES = 64
#: Jobs looked at after which others get their turn.
_PAUSE = 32


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
        timeline = Timeline(pool, now)
        hopeless: dict[Any, int] = {}  # shape -> with how many reservations it does not fit
        if not pool.free_cores():
            return
        for behind, job in enumerate(queue):
            if self.depth and behind > self.depth:
                return
            if behind % _PAUSE == _PAUSE - 1:
                yield None
            if behind:
                decision = self._try(job, timeline, hopeless)
                if decision is not None:
                    queue.pop(job.id)
                    yield decision
                    if not pool.free_cores():
                        return
                    continue
            if len(timeline.reservations) < self.reservations:
                try:
                    reservation = yield from timeline.reserve(job)
                except UnknownEndError:
                    return  # whoever overtakes might delay it
                except (InfeasibleError, FormatError):
                    continue  # it is denied at its turn
                if reservation is not None:
                    hopeless.clear()

    def _try(self, job: PendingJob, timeline: Timeline, hopeless: dict[Any, int]) -> Start | Deny | None:
        """Start a job with what is free and not promised to others before it ends."""
        request = job.request
        promised = timeline.before(timeline.end(request, timeline.now))
        shape = request.shape
        if promised >= hopeless.get(shape, promised + 1):
            return None
        decision = self.attempt(job, timeline.without(promised), timeline.now)
        if decision is None:
            hopeless[shape] = promised
        elif isinstance(decision, Start):
            timeline.started(job.id, promised)
            if timeline.reservations:
                first = fluid.encode(timeline.reservations[0].id, "f58")
                return decision._replace(annotations={"backfill": first})
        return decision

    def forecast(self, jobs: list[PendingJob], pool: NodePool, now: float) -> dict[int, float | None]:
        """Return when each of the first jobs starts if none of them is delayed by those behind it."""
        if not self.reservations:
            return super().forecast(jobs, pool, now)
        timeline = Timeline(pool, now)
        estimates: dict[int, float | None] = {job.id: None for job in jobs}
        for job in jobs:
            try:
                _drain(timeline.reserve(job))
            except UnknownEndError:
                break
            except (InfeasibleError, FormatError):
                continue
        estimates.update({reservation.id: reservation.start for reservation in timeline.reservations})
        return estimates

    def held_up(
        self, job: PendingJob, queue: PendingQueue[PendingJob], pool: NodePool, now: float
    ) -> list[dict[str, Any]]:
        """Return the promise to another job that this one would break if it started now."""
        if not self.reservations:
            return super().held_up(job, queue, pool, now)
        if self.depth and queue.ahead(job.id) > self.depth:
            return [{"kind": "backfill-depth", "limit": self.depth}]
        timeline = Timeline(pool, now)
        for other in queue.head(min(queue.ahead(job.id), self.reservations, FORECAST_DEPTH)):
            try:
                _drain(timeline.reserve(other))
            except UnknownEndError:
                return [{"kind": "order", "jobid": other.id, "unlimited": True}]
            except (InfeasibleError, FormatError):
                continue
        end = timeline.end(job.request, now)
        for count in range(1, timeline.before(end) + 1):
            if timeline.without(count).room_now(job.request) < wanted(job.request).min:
                promise = timeline.reservations[count - 1]
                return [{"kind": "reservation", "jobid": promise.id, "start": promise.start}]
        return []


def _drain(steps: Generator[None, None, Any]) -> None:
    """Take the steps of a search at once. Raises UnknownEndError also when there are too many of them."""
    for step, _ in enumerate(steps):
        if step == _NO_PAUSES:
            raise UnknownEndError
