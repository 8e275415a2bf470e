# SPDX-License-Identifier: LGPL-3.0-or-later
"""A line per request on standard error: method, path, status. Never query strings, headers or bodies."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Characters of method and path in a line.
_LONGEST = 512


class RequestLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def log(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The gate names a client by what the kernel or a configured proxy says.
                client = scope.get("rosin.address") or (scope.get("client") or ["unknown"])[0]
                # No line of the log is written by a client, nor is it as long as one likes.
                asked = ascii(f"{scope['method']} {scope['path']}")[1:-1]
                if len(asked) > _LONGEST:
                    asked = f"{asked[:_LONGEST]}..."
                sys.stderr.write(f"{client} {asked} {message['status']}\n")
                sys.stderr.flush()
            await send(message)

        await self.app(scope, receive, log)
