# SPDX-License-Identifier: LGPL-3.0-or-later
"""The front page, which is open to all, and the description of the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from rosin import __version__
from rosin.rest import pages
from rosin.rest.context import PROBLEMS, answer
from rosin.rest.models import About
from rosin.rest.routes.session import open_link

router = APIRouter(default_response_class=Response)


@router.get(
    "/",
    responses={
        200: {"model": About},
        204: {"description": "a link that was only looked at"},
        303: {"description": "signed in by a link"},
        **PROBLEMS,
    },
    tags=["health"],
)
async def home(
    request: Request,
    login: Annotated[str, Query(max_length=256, description="the token of a one-time login link")] = "",
) -> Response:
    """What answers here."""
    if login:
        return open_link(request, login)
    return answer({"name": "rosin", "version": __version__, "documentation": "/docs"})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The API on one page."""
    return pages.shell(request, "API", "docs.html", groups=_groups(request))


def _groups(request: Request) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in request.app.openapi()["paths"].items():
        for method, about in methods.items():
            text = about.get("description", "").split("\n\n")[0]
            entry = {"method": method.upper(), "path": path, "text": text.replace("``", "")}
            groups.setdefault(about.get("tags", ["other"])[0], []).append(entry)
    return groups


def operation_id(route: APIRoute) -> str:
    """A name for clients that are generated from the description: ``v1_list_jobs``."""
    prefix = "v1_" if route.path.startswith("/v1/") else ""
    return prefix + route.name
