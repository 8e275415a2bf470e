# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/v1/token`` and ``/v1/login/access-token``: credentials for a bearer token."""

from __future__ import annotations

import os
from typing import Annotated, Any, cast

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from rosin.rest.auth.authenticator import WRONG, Authenticator
from rosin.rest.context import answer
from rosin.rest.models import AccessToken, LegacyError, Message

router = APIRouter(prefix="/v1", tags=["v1"], default_response_class=Response)

_TOKEN: dict[int | str, dict[str, Any]] = {
    200: {"model": AccessToken},
    422: {"model": LegacyError},
    429: {"model": LegacyError},
}


def _auth(request: Request) -> tuple[Authenticator, str]:
    return cast(Authenticator, request.app.state.auth), request.scope["rosin.address"]


def _own_user(request: Request) -> bool:
    """Whether the kernel says that the client is a process of the server's user."""
    connection = request.scope.get("rosin.connection")
    return connection is not None and connection.uid == os.getuid()


@router.post("/token", responses={**_TOKEN, 400: {"model": Message}})
async def token(request: Request) -> Response:
    """A bearer token for a request signed with the shared secret key (FLUX_SECRET_KEY).

    The request is a JWT with `user`, `pass`, `scope` (`token`), `exp` and `jti`. It is good once.
    """
    auth, source = _auth(request)
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    value = value.strip() if scheme.lower() == "bearer" else ""
    found = await auth.exchange(value, _own_user(request), source)
    if found == WRONG:
        return answer({"Message": "Denied"}, 400)
    if isinstance(found, str):
        return answer({"Message": "Denied", "Error": found}, 400)
    return answer({"access_token": auth.issue(found), "token_type": "Bearer"})


@router.post("/login/access-token", responses={**_TOKEN, 400: {"model": LegacyError}})
async def login(
    request: Request,
    username: Annotated[str, Form(max_length=1024)],
    password: Annotated[str, Form(max_length=4096)],
) -> Response:
    """A bearer token for a name and a password (OAuth2 password flow)."""
    auth, source = _auth(request)
    identity = await auth.password(username, password, source)
    if identity is None:
        return answer({"detail": "Incorrect email or password"}, 400)
    return answer({"access_token": auth.issue(identity), "token_type": "Bearer"})
