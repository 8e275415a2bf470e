# SPDX-License-Identifier: LGPL-3.0-or-later
"""Probes: whether the server lives, and whether it reaches its instance."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from rosin import __version__
from rosin.rest.context import PROBLEMS, Here, answer
from rosin.rest.models import Health, Ready

router = APIRouter(tags=["health"])


@router.get("/health", responses={200: {"model": Health}}, response_class=Response)
async def health() -> Response:
    """The server lives. Needs no credentials and asks nobody."""
    return answer({"status": "ok", "version": __version__})


@router.get("/ready", responses={200: {"model": Ready}, **PROBLEMS}, response_class=Response)
async def ready(instance: Here) -> Response:
    """The server knows its instance's jobs. Needs no credentials, and so tells nothing of them."""
    await instance.jobs()
    return answer({"status": "ready"})
