# SPDX-License-Identifier: LGPL-3.0-or-later
"""What every request passes before the application sees it: Host, origin, credentials, size.

Everything is closed unless it is listed here as open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from rosin.job.table.attributes import USERID
from rosin.rest.auth.authenticator import BEARER_CHALLENGE, CHALLENGE, Authenticator
from rosin.rest.auth.csrf import FIELD, HEADER
from rosin.rest.auth.identity import ADMIN
from rosin.rest.auth.rates import STRANGER_BURST, STRANGER_RATE, Rates
from rosin.rest.auth.rules import Guests, rule
from rosin.rest.auth.sessions import cookie_values, same
from rosin.rest.gate_checks import (
    SAFE,
    check_framing,
    check_host,
    check_origin,
    client_address,
    is_secure,
    wants_page,
)
from rosin.rest.jobview import parse_id
from rosin.rest.problem import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rosin.rest.auth.audit import AuditLog
    from rosin.rest.auth.identity import Identity
    from rosin.rest.auth.sessions import WebSession
    from rosin.rest.settings import Settings

#: Paths that take credentials.
_TAKE_CREDENTIALS = frozenset({"/v1/token", "/v1/login/access-token"})
#: Where browsers sign in, which takes credentials, too, but of a page that has none yet.
SIGN_IN = "/rosin/v1/session"

#: Paths that need no credentials: the front page, the probes, and those that take credentials themselves.
OPEN = frozenset({"/", "/health", "/ready", "/rosin/v1/health", "/rosin/v1/ready"}) | _TAKE_CREDENTIALS

#: Bytes that a request without credentials may have, which any stranger can send many of: name and password.
STRANGER_BODY = 1 << 16

_MOST_FIELDS = 1000

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a form's Origin would be null
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Gate:
    """ASGI middleware. Sets in the scope ``rosin.identity`` and ``rosin.user``, its name (None on an open
    path), ``rosin.session`` (None without a cookie), ``rosin.address``, whom failures are counted for, and
    ``rosin.secure``, whether cookies are for TLS only."""

    def __init__(
        self, app: ASGIApp, settings: Settings, auth: Authenticator, audit: AuditLog | None = None
    ) -> None:
        self.app = app
        self.settings = settings
        self.auth = auth
        self.strangers = Rates(STRANGER_RATE, STRANGER_BURST)
        self.known = Rates(settings.rate, max(1.0, 2 * settings.rate)) if settings.rate else None
        self.audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-store")
                if self.audit is not None:
                    self.audit.request(scope, message["status"])
            await send(message)

        try:
            check_framing(scope, headers)
            check_host(headers, self.settings.hosts)
            if scope["method"] not in SAFE:
                check_origin(headers, is_secure(scope, headers, self.settings.proxies))
            await self._identify(scope, headers)
            self._check_entry(scope, headers)
            await self._check_rights(scope, scope["method"])
            body: Receive = _Body(receive, self._limit(scope, headers))
            if scope["rosin.session"] is not None and scope["method"] not in SAFE and not _signs_in(scope):
                body = await _check_token(scope["rosin.session"], headers, body)
        except Problem as problem:
            await self._refuse(scope, problem)(scope, receive, send_with_headers)
            return
        try:
            await self.app(scope, body, send_with_headers)
        except Problem as problem:  # of what stands between this and the routes
            await refusal(scope["path"], problem)(scope, receive, send_with_headers)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A browser may open one to any server, and read it: its origin is always asked for."""
        headers = Headers(scope=scope)
        try:
            check_host(headers, self.settings.hosts)
            check_origin(headers, is_secure(scope, headers, self.settings.proxies))
            await self._identify(scope, headers)
            if scope["rosin.session"] is not None and "origin" not in headers:
                raise Problem(403, "requests from other sites are refused")
            self._check_entry({**scope, "method": "GET"}, headers)
            await self._check_rights(scope, "GET", websocket=True)
        except Problem as problem:
            if self.audit is not None:
                self.audit.request(scope, problem.status)
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    # -- who ---------------------------------------------------------------------------------------

    async def _identify(self, scope: Scope, headers: Headers) -> None:
        """Set who asks. Raises Problem 429."""
        connection = scope.get("rosin.connection")
        uid = None if connection is None else connection.uid
        scope["rosin.secure"] = is_secure(scope, headers, self.settings.proxies)
        address = scope["rosin.address"] = client_address(scope, headers, self.settings.proxies)
        scope["rosin.identity"], scope["rosin.session"] = await self._who(scope, headers, uid, address)
        identity = scope["rosin.identity"]
        scope["rosin.user"] = None if identity is None else identity.name
        if identity is not None and connection is not None:
            connection.admit()
        self._check_rate(identity, address)

    def _check_rate(self, identity: Identity | None, address: str) -> None:
        """Raises Problem 429 for who asks too often."""
        if identity is None:
            seconds = self.strangers.take(address)
        else:
            seconds = 0 if self.known is None else self.known.take(identity.name)
        if seconds:
            raise Problem(429, "too many requests; try again later", {"Retry-After": str(seconds)})

    async def _who(
        self, scope: Scope, headers: Headers, uid: int | None, address: str
    ) -> tuple[Identity | None, WebSession | None]:
        header = headers.get("authorization")
        # Those paths count wrong credentials themselves, and theirs are no access tokens.
        if header is not None and self.auth.wants(header) and scope["path"] not in _TAKE_CREDENTIALS:
            return await self.auth.header(header, address), None
        for cookie in cookie_values(headers.getlist("cookie"), self.settings.cookie):
            session = self.auth.session_of(cookie, uid)
            if session is not None:
                return session.identity, session
        return self.auth.ambient(uid), None

    def _check_entry(self, scope: Scope, headers: Headers) -> None:
        """Nobody unknown comes further than to the open paths. Raises Problem."""
        path = scope["path"]
        if scope["rosin.identity"] is not None or path in OPEN:
            return
        if _signs_in(scope):
            return
        alone = self.settings.same_user and not self.settings.protected
        if alone and not self.auth.wants(headers.get("authorization")):
            raise Problem(403, "this server has no credentials set and answers to its own user only")
        text = "Not authenticated" if headers.get("authorization") is None else "Wrong name or token"
        raise Problem(401, text, BEARER_CHALLENGE if path.startswith("/v1/") else CHALLENGE)

    async def _check_rights(self, scope: Scope, method: str, websocket: bool = False) -> None:
        """Who is known does what the credentials are for, and a guest what guests may. Raises Problem 403."""
        identity: Identity | None = scope["rosin.identity"]
        if identity is None or (identity.owner and ADMIN in identity.scopes):
            return
        needed = rule(method, scope["path"], websocket)
        if needed.scope is not None and not identity.allows(needed.scope):
            raise Problem(403, f"these credentials are not for this, which takes the scope '{needed.scope}'")
        if identity.owner or needed.guests is Guests.ALL:
            return
        if needed.guests is Guests.NONE or needed.job is None:
            raise Problem(403, "only the owner of the instance may do this")
        await self._check_job(scope, needed.job, identity)

    async def _check_job(self, scope: Scope, text: str, identity: Identity) -> None:
        """Raises Problem for a job that is not the guest's, or none."""
        jobid = parse_id(text)
        mirror = await scope["app"].state.instances.current().jobs()
        row = mirror.row(jobid)
        if row is None:
            raise Problem(404, f"there is no job {text}")
        if row[USERID] != identity.userid:
            raise Problem(403, "this is the job of another user")

    # -- how much ----------------------------------------------------------------------------------

    def _limit(self, scope: Scope, headers: Headers) -> int:
        limit = self.settings.body_limit
        if scope["rosin.identity"] is None:
            limit = min(limit, STRANGER_BODY)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise too_large(limit)
        return limit

    def _refuse(self, scope: Scope, problem: Problem) -> ASGIApp:
        """The answer to who is not let in: for a browser the page that says how to get in."""
        headers = Headers(scope=scope)
        known = scope.get("rosin.identity") is not None
        if problem.status in (401, 403) and not known and wants_page(scope, headers):
            from rosin.rest.routes.session import sign_in

            error = problem.detail if problem.status == 403 or "authorization" in headers else ""
            return sign_in(Request(scope), problem.status, error)
        return refusal(scope["path"], problem)


class _Body:
    """Receives a request's body up to a limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                raise too_large(self._limit)
        return message


def _signs_in(scope: Scope) -> bool:
    """Whether credentials are in the body."""
    return scope["method"] == "POST" and (scope["path"] == SIGN_IN or scope["path"] in _TAKE_CREDENTIALS)


async def _check_token(session: WebSession, headers: Headers, receive: Receive) -> Receive:
    """Against forged requests, again: a page of ours knows its session's token.

    Scripts send it as a header, forms as a field. Returns what is left to receive. Raises Problem 403.
    """
    given = headers.get(HEADER)
    rest = receive
    form = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given is None and form == "application/x-www-form-urlencoded":
        body, rest = await _read_ahead(receive)
        try:
            given = dict(parse_qsl(body.decode("latin-1"), max_num_fields=_MOST_FIELDS)).get(FIELD)
        except ValueError:
            given = None  # a thousand fields
    if not same(given or "", session.csrf):
        raise Problem(403, "the page is old, or the request is not from one of ours: load the page again")
    return rest


async def _read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """A whole body, and a way to receive it once more."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "the request has no end")
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return body, again


def too_large(limit: int) -> Problem:
    """The body is larger than *limit* bytes."""
    return Problem(413, f"the request is larger than {limit} bytes", {"Connection": "close"})


def refusal(path: str, problem: Problem) -> ASGIApp:
    """The answer to a request that fails: a problem, or what ``/v1`` and ``/api/v1`` have always sent."""
    if path.startswith("/v1/"):
        from starlette.responses import JSONResponse

        return JSONResponse({"detail": problem.detail, **problem.members}, problem.status, problem.headers)
    if path.startswith("/api/v1/"):
        from starlette.responses import JSONResponse

        body = {"error": problem.body()["title"], "detail": problem.detail, "path": path}
        return JSONResponse(body, problem.status, problem.headers)
    return problem.response()
