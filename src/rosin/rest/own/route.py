# SPDX-License-Identifier: LGPL-3.0-or-later
"""What all routes of ``/rosin/v1`` have in common: media types, JSON as Flux reads it, entity tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.responses import Response

from rosin import _json
from rosin.rest.context import answer
from rosin.rest.models import ProblemModel
from rosin.rest.problem import Problem

PREFIX = "/rosin/v1"
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.ASCII)
_Q = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)

_TEXTS = {
    400: "a parameter or the body is malformed",
    401: "credentials are needed, or wrong",
    403: "it is not allowed to this user",
    404: "there is no such job, queue, node or file",
    406: "no media type that is asked for",
    409: "the job's state does not allow it",
    413: "the body is too large",
    415: "the body is no JSON",
    422: "a member of the body or a parameter has a wrong value: `errors` names each",
    429: "too many requests",
    503: "the instance is away",
    504: "the instance does not answer",
}


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for OpenAPI: those of all routes, and *codes*."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemModel"}}}
    wanted = sorted({400, 401, 403, 406, 422, 429, 503, 504, *codes})
    return {code: {"description": _TEXTS[code], "model": ProblemModel, "content": content} for code in wanted}


class OwnRequest(Request):
    """A request whose JSON is read as strictly as the instance reads it."""

    async def json(self) -> Any:
        """The body. HTTPException 400 for what is not JSON, or nests too deep."""
        body = await self.body()
        try:
            return _json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise HTTPException(400, f"the request is not JSON: {exc}") from None


class OwnRoute(APIRoute):
    """A route that checks Content-Type and Accept before its work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with these checks before it."""
        handler = super().get_route_handler()
        offered = tuple(self.responses.get(200, {}).get("content", ())) or ("application/json",)
        takes_json = self.body_field is not None

        async def checked(given: Request) -> Response:
            request = OwnRequest(given.scope, given.receive)
            check_accept(request, offered)
            if takes_json and ("content-type" in request.headers or await request.body()):
                kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
                if not _JSON.fullmatch(kind):
                    raise Problem(
                        415,
                        "the body is JSON: Content-Type: application/json",
                        {"Accept": "application/json"},
                    )
            return await handler(request)

        return checked


def quality(accept: str, kind: str) -> float:
    """How much a media type is wanted (RFC 9110, 12.5.1), 0 for not at all."""
    best, where = 0.0, -1
    for part in accept.split(",")[:50]:
        name, *parameters = part.lower().split(";")
        name = name.strip()
        major = kind.partition("/")[0]
        precision = (name == kind) + (name in (kind, f"{major}/*")) if name != "*/*" else 0
        if name not in (kind, f"{major}/*", "*/*") or precision < where:
            continue
        weights = [match[1] for text in parameters if (match := _Q.fullmatch(text))]
        best, where = float(weights[0]) if weights else 1.0, precision
    return best


def check_accept(request: Request, offered: tuple[str, ...]) -> str:
    """The media type that the client likes best. Raises Problem 406 if it likes none."""
    accept = ",".join(request.headers.getlist("accept")) or "*/*"
    best = max(offered, key=lambda kind: quality(accept, kind))
    if quality(accept, best) == 0:
        raise Problem(406, f"Accept: there is {' and '.join(offered)} here")
    return best


def fresh(request: Request, tag: str) -> bool:
    """Whether the client has the answer that *tag* names (RFC 9110, 13.1.2)."""
    return is_fresh(request.headers, tag)


def is_fresh(headers: Headers, tag: str) -> bool:
    """:func:`fresh`, by the headers of a request."""
    given = ",".join(headers.getlist("if-none-match"))
    opaque = tag.removeprefix("W/")
    return any(part.strip() in ("*", tag, opaque) for part in given.split(","))


def tagged(tag: str) -> dict[str, str]:
    """Headers of an answer that a client may keep and has to ask about."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


def reply(obj: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An object as JSON."""
    return answer(obj, status, {"Vary": "Accept", **(headers or {})})
