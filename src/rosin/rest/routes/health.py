# SPDX-License-Identifier: LGPL-3.0-or-later
"""Probes: whether the server lives, and whether it reaches its instance."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from rosin import __version__
from rosin.rest.context import PROBLEMS, Here, answer
from rosin.rest.models import Health, Ready
from rosin.rest.problem import unavailable

router = APIRouter(tags=["health"])


@router.get("/health", responses={200: {"model": Health}}, response_class=Response)
async def health() -> Response:
    """The server lives. Needs no credentials and asks nobody."""
    return answer({"status": "ok", "version": __version__})


@router.get("/ready", responses={200: {"model": Ready}, **PROBLEMS}, response_class=Response)
async def ready(request: Request, instance: Here) -> Response:
    """The server knows its instance's jobs. Needs no credentials, and so tells nothing of them."""
    if request.scope.get("rosin.user") is not None:
        await instance.jobs()
    elif not instance.mirror.ready or instance.handle is None:
        raise unavailable("not ready")  # a stranger neither waits here nor hears why
    return answer({"status": "ready"})
