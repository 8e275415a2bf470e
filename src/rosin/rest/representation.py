# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 9110: entity tags, and answers compressed for who takes them so, on every path.

Only of whole answers: streams are to come at once, and parts are of the bytes themselves. Where a secret is
beside what a client has chosen nothing is compressed: how well it is would tell of the secret (BREACH).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import Headers, MutableHeaders

from rosin.rest.own.route import is_fresh, quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

#: Bytes from which on it is worth to compress; beyond which nothing is held back; from which on a thread does
#: it.
SMALLEST, LARGEST, LONG = 1024, 16 << 20, 1 << 16
_KINDS = re.compile(
    r"(?:application/(?:[\w.+-]+\+)?json|text/(?:css|javascript|plain)|application/javascript|image/svg\+xml)(?:;.*)?",
    re.ASCII,
)
_SECRET = re.compile(r"/rosin/v1/(?:session|tokens|login-links|webhooks)(?:/.*)?|/v1/(?:token|login/.*)")
_GZIP = 31
_LEVEL, _FAST = 5, 1


class Representation:
    """ASGI middleware, which sees HEAD as the GET that it asks about."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or _SECRET.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _Answer(send, Headers(scope=scope)))


class _Answer:
    """One answer, held back until it is whole."""

    def __init__(self, send: Send, asked: Headers) -> None:
        self._send, self._asked = send, asked
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_whole(message):
            self._start = message
        elif self._start is not None and message["type"] == "http.response.body":
            self._body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._finish(self._start, b"".join(self._body))
        else:
            await self._send(message)

    async def _finish(self, start: Message, body: bytes) -> None:
        headers = MutableHeaders(scope=start)
        if "etag" not in headers:
            headers["ETag"] = await _soon(_tag, body)
        if "if-none-match" in self._asked and is_fresh(self._asked, headers["etag"]):
            for name in ("content-length", "content-type"):
                del headers[name]
            start, body = {**start, "status": 304}, b""
        elif len(body) >= SMALLEST:
            headers.add_vary_header("Accept-Encoding")
            if _takes_gzip(",".join(self._asked.getlist("accept-encoding"))):
                body = await _soon(_compressed, body)
                headers["Content-Encoding"] = "gzip"
                headers["Content-Length"] = str(len(body))
                if not headers["etag"].startswith("W/"):  # the same bytes they are not
                    headers["ETag"] = f"W/{headers['etag']}"
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _takes_gzip(accept: str) -> bool:
    return quality(accept.replace("*", "*/*"), "gzip") > 0


def _is_whole(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    size = headers.get("content-length", "")
    return (
        message["status"] == 200
        and size.isdecimal()
        and int(size) <= LARGEST
        and "content-encoding" not in headers
        and _KINDS.fullmatch(headers.get("content-type", "")) is not None
    )


async def _soon(act: Callable[[bytes], T], body: bytes) -> T:
    return await asyncio.to_thread(act, body) if len(body) > LONG else act(body)


def _tag(body: bytes) -> str:
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _compressed(body: bytes) -> bytes:
    maker = zlib.compressobj(_FAST if len(body) > LONG else _LEVEL, zlib.DEFLATED, _GZIP)
    return maker.compress(body) + maker.flush()
