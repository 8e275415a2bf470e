# SPDX-License-Identifier: LGPL-3.0-or-later
"""What every route needs: the instance of the running loop, and who asks for what."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Request
from starlette.responses import Response

from rosin import _json
from rosin.rest.instance import InstanceLink, InstanceLinks
from rosin.rest.models import ProblemModel


async def _instance(request: Request) -> InstanceLink:
    return cast(InstanceLinks, request.app.state.instances).current()


Here = Annotated[InstanceLink, Depends(_instance)]

#: Errors of the API without a prefix, for OpenAPI.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {
        "description": text,
        "content": {"application/problem+json": {"schema": ProblemModel.model_json_schema()}},
    }
    for code, text in {
        "4XX": "the request cannot be served",
        "5XX": "the instance cannot be reached",
    }.items()
}


def answer(obj: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An object as JSON, encoded as it is."""
    return Response(_json.dumps(obj), status, headers, "application/json")


def wants_html(request: Request) -> bool:
    """Whether a page is asked for rather than JSON."""
    return "text/html" in request.headers.get("accept", "")


def wants_events(request: Request) -> bool:
    """Whether server-sent events are asked for."""
    return "text/event-stream" in request.headers.get("accept", "")


def closing(request: Request) -> bool:
    """Whether the server is about to stop."""
    return cast(InstanceLinks, request.app.state.instances).closing
