# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the gate asks of a request's head. Nothing of it lets anybody in: each can only refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rosin.rest.peer import peer_key
from rosin.rest.problem import Problem
from rosin.rest.settings import Proxies, is_proxy, parse_address

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

#: A Host header: an address in brackets, or a name or address, and perhaps a port (RFC 3986, 3.2).
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(/.*|)", re.IGNORECASE | re.DOTALL)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_framing(scope: Scope, headers: Headers) -> None:
    """Against smuggling: what a proxy may have read differently (RFC 9112, 3.2 and 6.1). Raises Problem."""
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


def check_host(headers: Headers, hosts: tuple[str, ...]) -> None:
    """Against DNS rebinding: a name that leads here but is not ours. Raises Problem."""
    host = _HOST.fullmatch(headers.get("host", ""))
    name = (host[1] or host[2]).lower() if host else None
    if headers.get("host") and host is None and not hosts:
        raise Problem(400, "Host is not a name with an optional port", {"Connection": "close"})
    if hosts and name not in hosts:
        raise Problem(421, "this server does not answer to that host name (see rosin serve --allow-host)")


def check_origin(headers: Headers, secure: bool = False) -> None:
    """Against forged requests: a browser says where a request comes from. Raises Problem.

    With *secure* the browser speaks TLS, and a page that has come without it may be anybody's.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise Problem(403, "requests from other sites are refused")
    if origin is not None and secure and not origin.lower().startswith("https://"):
        raise Problem(403, "requests from pages without TLS are refused")
    if origin is not None and not _same_host(origin.lower(), headers.get("host", "").lower()):
        raise Problem(403, "requests from other sites are refused")


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


def is_secure(scope: Scope, headers: Headers, proxies: Proxies) -> bool:
    """Whether the browser speaks TLS: with this server, or with a configured proxy that says so."""
    client = scope.get("client")
    if proxies and is_proxy(str(client[0]) if client else None, proxies):
        return headers.get("x-forwarded-proto", "").strip().lower() == "https"
    return scope.get("scheme") in ("https", "wss")


def wants_page(scope: Scope, headers: Headers) -> bool:
    """Whether this is a browser on its way to a page."""
    return scope.get("method") in ("GET", "HEAD") and "text/html" in headers.get("accept", "")
