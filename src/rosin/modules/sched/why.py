# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a job waits, as far as the scheduler knows: facts, of which :mod:`rosin.job.why` makes sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.room import per_node, wanted

if TYPE_CHECKING:
    from collections.abc import Generator

    from rosin.modules.sched.job import PendingJob
    from rosin.modules.sched.schedule import Schedule

#: Jobs up to this place of the queue have their start estimated when somebody asks.
ESTIMATED = 256
#: Jobs that are named as those that hold resources.
_NAMED = 5


def why(schedule: Schedule, jobid: int, now: float) -> Generator[None, None, dict[str, Any] | None]:
    """Return, in steps, ``reasons``, the number of jobs ``ahead``, and ``t_estimate`` where it is known.

    None for a job that is not here: one that was answered, or whose R is being written.
    """
    job = schedule.queue.get(jobid)
    if job is None:
        return None
    answer: dict[str, Any] = {"ahead": schedule.queue.ahead(jobid)}
    try:
        answer["reasons"] = yield from _reasons(schedule, job, answer["ahead"], now)
    except (InfeasibleError, FormatError) as error:
        note = getattr(error, "strerror", None) or str(error)
        return {**answer, "reasons": [{"kind": "infeasible", "note": note}]}
    if answer["ahead"] < ESTIMATED:
        jobs = schedule.queue.head(answer["ahead"] + 1)
        estimates = yield from schedule.policy.forecasting(jobs, schedule.resources.pool, now)
        estimate = estimates.get(jobid)
        if estimate is not None:
            answer["t_estimate"] = estimate
    expiration = schedule.resources.pool.expiration
    if 0 < expiration < answer.get("t_estimate", now) + job.request.duration:
        answer["reasons"].append({"kind": "expiration", "expiration": expiration})
    return answer


def _reasons(
    schedule: Schedule, job: PendingJob, ahead: int, now: float
) -> Generator[None, None, list[dict[str, Any]]]:
    resources = schedule.resources
    pool, request = resources.pool, job.request
    pool.check(request)
    least, room = wanted(request).min, pool.room_on_nodes(request)
    found: list[dict[str, Any]] = [
        {"kind": "pool", **short, "held_by": _holders_of(schedule, short["pool"])}
        for short in pool.counted.short(request, least)
    ]
    if room < least:
        cores, gpus = (request.cores, request.gpus) if request.nodes is None else per_node(request)
        lacking: dict[str, Any] = {
            "kind": "resources",
            "unit": "slot" if request.nodes is None else "node",
            "needed": least,
            "free": room,
            "cores": cores,
            "gpus": gpus,
            "exclusive": request.exclusive,
        }
        if not found and pool.room_if_idle(request) < least:
            down = pool.eligible(request) & ~pool.up
            found.append({**lacking, "kind": "down", "nodes": resources.hosts(down)})
        else:
            found.append({**lacking, "held_by": _holders(schedule, job)})
    if ahead:
        found += yield from schedule.policy.held_up(job, schedule.queue, pool, now)
    return found


def _holders(schedule: Schedule, job: PendingJob) -> list[int]:
    """The ids of some jobs that hold what this one could use, those that end first in front."""
    pool = schedule.resources.pool
    useful = pool.eligible(job.request) & pool.up
    holding = [
        (held.expiration or float("inf"), jobid)
        for jobid, held in pool.jobs.items()
        if any(useful >> i & 1 for i in held.nodes)
    ]
    return [jobid for _, jobid in sorted(holding)[:_NAMED]]


def _holders_of(schedule: Schedule, name: str) -> list[int]:
    """The ids of some jobs that hold units of a counted pool, those that end first in front."""
    jobs = schedule.resources.pool.jobs.items()
    holding = [(held.expiration or float("inf"), jobid) for jobid, held in jobs if held.units.get(name)]
    return [jobid for _, jobid in sorted(holding)[:_NAMED]]
