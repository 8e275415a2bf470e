# SPDX-License-Identifier: LGPL-3.0-or-later
"""The web page: what browsers get on the paths of the API and on a few of its own.

Every page is the same shell; the script in it shows the view of the address and fetches what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from rosin.rest import jobview, pages
from rosin.rest.context import Here
from rosin.rest.routes.jobs import known
from rosin.rest.routes.session import open_link, sign_in
from rosin.rfc import fluid

if TYPE_CHECKING:
    from starlette.types import Scope


class PageRoute(APIRoute):
    """A route for those who accept HTML; the API has the same path for all others."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As usual, but nothing for a request that does not ask for a page."""
        return super().matches(scope) if self.wanted(scope) else (Match.NONE, {})

    @staticmethod
    def wanted(scope: Scope) -> bool:
        """Whether a page is asked for."""
        return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


class Assets(StaticFiles):
    """Scripts, style and logo: kept by browsers, which ask whether they are still those of this version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it is as before."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


router = APIRouter(route_class=PageRoute, default_response_class=Response, include_in_schema=False)


@router.get("/")
async def overview(request: Request, login: Annotated[str, Query(max_length=256)] = "") -> Response:
    """The overview, or to a stranger the way to it; and where a login link leads."""
    if login:
        return open_link(request, login)
    if request.scope.get("rosin.user") is None:
        return sign_in(request)
    return pages.shell(request, "Overview")


@router.get("/jobs")
async def jobs(request: Request) -> Response:
    """The table of jobs."""
    return pages.shell(request, "Jobs")


@router.get("/jobs/submit")
async def submit(request: Request) -> Response:
    """The form for a new job."""
    return pages.shell(request, "New job")


@router.get("/jobs/{jobid}")
async def job(request: Request, instance: Here, jobid: Annotated[str, Path(max_length=256)]) -> Response:
    """A job. Raises Problem 400 and 404."""
    number, row = await known(instance, jobid)
    return pages.shell(request, fluid.encode(number, "f58"), job=jobview.summary(row))


@router.get("/job/{jobid}")
async def old_job(jobid: str) -> Response:
    """Where flux-restful-api has the page of a job."""
    return RedirectResponse(f"/jobs/{jobid}")


@router.get("/resources")
async def resources(request: Request) -> Response:
    """The map of nodes."""
    return pages.shell(request, "Resources")


@router.get("/queues")
async def queues(request: Request) -> Response:
    """The queues."""
    return pages.shell(request, "Queues")


@router.get("/events")
async def events(request: Request) -> Response:
    """What happens, as it happens."""
    return pages.shell(request, "Events")


@router.get("/tokens")
async def tokens(request: Request) -> Response:
    """The tokens of the API."""
    return pages.shell(request, "Tokens")


@router.get("/webhooks")
async def webhooks(request: Request) -> Response:
    """The webhooks."""
    return pages.shell(request, "Webhooks")


@router.get("/about")
async def about(request: Request) -> Response:
    """What runs here."""
    return pages.shell(request, "About")
