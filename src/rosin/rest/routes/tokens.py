# SPDX-License-Identifier: LGPL-3.0-or-later
"""API tokens: made, listed, revoked."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from rosin import _json
from rosin.errors import FormatError
from rosin.rest.auth.authenticator import Authenticator
from rosin.rest.auth.identity import ADMIN, Identity
from rosin.rest.auth.models import NewToken, TokenList, TokenSecret
from rosin.rest.auth.tokens import ApiToken, TokenStore
from rosin.rest.context import PROBLEMS, answer
from rosin.rest.problem import Problem
from rosin.rest.routes.session import identity_of
from rosin.rfc import fsd

router = APIRouter(prefix="/rosin/v1/tokens", tags=["tokens"], default_response_class=Response)

_LONGEST = 10 * 366 * 86400.0


def _store(request: Request) -> TokenStore:
    return cast(Authenticator, request.app.state.auth).tokens


def _manager(request: Request) -> Identity:
    """Who may deal with tokens: who has signed in, or has credentials for everything. Raises Problem 403.

    A token of less would otherwise live on in those that it makes.
    """
    identity = identity_of(request)
    if not identity.allows(ADMIN) and identity.via not in ("password", "session"):
        raise Problem(403, "a token makes and lists no tokens, unless it has the scope 'admin'")
    return identity


def _user(identity: Identity) -> str:
    """Whose tokens are meant: the owner's have no name, as that may change."""
    return "" if identity.owner else identity.name


def _info(store: TokenStore, token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "user": token.user,
        "scopes": list(token.scopes),
        "created": token.created,
        "expires": token.expires,
        "used": store.used.get(token.id),
    }


def _failed(exc: Exception) -> Problem:
    """The file of tokens cannot be read or written."""
    if isinstance(exc, OSError):
        return Problem(503, f"the tokens cannot be kept: {exc.strerror or exc}")
    return Problem(503, str(exc))


@router.get("", responses={200: {"model": TokenList}, **PROBLEMS})
async def list_tokens(request: Request) -> Response:
    """The tokens; the owner sees everybody's. Nobody sees their secrets."""
    identity, store = _manager(request), _store(request)
    try:
        found = [token for token in store.all() if identity.owner or token.user == identity.name]
    except (OSError, ValueError) as exc:
        raise _failed(exc) from None
    return answer({"tokens": [_info(store, token) for token in found]})


@router.post(
    "",
    status_code=201,
    responses={201: {"model": TokenSecret}, **PROBLEMS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": NewToken.model_json_schema()}},
        }
    },
)
async def create_token(request: Request) -> Response:
    """A new token, of one's own and for no more than oneself may do. Its secret is told only here."""
    identity, store = _manager(request), _store(request)
    given = await _given(request)
    more = [scope for scope in given.scopes if not identity.allows(scope)]
    if more:
        raise Problem(403, f"scopes: you have no '{more[0]}' to give")
    try:
        lifetime = None if given.expires == "never" else fsd.parse(given.expires)
    except FormatError:
        raise Problem(422, f"expires: expected a time such as 90d, or never, got '{given.expires}'") from None
    if lifetime is not None and not 0 < lifetime <= _LONGEST:
        raise Problem(422, "expires: expected more than nothing and at most ten years; there is 'never'")
    try:
        secret, token = store.create(given.name, tuple(given.scopes), lifetime, _user(identity))
    except OSError as exc:
        raise _failed(exc) from None
    except ValueError as exc:
        raise Problem(422, str(exc)) from None
    return answer({**_info(store, token), "token": secret}, 201, {"Location": f"/rosin/v1/tokens/{token.id}"})


async def _given(request: Request) -> NewToken:
    """What was sent. Raises Problem 400 and 422."""
    try:
        return NewToken.model_validate(_json.loads(await request.body()))
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, error["loc"])) or "the request"
        raise Problem(422, f"{where}: {error['msg']}") from None
    except (ValueError, RecursionError) as exc:
        raise Problem(400, f"the request is not JSON: {exc}") from None


@router.delete("/{ident}", status_code=204, responses={204: {"description": "revoked"}, **PROBLEMS})
async def revoke_token(
    request: Request, ident: Annotated[str, Path(max_length=64, description="a token's id")]
) -> Response:
    """Revoke a token: at once it opens nothing any more."""
    identity, store = _manager(request), _store(request)
    try:
        token = store.revoke(ident, None if identity.owner else identity.name)
    except (OSError, ValueError) as exc:
        raise _failed(exc) from None
    if token is None:
        raise Problem(404, f"there is no token with the id '{ident}'")
    return Response(None, 204)
