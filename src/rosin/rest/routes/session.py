# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signing in and out of a browser: a name and token, or a one-time link, for a session's cookie."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from rosin import _json
from rosin.rest import pages
from rosin.rest.auth.audit import EVENT
from rosin.rest.auth.authenticator import CHALLENGE, Authenticator
from rosin.rest.auth.identity import Identity
from rosin.rest.auth.links import LIFETIME
from rosin.rest.auth.models import LoginLink, SessionInfo, SignIn
from rosin.rest.context import PROBLEMS, answer, wants_html
from rosin.rest.problem import Problem

router = APIRouter(prefix="/rosin/v1", tags=["session"], default_response_class=Response)

_MOST_FIELDS = 8
SIGN_IN = "/rosin/v1/session"
_WRONG = "Wrong name or token"
_TOO_OLD = "This link has been used, or is too old."


def _auth(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.auth)


def identity_of(request: Request) -> Identity:
    """Who asks, on a path that is not open."""
    return cast(Identity, request.scope["rosin.identity"])


def _cookie(request: Request, value: str) -> str:
    """The header for a session's cookie; with no value it goes."""
    parts = [f"{request.app.state.settings.cookie}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if request.scope.get("rosin.secure"):
        parts.append("Secure")
    if not value:
        parts.append("Max-Age=0")
    return "; ".join(parts)


def _begin(request: Request, identity: Identity) -> tuple[str, str]:
    """A new session of this browser: the cookie's header, and what its pages send along."""
    connection = request.scope.get("rosin.connection")
    uid = None if connection is None else connection.uid
    request.scope[EVENT], request.scope["rosin.identity"] = "login", identity
    sessions, old = _auth(request).sessions, request.scope.get("rosin.session")
    if old is not None:
        sessions.end(old)
    secret, session = sessions.begin(identity, uid)
    return _cookie(request, secret), session.csrf


def _info(identity: Identity, csrf: str) -> dict[str, Any]:
    return {
        "user": identity.name,
        "userid": identity.userid,
        "role": identity.role,
        "scopes": sorted(identity.scopes),
        "via": identity.via,
        "csrf": csrf,
    }


# -- pages ------------------------------------------------------------------------------------------


def sign_in(request: Request, status: int = 200, error: str = "") -> Response:
    """The page that says how to get in, which needs nothing else from here."""
    query = request.url.query
    target = request.scope["path"] + (f"?{query}" if query else "")
    if request.scope["path"] in ("/", SIGN_IN) or not is_own_path(target):
        target = "/jobs"
    page = pages.render(request, "welcome.html", status, target=target, error=error)
    page.headers["Content-Security-Policy"] = pages.welcome_policy()
    if status == 401:  # no Basic, for which a browser would open a window of its own
        page.headers["WWW-Authenticate"] = "Bearer"
    return page


def is_own_path(text: str) -> bool:
    """Whether a browser that is sent to this place stays here."""
    return text[:1] == "/" and text[1:2] not in ("/", "\\") and text.isascii() and text.isprintable()


def open_link(request: Request, token: str) -> Response:
    """Exchange the token of a one-time link for a session, and go on to the jobs.

    A link that a browser only looks at before it is opened is not used up.
    """
    purpose = request.headers.get("sec-purpose", request.headers.get("purpose", ""))
    if request.scope.get("rosin.head") or "prefetch" in purpose:
        return Response(None, 204)
    identity = _auth(request).links.take(token)
    if identity is None:
        if request.scope["rosin.identity"] is None:
            if wants_html(request):
                return sign_in(request, 403, _TOO_OLD)
            raise Problem(403, _TOO_OLD)
        return Response(None, 303, {"Location": "/"})  # opened again by who is in
    cookie, _ = _begin(request, identity)
    if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return Response(None, 303, {"Location": "/", "Set-Cookie": cookie})
    # A redirect of another site's link would go on without the new cookie; a page of ours goes with it.
    page = Response("<!doctype html><title>Rosin</title><a href='/'>Go on</a>", media_type="text/html")
    page.headers["Set-Cookie"], page.headers["Refresh"] = cookie, "0; url=/"
    return page


# -- the API ----------------------------------------------------------------------------------------


@router.get("/session", responses={200: {"model": SessionInfo}, **PROBLEMS})
async def session(request: Request) -> Response:
    """Who asks, by which credentials, and what these allow."""
    found = request.scope["rosin.session"]
    return answer(_info(identity_of(request), "" if found is None else found.csrf))


@router.post(
    "/session",
    status_code=201,
    responses={201: {"model": SessionInfo}, **PROBLEMS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": SignIn.model_json_schema()},
                "application/x-www-form-urlencoded": {"schema": SignIn.model_json_schema()},
            },
        }
    },
)
async def begin_session(request: Request) -> Response:
    """Sign in: a session's cookie for a name and token. A browser's form is answered with a page."""
    form = await pages.is_form(request)
    given = await _given(request, form)
    identity = await _auth(request).password(given.username, given.password, request.scope["rosin.address"])
    browser = form and wants_html(request)
    if identity is None:
        if browser:
            return sign_in(request, 401, _WRONG)
        raise Problem(401, _WRONG, CHALLENGE)
    cookie, csrf = _begin(request, identity)
    if browser:
        target = given.next if is_own_path(given.next) else "/"
        return Response(None, 303, {"Location": target, "Set-Cookie": cookie})
    return answer(_info(identity, csrf), 201, {"Set-Cookie": cookie})


async def _given(request: Request, form: bool) -> SignIn:
    """What was sent. Raises Problem 400 and 422."""
    fields: Any
    if form:
        fields = dict(await request.form(max_files=0, max_fields=_MOST_FIELDS))
    else:
        try:
            fields = _json.loads(await request.body())
        except (ValueError, RecursionError) as exc:
            raise Problem(400, f"the request is not JSON: {exc}") from None
    try:
        return SignIn.model_validate(fields)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, error["loc"])) or "the request"
        raise Problem(422, f"{where}: {error['msg']}") from None


@router.delete("/session", status_code=204, responses={204: {"description": "signed out"}, **PROBLEMS})
async def end_session(request: Request) -> Response:
    """Sign out: the session is over, and its cookie is worth nothing."""
    found = request.scope["rosin.session"]
    if found is None:
        raise Problem(409, "this request has no session: its credentials are its own")
    request.scope[EVENT] = "logout"
    _auth(request).sessions.end(found)
    return Response(None, 204, {"Set-Cookie": _cookie(request, "")})


@router.post("/login-links", status_code=201, responses={201: {"model": LoginLink}, **PROBLEMS})
async def make_login_link(request: Request) -> Response:
    """A new link that signs in once, within 15 minutes, whoever opens it, as who asks for it."""
    token = _auth(request).links.make(identity_of(request))
    return answer({"path": f"/?login={token}", "seconds": int(LIFETIME)}, 201)
