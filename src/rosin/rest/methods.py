# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 9110: what every path answers to HEAD, OPTIONS and methods that it does not know; and parameters that
it does not know, which would otherwise be ignored in silence.

``/v1`` ignores unknown parameters, as flux-restful-api does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.routing import compile_path

from rosin.rest.problem import Problem
from rosin.rest.routes.web import PageRoute

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_PARAMETERS = 100


class RoutePath:
    """One path: ``methods`` to the names of their query parameters, None where any is taken.

    ``page``: a browser gets a page there, whose parameters are the state of its view.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.methods: dict[str, frozenset[str] | None] = {}
        self.page = False

    @property
    def allow(self) -> str:
        """The value of an Allow header."""
        names = {*self.methods, "OPTIONS"} | ({"HEAD"} if "GET" in self.methods else set())
        return ", ".join(sorted(names))


def resources(routes: Iterable[object]) -> list[RoutePath]:
    """The paths of an application, in the order in which they are looked for."""
    found: dict[str, RoutePath] = {}
    for path in ("/openapi.json", "/static/{path:path}"):
        found[path] = RoutePath(compile_path(path)[0])
        found[path].methods["GET"] = frozenset()
    for route in routes:
        if isinstance(route, APIRoute):
            resource = found.setdefault(route.path, RoutePath(route.path_regex))
            names = frozenset(_query_names(route))
            for method in route.methods or ():
                if isinstance(route, PageRoute):
                    resource.page = True
                    resource.methods.setdefault(method, None)
                else:
                    resource.methods[method] = None if route.path.startswith("/v1/") else names
    return list(found.values())


def _query_names(route: APIRoute) -> Iterator[str]:
    """Names of a route's query parameters; those of a model are its members'."""
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield field.alias


class Methods:
    """ASGI middleware before the application's routes."""

    def __init__(self, app: ASGIApp, table: list[RoutePath]) -> None:
        self.app = app
        self.table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        resource = next((each for each in self.table if each.pattern.match(path)), None)
        if path == "*" or (resource is not None and method == "OPTIONS"):
            allow = "GET, HEAD, OPTIONS, POST" if resource is None else resource.allow
            await send(
                {"type": "http.response.start", "status": 204, "headers": [(b"allow", allow.encode())]}
            )
            await send({"type": "http.response.body", "body": b""})
            return
        if resource is None:  # the application answers 404
            await self.app(scope, receive, send)
            return
        if resource.page:
            send = _varying(send)
        head = method == "HEAD" and "GET" in resource.methods
        used = "GET" if head else method
        if used not in resource.methods:
            raise Problem(405, "Method Not Allowed", {"Allow": resource.allow})
        if not (resource.page and PageRoute.wanted(scope)):
            _check_parameters(scope["query_string"], resource.methods[used])
        if head:
            # Streams look at rosin.head: they would not end.
            await self.app({**scope, "method": "GET", "rosin.head": True}, receive, _without_body(send))
        else:
            await self.app(scope, receive, send)


def _varying(send: Send) -> Send:
    """A path with a page and JSON says that it looks at Accept."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "accept" not in headers.get("vary", "").lower().replace(" ", "").split(","):
                headers.add_vary_header("Accept")
        await send(message)

    return wrapped


def _without_body(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return wrapped


def _check_parameters(query: bytes, known: frozenset[str] | None) -> None:
    """Raises Problem 400 for a parameter that has no effect, or is given twice."""
    if not query or known is None:
        return
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, f"the query has more than {_MOST_PARAMETERS} parameters") from None
    seen: set[str] = set()
    for name, _ in pairs:
        if name not in known:
            near = difflib.get_close_matches(name[:40], known, 1)
            hint = (
                f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
            )
            raise Problem(400, f"'{name[:40]}' is not a parameter here; {hint}")
        if name in seen:
            raise Problem(400, f"the parameter '{name}' is given twice")
        seen.add(name)
