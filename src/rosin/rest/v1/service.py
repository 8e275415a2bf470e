# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/v1/nodes`` and ``/v1/service/stop``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from rosin.rest.context import Here, answer
from rosin.rest.models import LegacyError, Message, Nodes
from rosin.rest.routes.nodes import scheduler_view, up_hosts
from rosin.rest.routes.service import stop_service

router = APIRouter(prefix="/v1", tags=["v1"], default_response_class=Response)

_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": LegacyError}, "5XX": {"model": LegacyError}}


@router.get("/nodes", responses={200: {"model": Nodes}, **_ERRORS})
async def nodes(instance: Here) -> Response:
    """Names of the hosts that are up."""
    return answer({"nodes": up_hosts(await scheduler_view(instance))})


@router.post("/service/stop", responses={200: {"model": Message}, **_ERRORS})
async def stop(instance: Here) -> Response:
    """Stop the instance."""
    return await stop_service(instance)
