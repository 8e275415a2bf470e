# SPDX-License-Identifier: LGPL-3.0-or-later
"""The state of a scheduler between messages: who waits, who is being served, what is free.

Pure: each method is one event; what is to be said because of it, it returns as RFC 27 responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.job.pending import PendingQueue
from rosin.modules.sched.policy import Deny
from rosin.resource.allocator.inventory import ranks_of
from rosin.rfc import fluid
from rosin.rfc.alloc_protocol import ANNOTATE, CANCEL, DENY, SUCCESS, AllocResponse
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from rosin.modules.sched.job import PendingJob
    from rosin.modules.sched.policy import Policy, Start
    from rosin.resource.allocator.inventory import Inventory
    from rosin.rfc.alloc_protocol import Free

#: Priorities after which others get their turn.
_PAUSE = 512
#: Jobs allocated in one pass at most, so that other services of the loop get their turn.
PASS_LIMIT = 512


class Placed(NamedTuple):
    """A job whose R has to be written before it is told; ``told``: its annotations below ``sched``."""

    job: PendingJob
    R: dict[str, Any]
    told: dict[str, Any]


class Pass(NamedTuple):
    """What came out of a pass.

    Attributes:
        placed: jobs that got resources, to be passed to ``stored`` or ``not_stored``.
        denied: answers to those that never can.
        more: the pass was cut short and goes on with the next call.
        waiting: a job has to wait for resources.
    """

    placed: list[Placed]
    denied: list[AllocResponse]
    more: bool
    waiting: bool


class Schedule:
    """Jobs and resources.

    Attributes:
        queue: the jobs that wait, in order of trial.
        resources: what there is and what is free.
        writing: jobs that have resources and of which R is not yet in the KVS, by id.
        allocations: how many jobs were served.
    """

    def __init__(self, policy: Policy, resources: Inventory) -> None:
        self.policy = policy
        self.resources = resources
        self.queue: PendingQueue[PendingJob] = PendingQueue(policy.order)
        self.writing: dict[int, PendingJob] = {}
        self.allocations = 0
        self._withdrawn: set[int] = set()  # of those being written, no longer wanted
        self._plan: Iterator[Start | Deny | None] | None = None  # of a pass that goes on
        self._began = 0.0

    # -- what arrives ---------------------------------------------------------------------------------

    def add(self, job: PendingJob) -> None:
        """A job asks for resources."""
        self.queue.add(job)

    def cancel(self, jobid: int) -> AllocResponse | None:
        """A request is taken back; None when it has been answered or is about to be."""
        job = self.queue.pop(jobid)
        if jobid in self.writing:
            self._withdrawn.add(jobid)
        elif job is not None:
            return AllocResponse(jobid, CANCEL)
        return None

    def prioritize(self, priorities: list[tuple[int, int]]) -> Generator[None, None, None]:
        """Priorities change: (id, priority); unknown ids are ignored. In steps, between which jobs may go."""
        for place, (jobid, priority) in enumerate(priorities, 1):
            if place % _PAUSE == 0:
                yield
            job = self.queue.get(jobid)
            if job is not None:
                job.priority = priority
                self.queue.add(job)
            elif jobid in self.writing:
                self.writing[jobid].priority = priority

    def free(self, free: Free) -> str:
        """Resources come back; returns what is wrong with that, for the log, or "". Raises FormatError."""
        ranks = ranks_of(free.R)
        try:
            wrong = self.resources.pool.free(free.id, ranks, final=free.final)
        except KeyError:
            return f"{fluid.encode(free.id, 'f58')} holds nothing"
        if wrong:
            text = f"R does not match the allocation on ranks {Idset(wrong).encode()}"
            return f"{fluid.encode(free.id, 'f58')}: {text}"
        return ""

    def expire(self, jobid: int, expiration: float) -> None:
        """A job ends at another time: any is possible, nobody else was promised its resources."""
        allocation = self.resources.pool.jobs.get(jobid)
        if allocation is not None:
            allocation.expiration = expiration
            self.resources.pool.changes += 1

    # -- a pass ---------------------------------------------------------------------------------------

    def make_pass(self, now: float, enough: Callable[[], bool] = lambda: False) -> Pass:
        """Let the policy give out what is free, or go on with that where the last call stopped.

        ``enough``: whether to stop for the sake of others; it is asked after each step.
        """
        if self._plan is None:
            self._began = now
            self._plan = iter(self.policy.plan(self.queue, self.resources.pool, now))
        placed: list[Placed] = []
        denied: list[AllocResponse] = []
        for decision in self._plan:
            if isinstance(decision, Deny):
                denied.append(AllocResponse(decision.job.id, DENY, note=decision.note))
            elif decision is not None:
                placed.append(self._place(decision))
            if len(placed) == PASS_LIMIT or enough():
                return Pass(placed, denied, more=True, waiting=False)
        self._plan = None
        return Pass(placed, denied, more=False, waiting=bool(self.queue))

    def _place(self, decision: Start) -> Placed:
        job, allocation, annotations = decision
        self.writing[job.id] = job
        R = self.resources.encode(allocation, self._began)
        summary = self.resources.summary(allocation.nodes)
        return Placed(job, R, {"resource_summary": summary, **annotations})

    def stored(self, placed: list[Placed]) -> list[AllocResponse]:
        """R of these jobs is in the KVS."""
        self.allocations += len(placed)
        answers = []
        for job, R, told in placed:
            del self.writing[job.id]
            self._withdrawn.discard(job.id)  # the job manager frees what it no longer wants (RFC 27)
            over = {} if job.estimate is None else {"t_estimate": None}  # it has started
            answers.append(AllocResponse(job.id, SUCCESS, R=R, annotations={"sched": {**told, **over}}))
        return answers

    def not_stored(self, placed: list[Placed]) -> list[AllocResponse]:
        """R of these jobs could not be written: they wait again, but for those that were withdrawn."""
        answers = []
        for job, _, _ in placed:
            del self.writing[job.id]
            self.resources.pool.release(job.id)
            if job.id in self._withdrawn:
                self._withdrawn.discard(job.id)
                answers.append(AllocResponse(job.id, CANCEL))
            else:
                self.queue.add(job)
        return answers

    def forecast(self, now: float, count: int = 8) -> Generator[None, None, list[AllocResponse]]:
        """Tell the first *count* jobs when they may start, if that changed by a second or more; in steps."""
        jobs = self.queue.head(count)
        estimates = yield from self.policy.forecasting(jobs, self.resources.pool, now)
        answers = []
        for job in jobs:
            start, before = estimates.get(job.id), job.estimate
            if start is None and before is None:
                continue
            if start is None or before is None or abs(start - before) >= 1.0:
                job.estimate = start
                annotations = {"sched": {"t_estimate": start}}
                answers.append(AllocResponse(job.id, ANNOTATE, annotations=annotations))
        return answers
