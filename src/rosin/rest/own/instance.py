# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/instance`` and ``/rosin/v1/overview``: what it is and what goes on."""

from __future__ import annotations

import asyncio
import errno
import heapq
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rosin import __version__
from rosin.job.info import get_username
from rosin.job.table.attributes import POSITION, Row
from rosin.job.why import job_why_async
from rosin.rest.context import Here
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import Mirror
from rosin.rest.own.detail import why_of
from rosin.rest.own.jobpage import all_counts, slices
from rosin.rest.own.jobrow import ALL
from rosin.rest.own.map import quantities
from rosin.rest.own.route import PREFIX, OwnRoute, errors, fresh, reply, tagged
from rosin.rest.own.schema.instance import InstanceAbout, Overview
from rosin.rest.own.utilisation import utilisation
from rosin.rest.problem import Problem
from rosin.rest.routes.nodes import scheduler_view
from rosin.rfc import states

router = APIRouter(prefix=PREFIX, tags=["instance"], default_response_class=Response, route_class=OwnRoute)

_ATTRIBUTES = (
    *("version", "security.owner", "size", "instance-level", "jobid", "parent-uri"),
    *("hostlist", "broker.starttime", "rank"),
)
_STATE, _RESULT, _RUN = POSITION["state"], POSITION["result"], POSITION["t_run"]
_PRIORITY, _URGENCY, _INACTIVE = POSITION["priority"], POSITION["urgency"], POSITION["t_inactive"]
_PENDING, _RUNNING, _FAILED = 14, 48, 10


async def attributes(instance: InstanceLink) -> dict[str, str]:
    """Attributes of the broker, those that it has. Raises Problem."""
    handle = await instance.connected()

    async def one(name: str) -> str | None:
        try:
            return str((await instance.answer(handle.rpc("attr.get", {"name": name})))["value"])
        except Problem as problem:
            if problem.errno == errno.ENOENT:
                return None
            raise

    values = await asyncio.gather(*map(one, _ATTRIBUTES))
    return {name: value for name, value in zip(_ATTRIBUTES, values, strict=True) if value is not None}


async def _is_rosin(instance: InstanceLink) -> bool:
    """Whether its job manager answers what no other does."""
    try:
        await instance.answer(job_why_async(await instance.connected(), 0))
    except Problem as problem:
        return problem.errno not in (None, errno.ENOSYS)
    return True


@router.get("/instance", responses={200: {"model": InstanceAbout}, **errors()})
async def own_instance(request: Request, instance: Here) -> Response:
    """Whose instance it is, and where it stands."""
    mirror = await instance.jobs()
    found = await attributes(instance)
    owner = int(found.get("security.owner", -1))
    start = found.get("broker.starttime")
    user = request.scope.get("rosin.user")
    return reply(
        {
            "version": found.get("version", ""),
            "rosin": await _is_rosin(instance),
            "server": __version__,
            "owner": {"uid": owner, "name": get_username(owner)},
            "user": None if user is None else str(user),
            "size": int(found.get("size", 1)),
            "level": int(found.get("instance-level", 0)),
            "jobid": found.get("jobid"),
            "parent_uri": found.get("parent-uri"),
            "hosts": found.get("hostlist"),
            "start": float(start) if start else None,
            "now": time.time(),
            "epoch": mirror.epoch,
        }
    )


@router.get("/overview", responses={200: {"model": Overview}, 304: {"description": "as before"}, **errors()})
async def own_overview(
    request: Request,
    instance: Here,
    span: Annotated[float, Query(ge=60, le=31_536_000, description="seconds of utilisation")] = 3600,
    points: Annotated[int, Query(ge=1, le=1000, description="intervals of utilisation")] = 60,
    limit: Annotated[int, Query(ge=0, le=50, description="jobs of each kind")] = 10,
) -> Response:
    """What runs, what waits and why, and how much of everything was in use."""
    mirror = await instance.jobs()
    tag = f'W/"{mirror.epoch}.{mirror.version}.{int(time.time() / 5)}.{span}.{points}.{limit}"'
    if fresh(request, tag):
        return Response(None, 304, tagged(tag))
    view, found = await asyncio.gather(scheduler_view(instance), _notable(mirror, limit))
    reasons, running, waiting, failed = found
    return reply(
        {
            "counts": all_counts(mirror),
            "resources": quantities(view),
            "utilisation": await utilisation(mirror, time.time(), span, points),
            "running": [ALL.of(row) for row in running],
            "waiting": await asyncio.gather(*(_waiting(instance, row) for row in waiting)),
            "reasons": reasons,
            "failed": [ALL.of(row) for row in failed],
        },
        headers=tagged(tag),
    )


async def _waiting(instance: InstanceLink, row: Row) -> dict[str, Any]:
    why = await why_of(instance, row[0], row)
    return {"job": ALL.of(row), **{name: why[name] for name in ("sentences", "ahead", "t_estimate")}}


def _last(name: int) -> Callable[[Row], Any]:
    return lambda row: (-(row[name] or 0.0), -row[0])


def _first(row: Row) -> Any:
    return -(row[_PRIORITY] or 0), row[0]


async def _notable(mirror: Mirror, limit: int) -> tuple[dict[str, int], list[Row], list[Row], list[Row]]:
    """Numbers of waiting jobs by state, and the first jobs of each kind: running, waiting, failed."""
    reasons = {"held": 0}
    best: dict[str, list[Row]] = {"running": [], "waiting": [], "failed": []}
    order = {"running": _last(_RUN), "waiting": _first, "failed": _last(_INACTIVE)}
    async for rows in slices(mirror.snapshot()):
        found: dict[str, list[Row]] = {"running": [], "waiting": [], "failed": []}
        for row in rows:
            state = row[_STATE]
            if state & _RUNNING:
                found["running"].append(row)
            elif state & _PENDING:
                found["waiting"].append(row)
                name = "held" if row[_URGENCY] == 0 else states.state_name(state).lower()
                reasons[name] = reasons.get(name, 0) + 1
            elif (row[_RESULT] or 0) & _FAILED:
                found["failed"].append(row)
        for kind, more in found.items():
            if more:
                best[kind] = heapq.nsmallest(limit, [*best[kind], *more], key=order[kind])
    return reasons, best["running"], best["waiting"], best["failed"]
