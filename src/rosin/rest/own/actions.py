# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/jobs/ID/cancel`` and so on, and one action for many jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from rosin.job.table.attributes import POSITION, Row
from rosin.rest import jobview
from rosin.rest.context import Here
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import Mirror
from rosin.rest.own.acting import ACTIONS
from rosin.rest.own.fields import field_problem, parsed
from rosin.rest.own.guests import check_own, check_urgency, guest_of, is_own
from rosin.rest.own.jobpage import slices
from rosin.rest.own.jobs import JobId
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.base import Model
from rosin.rest.own.schema.jobs import Acted, ActedMany
from rosin.rest.own.schema.requests import Actions, Cancel, Empty, Signal, Update, Urgency
from rosin.rest.own.where import Where
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known
from rosin.rfc import fluid

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["jobs"], default_response_class=Response, route_class=OwnRoute
)

#: Jobs that one request may change, and how many of them the instance is asked about at a time.
MOST = 10_000
_AT_ONCE = 64
_URGENCY = POSITION["urgency"]
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": Acted}, **errors(404, 409, 415)}


async def _act(instance: InstanceLink, text: str, action: str, asked: Model) -> Response:
    number, row = await known(instance, text)
    result = await ACTIONS[action][1](instance, number, row, asked)
    return reply({"id": fluid.encode(number, "f58"), "action": action, "result": result})


@router.post("/{jobid}/cancel", responses=_ANSWERS)
async def own_cancel(instance: Here, jobid: JobId, asked: Cancel | None = None) -> Response:
    """Ask a job to end. 409 when it is over."""
    return await _act(instance, jobid, "cancel", asked or Cancel())


@router.post("/{jobid}/signal", responses=_ANSWERS)
async def own_signal(instance: Here, jobid: JobId, asked: Signal) -> Response:
    """Send a signal to the tasks of a running job."""
    return await _act(instance, jobid, "signal", asked)


@router.post("/{jobid}/hold", responses=_ANSWERS)
async def own_hold(instance: Here, jobid: JobId) -> Response:
    """Keep a pending job from starting: urgency 0."""
    return await _act(instance, jobid, "hold", Empty())


@router.post("/{jobid}/release", responses=_ANSWERS)
async def own_release(instance: Here, jobid: JobId) -> Response:
    """Let a held job start: urgency 16."""
    return await _act(instance, jobid, "release", Empty())


@router.post("/{jobid}/urgency", responses=_ANSWERS)
async def own_urgency(request: Request, instance: Here, jobid: JobId, asked: Urgency) -> Response:
    """Change the urgency of a pending job."""
    _, row = await known(instance, jobid)
    check_urgency(asked.urgency, guest_of(request), row[_URGENCY] or 0)
    return await _act(instance, jobid, "urgency", asked)


@router.post("/{jobid}/update", responses=_ANSWERS)
async def own_update(instance: Here, jobid: JobId, asked: Update) -> Response:
    """Change a job that is not over."""
    return await _act(instance, jobid, "update", asked)


@router.post("/actions", responses={200: {"model": ActedMany}, **errors(415)})
async def own_actions(request: Request, instance: Here, asked: Actions) -> Response:
    """Do the same to many jobs. Each has its own `status`: 404 for one that is not there, 409 and so on.

    A guest's own jobs are selected by `q` and `state`.
    """
    mirror, guest = await instance.jobs(), guest_of(request)
    if guest is not None and asked.action == "update":
        raise Problem(403, "only the owner of the instance may do this")
    model, act = ACTIONS[asked.action]
    arguments = parsed(model, asked.arguments, "arguments")
    targets = await _targets(mirror, asked, guest)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(given: str | int, row: Row | None) -> dict[str, Any]:
        ident = fluid.encode(row[0], "f58") if row is not None else str(given)
        try:
            if row is None:
                jobview.parse_id(str(given))
                raise Problem(404, f"there is no job {str(given)[:80]}")
            check_own(mirror, [row[0]], guest)
            if isinstance(arguments, Urgency):
                check_urgency(arguments.urgency, guest, row[_URGENCY] or 0)
            if asked.dry_run:
                return {"id": ident, "status": 200, "result": {}, "problem": None}
            async with gate:
                result = await act(instance, row[0], row, arguments)
        except Problem as problem:
            return {"id": ident, "status": problem.status, "result": None, "problem": problem.body()}
        return {"id": ident, "status": 200, "result": result, "problem": None}

    items = await asyncio.gather(*(one(given, row) for given, row in targets))
    done = sum(item["status"] == 200 for item in items)
    return reply({"items": items, "done": done, "failed": len(items) - done})


async def _targets(mirror: Mirror, asked: Actions, guest: int | None) -> list[tuple[str | int, Row | None]]:
    if asked.ids is not None:
        if asked.q or asked.state:
            raise field_problem("ids", "give ids, or q and state, not both")
        return [(text, _row(mirror, text)) for text in dict.fromkeys(asked.ids)]
    where = Where(asked.q or "", asked.state or "")
    if where.matches is None:
        raise field_problem("ids", "say which jobs: ids, q or state; state: active is all that are not over")
    found: list[tuple[str | int, Row | None]] = []
    async for rows in slices(mirror.snapshot()):
        found += [(row[0], row) for row in rows if is_own(row, guest) and where.matches(row)]
        if len(found) > MOST:
            raise Problem(413, f"more than {MOST} jobs match: select fewer")
    return found


def _row(mirror: Mirror, text: str) -> Row | None:
    try:
        return mirror.row(jobview.parse_id(text))
    except Problem:
        return None
