# SPDX-License-Identifier: LGPL-3.0-or-later
"""Responses that go on: text as it comes, and server-sent events.

A stream ends at once when its reader goes away, even while nothing is being sent.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from rosin import _json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

#: Seconds without an event after which a comment is sent, so that proxies keep the connection.
KEEPALIVE = 15.0
COMMENT = b": keep-alive\n\n"


def sse(event: str, data: Any, ident: str | None = None) -> bytes:
    """One server-sent event; *data* becomes JSON."""
    head = f"event: {event}\n" if ident is None else f"id: {ident}\nevent: {event}\n"
    return head.encode() + b"data: " + _json.dumps(data) + b"\n\n"


class StreamResponse(Response):
    """Sends what an async generator of bytes yields."""

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str, **kwargs: Any) -> None:
        self.parts = parts
        super().__init__(None, media_type=media_type, **kwargs)
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = asyncio.ensure_future(self._send(scope, send))
        watcher = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watcher.cancel()
            if not sender.done():
                sender.cancel()
            results = await asyncio.gather(sender, watcher, return_exceptions=True)
        error = results[0]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            raise error  # an OSError is the reader going away in the middle

    async def _send(self, scope: Scope, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self.parts) as parts:
            if "rosin.head" not in scope:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event_stream(parts: AsyncGenerator[bytes, None]) -> StreamResponse:
    """A stream of server-sent events."""
    return StreamResponse(parts, "text/event-stream")
