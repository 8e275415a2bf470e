# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether a job can ever run, and if not which member of its request is too large."""

from __future__ import annotations

import errno
from typing import Any

from rosin.resource.list import SchedResourceList
from rosin.rest.instance import InstanceLink
from rosin.rest.own.queues import queues_of
from rosin.rest.own.schema.requests import JobRequest
from rosin.rest.problem import Problem
from rosin.rest.routes.nodes import scheduler_view

Faults = list[dict[str, str]]


async def faults_of(instance: InstanceLink, asked: JobRequest, spec: dict[str, Any]) -> Faults:
    """Reasons why the job cannot be submitted or can never run, by member. Raises Problem."""
    found = _too_much(asked, await scheduler_view(instance))
    found += await _of_queue(instance, asked, spec)
    if not found and (text := await _infeasible(instance, spec)):
        found.append({"field": "", "detail": text})
    return found


def _too_much(asked: JobRequest, view: SchedResourceList) -> Faults:
    """What no set of nodes could give."""
    nodes = [(cores.bit_count(), gpus.bit_count()) for _, (cores, gpus) in view.all.impl.items()]
    most_cores = max((cores for cores, _ in nodes), default=0)
    most_gpus = max((gpus for _, gpus in nodes), default=0)
    cores, gpus = asked.cores_per_task or 1, asked.gpus_per_task or 0
    tasks = asked.ntasks or asked.nnodes or 1
    found: Faults = []
    if asked.jobspec is not None or asked.shape is not None:
        return found
    for field, number, most, what, where in (
        ("nnodes", asked.nnodes or 0, len(nodes), "node", ""),
        ("cores_per_task", cores, most_cores, "core", " on a node"),
        ("gpus_per_task", gpus, most_gpus, "GPU", " on a node"),
    ):
        if number > most:
            found.append({"field": field, "detail": f"{_there(most, what)}{where}, not {number}"})
    for number, most, what in (
        (tasks * cores, view.all.ncores, "core"),
        (tasks * gpus, view.all.ngpus, "GPU"),
    ):
        if not found and number > most:
            text = f"{_there(most, what)}, and {tasks} tasks need {number}"
            found.append({"field": "ntasks" if asked.ntasks else "nnodes", "detail": text})
    return found


def _there(number: int, what: str) -> str:
    return f"there is 1 {what}" if number == 1 else f"there are {number or 'no'} {what}s"


async def _of_queue(instance: InstanceLink, asked: JobRequest, spec: dict[str, Any]) -> Faults:
    """What the queue does not take."""
    system = spec.get("attributes", {}).get("system", {})
    name = system.get("queue")
    try:
        queues = await queues_of(instance)
    except Problem as problem:
        if problem.status in (403, 503) and problem.errno is not None:
            return []  # a service that is not there, or tells its owner only: the submission will say
        raise
    names = [queue["name"] for queue in queues if queue["name"]]
    queue = next(
        (queue for queue in queues if queue["name"] == name or (name is None and queue["default"])), None
    )
    if name is not None and queue is None:
        text = f"there is no queue '{str(name)[:80]}'; there are: {', '.join(names) or 'none with names'}"
        return [{"field": "queue", "detail": text}]
    if queue is None:
        return [{"field": "queue", "detail": f"a queue is needed: {', '.join(names)}"}] if names else []
    found: Faults = []
    if not queue["enabled"]:
        reason = queue["disable_reason"] or "no reason was given"
        found.append({"field": "queue", "detail": f"it takes no jobs now: {reason}"})
    limit, duration = queue["limits"]["duration"], system.get("duration") or 0
    if limit is not None and isinstance(duration, int | float) and duration > limit:
        found.append({"field": "duration", "detail": f"the queue's limit is {limit:g} seconds"})
    most = queue["limits"]["max"]["nodes"]
    if most is not None and asked.nnodes is not None and asked.nnodes > most:
        found.append({"field": "nnodes", "detail": f"the queue's limit is {most}"})
    return found


async def _infeasible(instance: InstanceLink, spec: dict[str, Any]) -> str | None:
    """What the scheduler says against it; None where nobody can say."""
    handle = await instance.connected()
    try:
        await instance.answer(handle.rpc("feasibility.check", {"jobspec": spec}))
    except Problem as problem:
        if problem.errno in (errno.EOVERFLOW, errno.EINVAL, errno.E2BIG, errno.ENOSPC):
            return problem.detail
        if problem.errno != errno.ENOSYS:
            raise
    return None
