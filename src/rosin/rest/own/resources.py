# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/resources``: nodes, what runs where, and taking nodes out of use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from rosin.resource import control
from rosin.resource.status import resource_status
from rosin.rest.context import Here
from rosin.rest.own.map import nodes
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.instance import Drain, Drained, ResourceMap, Restrictions, Undrain
from rosin.rest.routes.nodes import scheduler_view

router = APIRouter(
    prefix=f"{PREFIX}/resources", tags=["resources"], default_response_class=Response, route_class=OwnRoute
)


@router.get("", responses={200: {"model": ResourceMap}, **errors()})
async def own_resources(instance: Here, asked: Annotated[Restrictions, Query()]) -> Response:
    """Nodes with their cores and GPUs, which jobs have them, and why some are out of use."""
    mirror = await instance.jobs()
    view = await scheduler_view(instance)
    status = await instance.answer(resource_status(await instance.connected()))
    return reply(await nodes(view, status, mirror, asked))


@router.post("/drain", responses={200: {"model": Drained}, **errors(404, 409, 415)})
async def own_drain(instance: Here, asked: Drain) -> Response:
    """Let nodes take no more jobs; those that run there go on. 409 when one is drained already."""
    handle = await instance.connected()
    await instance.answer(control.drain(handle, asked.targets, asked.reason, asked.mode))
    return reply({"targets": asked.targets})


@router.post("/undrain", responses={200: {"model": Drained}, **errors(404, 409, 415)})
async def own_undrain(instance: Here, asked: Undrain) -> Response:
    """Let nodes take jobs again. 409 when one is not drained."""
    handle = await instance.connected()
    await instance.answer(control.undrain(handle, asked.targets, asked.reason, asked.mode))
    return reply({"targets": asked.targets})
