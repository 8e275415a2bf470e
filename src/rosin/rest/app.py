# SPDX-License-Identifier: LGPL-3.0-or-later
"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from rosin import __version__, _json
from rosin.errors import FormatError
from rosin.rest import pages
from rosin.rest.auth.audit import AuditLog
from rosin.rest.auth.authenticator import Authenticator
from rosin.rest.auth.sessions import IDLE, LONGEST
from rosin.rest.context import wants_html
from rosin.rest.description import describe
from rosin.rest.gate import OPEN, Gate, refusal
from rosin.rest.instance import InstanceLinks
from rosin.rest.meter import Counters, Meter
from rosin.rest.methods import Methods, resources
from rosin.rest.official import routes as official
from rosin.rest.own import route as own
from rosin.rest.own import routers as own_routers
from rosin.rest.own.fields import invalid
from rosin.rest.own.idempotency import Answers
from rosin.rest.own.lineindex import LineIndexes
from rosin.rest.problem import Problem, of_error
from rosin.rest.representation import Representation
from rosin.rest.routes import (
    events,
    health,
    home,
    jobs,
    nodes,
    output,
    service,
    session,
    tokens,
    web,
    webhooks,
)
from rosin.rest.serverstate import ServerState
from rosin.rest.settings import Settings
from rosin.rest.v1 import jobs as v1_jobs
from rosin.rest.v1 import service as v1_service
from rosin.rest.v1 import tokens as v1_tokens
from rosin.rest.webhooks.dispatcher import Webhooks

_DESCRIPTION = """Jobs, output, events and resources of a Flux instance.

`/v1` is the API of flux-restful-api, kept as it is for its clients. Errors elsewhere are problem details
(RFC 9457). Streams are server-sent events, which resume with `Last-Event-ID`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for one instance; it connects on first use, with or without its lifespan.

    Raises OSError and ValueError for files of the settings that cannot be used.
    """
    settings = settings or Settings()
    _json.accelerate()
    instances = InstanceLinks(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        instances.current()
        _app.state.webhooks.begin()
        yield
        await _app.state.webhooks.close()
        await instances.close()
        state.close()

    app = FastAPI(
        title="Rosin",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # its Location is made of what the client wrote
        generate_unique_id_function=home.operation_id,
    )
    state = ServerState(settings.state)
    state.forget_old(settings.token, IDLE, LONGEST)
    auth = Authenticator(settings, state)
    auth.users.load()
    audit = None if settings.audit is None else AuditLog(settings.audit)
    app.state.settings, app.state.instances, app.state.auth = settings, instances, auth
    app.state.webhooks = Webhooks(instances, settings.webhook_networks, state)
    app.state.answers, app.state.lines, app.state.output_sizes = Answers(state), LineIndexes(), {}
    app.state.state = state
    instances.closers.append(app.state.lines.close)
    modules = (
        home,
        health,
        jobs,
        output,
        events,
        nodes,
        service,
        session,
        tokens,
        webhooks,
        v1_tokens,
        v1_jobs,
        v1_service,
    )
    own_parts = [*own_routers.ROUTERS, official.router]
    routers = [web.router, *(module.router for module in modules), *own_parts]
    for router in routers:
        app.include_router(router)
    app.mount("/static", web.Assets(directory=str(files("rosin.rest") / "static")), name="static")
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(OSError, _on_error)
    app.add_exception_handler(FormatError, _on_error)
    app.add_middleware(Representation)
    app.add_middleware(Methods, table=resources(route for router in routers for route in router.routes))
    app.add_middleware(Gate, settings=settings, auth=auth, audit=audit)
    app.state.counters = Counters()
    app.add_middleware(Meter, counters=app.state.counters)
    describe(app, settings.cookie, OPEN)
    return app


async def _refuse(request: Request, problem: Problem) -> Response:
    """The refusal as a page, as legacy JSON or as a problem object."""
    path = request.url.path
    if path.startswith(own.PREFIX):
        problem.headers.setdefault("Vary", "Accept")
    elif wants_html(request) and not path.startswith(("/v1/", "/api/")):
        page = pages.shell(request, str(problem.status), "error.html", problem.status, problem=problem)
        page.headers.update(problem.headers)
        return page
    response = refusal(path, problem)
    assert isinstance(response, Response)
    return response


async def _on_problem(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Problem)
    return await _refuse(request, exc)


async def _on_http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return await _refuse(request, Problem(exc.status_code, exc.detail, dict(exc.headers or {})))


async def _on_invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    errors = [{key: error[key] for key in ("type", "loc", "msg") if key in error} for error in exc.errors()]
    if request.url.path.startswith(own.PREFIX):
        return await _refuse(request, invalid(exc.errors(), skip=1))
    if request.url.path.startswith("/v1/"):
        return JSONResponse({"detail": errors}, 422)
    where = ".".join(str(step) for step in errors[0]["loc"][1:])
    return await _refuse(request, Problem(422, f"{where}: {errors[0]['msg']}", errors=errors))


async def _on_disconnect(_request: Request, _exc: Exception) -> Response:
    """The client went away, or was sent away, before the end of its request: nobody hears this."""
    return Response(None, 400)


async def _on_error(request: Request, exc: Exception) -> Response:
    """The instance refused, went away, or sent something that cannot be read."""
    problem = of_error(exc) if isinstance(exc, OSError) else Problem(502, f"the instance sent: {exc}")
    return await _refuse(request, problem)
