# SPDX-License-Identifier: LGPL-3.0-or-later
"""How many requests there were, and how long they took, for Prometheus."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Upper bounds of the durations that are counted together, in seconds.
BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Counters:
    """The numbers of one server."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.durations = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.open = {"http": 0, "websocket": 0}

    def answered(self, method: str, status: int, seconds: float) -> None:
        """A request's answer has begun after so many seconds."""
        key = method if method in _METHODS else "other", status
        self.requests[key] = self.requests.get(key, 0) + 1
        self.durations[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Meter:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self.app = app
        self.counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in self.counters.open:
            await self.app(scope, receive, send)
            return
        begin = time.monotonic()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.counters.answered(scope["method"], message["status"], time.monotonic() - begin)
            await send(message)

        self.counters.open[kind] += 1
        try:
            await self.app(scope, receive, counted)
        finally:
            self.counters.open[kind] -= 1
