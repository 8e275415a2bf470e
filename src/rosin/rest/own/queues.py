# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/queues``: their limits and states, and opening, closing, starting and stopping them."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from starlette.responses import Response

from rosin.queue import QueueInfo, QueueResourceCounts, configuration_async, queue_status_async
from rosin.rest.context import Here
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import Mirror
from rosin.rest.own.jobpage import COUNTED, all_counts
from rosin.rest.own.map import AMOUNTS, amount
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.instance import QueueChange, QueueChanged, Queues
from rosin.rest.problem import Problem
from rosin.rest.routes.nodes import scheduler_view

router = APIRouter(
    prefix=f"{PREFIX}/queues", tags=["queues"], default_response_class=Response, route_class=OwnRoute
)

#: What stands for all queues, or the only one without a name.
ALL = "all"
QueueName = Annotated[str, Path(max_length=256, description="its name; `all` for all of them")]


async def queues_of(instance: InstanceLink) -> list[dict[str, Any]]:
    """Each queue as a :class:`~rosin.rest.own.schema.instance.QueueState`. Raises Problem."""
    mirror, handle = await instance.jobs(), await instance.connected()
    view = await scheduler_view(instance)
    config = await instance.answer(configuration_async(handle))
    names = list(config.get("queues") or {})
    states = await asyncio.gather(
        *(instance.answer(queue_status_async(handle, name)) for name in names or [None])
    )
    default = _default(config)
    return [
        _encode(
            QueueInfo(
                name,
                config,
                view,
                state["enable"],
                state["start"],
                not name or name == default,
                state.get("parent", ""),
                state.get("blocked"),
            ),
            state,
            mirror,
        )
        for name, state in zip(names or [""], states, strict=True)
    ]


def _default(config: dict[str, Any]) -> str | None:
    value: Any = config
    for key in ("policy", "jobspec", "defaults", "system", "queue"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _encode(queue: QueueInfo, state: dict[str, Any], mirror: Mirror) -> dict[str, Any]:
    resources = queue.resources
    return {
        "name": queue.name,
        "default": queue.is_default,
        "enabled": queue.enabled,
        "disable_reason": state.get("disable_reason"),
        "started": queue.started,
        "stop_reason": state.get("stop_reason"),
        "blocked": queue.blocked,
        "parent": queue.parent or None,
        "requires": list(queue.config.get("queues", {}).get(queue.name, {}).get("requires", [])),
        "duration": _finite(queue.defaults.duration),
        "limits": {
            "duration": _finite(queue.limits.duration),
            "min": {name: value or 0 for name, value in _sizes(queue.limits.min).items()},
            "max": _sizes(queue.limits.max),
        },
        "resources": {name: amount(getattr(resources, name)) for name in AMOUNTS},
        "counts": _counts(queue.name, mirror),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sizes(counts: QueueResourceCounts) -> dict[str, int | None]:
    values = {"nodes": counts.nnodes, "cores": counts.ncores, "gpus": counts.ngpus}
    return {name: int(value) if math.isfinite(value) else None for name, value in values.items()}


def _counts(name: str, mirror: Mirror) -> dict[str, int]:
    if not name:
        return all_counts(mirror)
    stats = mirror.queue_counts().get(name)
    if stats is None:
        return dict.fromkeys(COUNTED, 0)
    known = {**stats["job_states"], **stats, "completed": stats["successful"]}
    return {key: int(known.get(key, 0)) for key in COUNTED}


@router.get("", responses={200: {"model": Queues}, **errors()})
async def own_queues(instance: Here) -> Response:
    """The queues, or the one without a name."""
    return reply({"items": await queues_of(instance)})


@router.post("/{name}/{action}", responses={200: {"model": QueueChanged}, **errors(404, 415)})
async def own_queue_action(
    instance: Here,
    name: QueueName,
    action: Literal["start", "stop", "enable", "disable"],
    asked: QueueChange | None = None,
) -> Response:
    """Start or stop a queue's jobs; let jobs be submitted to it or not (with a reason)."""
    handle = await instance.connected()
    asked = asked or QueueChange.model_validate({})
    await _check_name(instance, name)
    request: dict[str, Any] = {"all": name == ALL} if name == ALL else {"all": False, "name": name}
    if action in ("stop", "disable"):
        request["reason"] = asked.reason or ("stopped through the REST API" if action == "stop" else "")
    if action in ("start", "stop"):
        topic, request["start"] = "job-manager.queue-start", action == "start"
        request["nocheckpoint"] = asked.nocheckpoint
    else:
        topic, request["enable"] = "job-manager.queue-enable", action == "enable"
    await instance.answer(handle.rpc(topic, request))
    await instance.queues.look()
    return reply({"name": name, "action": action})


async def _check_name(instance: InstanceLink, name: str) -> None:
    if name == ALL:
        return
    config = await instance.answer(configuration_async(await instance.connected()))
    names = list(config.get("queues") or {})
    if name not in names:
        raise Problem(
            404, f"there is no queue '{name[:80]}'; there are: {', '.join(names) or 'none with names'}"
        )
