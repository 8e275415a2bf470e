# SPDX-License-Identifier: LGPL-3.0-or-later
"""What every request passes before the application sees it: Host, origin, credentials, size.

Everything is closed unless it is listed here as open.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from rosin.rest.auth import BEARER_CHALLENGE, CHALLENGE, Authenticator
from rosin.rest.peer import peer_key
from rosin.rest.problem import Problem
from rosin.rest.settings import Proxies, is_proxy, parse_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rosin.rest.settings import Settings

#: Paths that need no credentials: the front page, the probes, and those that take credentials themselves.
OPEN = frozenset({"/", "/health", "/ready", "/v1/token", "/v1/login/access-token"})

#: Those of them that take credentials.
_TAKE_CREDENTIALS = frozenset({"/v1/token", "/v1/login/access-token"})

#: Bytes that a request without credentials may have, which any stranger can send many of: name and password.
STRANGER_BODY = 1 << 16

#: A Host header: an address in brackets, or a name or address, and perhaps a port (RFC 3986, 3.2).
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]{1,5})?")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

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
    """ASGI middleware. Sets ``scope["rosin.user"]`` to the user, or None on an open path."""

    def __init__(self, app: ASGIApp, settings: Settings, auth: Authenticator) -> None:
        self.app = app
        self.settings = settings
        self.auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            self._check_framing(scope, headers)
            self._check_host(headers)
            self._check_peer(scope)
            self._check_origin(scope, headers)
            scope["rosin.user"] = self._check_user(scope, headers)
            body = _Body(receive, self._limit(scope, headers))
        except Problem as problem:
            await refusal(scope["path"], problem)(scope, receive, send_with_headers)
            return
        try:
            await self.app(scope, body, send_with_headers)
        except Problem as problem:  # of what stands between this and the routes
            await refusal(scope["path"], problem)(scope, receive, send_with_headers)

    def _check_framing(self, scope: Scope, headers: Headers) -> None:
        """Against smuggling: what a proxy may have read differently (RFC 9112, 3.2 and 6.1)."""
        text = ""
        if "transfer-encoding" in headers:
            if "content-length" in headers:
                text = "a request has Content-Length or Transfer-Encoding, not both"
            elif scope["http_version"] != "1.1":
                text = "Transfer-Encoding is of HTTP/1.1"
        if not scope["path"].startswith("/") and (scope["method"], scope["path"]) != ("OPTIONS", "*"):
            text = _make_relative(scope, headers.get("host", ""))
        if text:
            raise Problem(400, text, {"Connection": "close"})

    def _check_host(self, headers: Headers) -> None:
        """Against DNS rebinding: a name that leads here but is not ours."""
        host = _HOST.fullmatch(headers.get("host", ""))
        name = (host[1] or host[2]).lower() if host else None
        if headers.get("host") and host is None and not self.settings.hosts:
            raise Problem(400, "Host is not a name with an optional port", {"Connection": "close"})
        if self.settings.hosts and name not in self.settings.hosts:
            raise Problem(421, "this server does not answer to that host name (see rosin serve --allow-host)")

    def _check_peer(self, scope: Scope) -> None:
        """Without credentials: the kernel says whose the connection is; nothing that a client writes does."""
        connection = scope.get("rosin.connection")
        if self.settings.same_user and (connection is None or connection.uid != os.getuid()):
            raise Problem(403, "this server has no credentials set and answers to its own user only")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Against forged requests: a browser says where a request that changes something comes from."""
        if scope["method"] in _SAFE:
            return
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            raise Problem(403, "requests from other sites are refused")
        if origin is not None and not _same_host(origin.lower(), headers.get("host", "").lower()):
            raise Problem(403, "requests from other sites are refused")

    def _check_user(self, scope: Scope, headers: Headers) -> str | None:
        path = scope["path"]
        address = scope["rosin.address"] = client_address(scope, headers, self.settings.proxies)
        # Those paths count wrong credentials themselves, and theirs are no access tokens.
        header = None if path in _TAKE_CREDENTIALS else headers.get("authorization")
        user = self.auth.check(header, address)
        if user is not None and "rosin.connection" in scope:
            scope["rosin.connection"].admit()
        if user is None and path not in OPEN:
            legacy = path.startswith("/v1/")
            text = "Not authenticated" if headers.get("authorization") is None else "Wrong name or token"
            raise Problem(401, text, BEARER_CHALLENGE if legacy else CHALLENGE)
        return user

    def _limit(self, scope: Scope, headers: Headers) -> int:
        limit = self.settings.body_limit
        if scope["rosin.user"] is None:
            limit = min(limit, STRANGER_BODY)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise too_large(limit)
        return limit


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


def too_large(limit: int) -> Problem:
    """The body is larger than *limit* bytes."""
    return Problem(413, f"the request is larger than {limit} bytes", {"Connection": "close"})


_ABSOLUTE = re.compile(r"https?://([^/?#]*)(/.*|)", re.IGNORECASE | re.DOTALL)


def _make_relative(scope: Scope, host: str) -> str:
    """Take the path of a target that is a whole URL (RFC 9112, 3.2.2); returns what is wrong, or nothing."""
    match = _ABSOLUTE.fullmatch(scope["path"])
    if match is None:
        return "the target of a request is a path"
    if match[1].lower() != host.lower():
        return "Host differs from that of the target"
    scope["path"] = match[2] or "/"
    scope["raw_path"] = b"/" + scope["raw_path"].partition(b"://")[2].partition(b"/")[2]
    return ""


def _same_host(origin: str, host: str) -> bool:
    """Whether an Origin is this host's; the port of its scheme may be left out."""
    scheme, _, place = origin.partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    return port is not None and place.removesuffix(port) == host.removesuffix(port)


def client_address(scope: Scope, headers: Headers, proxies: Proxies) -> str:
    """Whom failed logins are counted for: a user of this machine or an address.

    What X-Forwarded-For says counts only when a configured proxy has sent it, from the right up to the first
    address that is no proxy's.
    """
    connection, client = scope.get("rosin.connection"), scope.get("client")
    address = str(client[0]) if client else None
    if proxies and is_proxy(address, proxies):
        for text in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
            forwarded = parse_address(text.strip())
            if forwarded is None:
                break
            if not is_proxy(str(forwarded), proxies):
                return peer_key(None, str(forwarded))
    return peer_key(connection.uid if connection is not None else None, address)


def refusal(path: str, problem: Problem) -> ASGIApp:
    """The answer to a request that fails: a problem object, or what ``/v1`` has always sent."""
    if path.startswith("/v1/"):
        from starlette.responses import JSONResponse

        return JSONResponse({"detail": problem.detail, **problem.members}, problem.status, problem.headers)
    return problem.response()
