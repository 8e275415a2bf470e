# SPDX-License-Identifier: LGPL-3.0-or-later
"""``Idempotency-Key``: a request that is sent again, because its answer was lost or a key was pressed twice,
does nothing again and gets the answer of the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from rosin.rest.problem import Problem

#: Answers that are kept, and for how many seconds.
MOST = 10_000
LONGEST = 86_400.0
_KEY = re.compile(r"[\x21-\x7e]{1,128}")

Outcome = tuple[int, Any, dict[str, str]]


class _Known:
    __slots__ = ("body", "outcome", "since")

    def __init__(self, body: bytes, outcome: asyncio.Future[Outcome]) -> None:
        self.body = body
        self.outcome = outcome
        self.since = time.monotonic()


class Answers:
    """The answers to requests with keys, those of each user apart, as long as the server lives."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    async def once(self, request: Request, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """What *act* returns, now or when the same was asked before. Raises Problem.

        422 for a key that another request has had. What fails may be tried again with the same key.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return await act()
        if not _KEY.fullmatch(key.strip('"')):
            raise Problem(400, "Idempotency-Key: it takes 1 to 128 visible characters, such as a UUID")
        name = str(request.scope.get("rosin.user")), request.url.path, key.strip('"')
        body = hashlib.sha256(await request.body()).digest()
        self._forget()
        known = self._known.get(name)
        if known is not None:
            if known.body != body:
                raise Problem(422, "Idempotency-Key: another request has had it; each needs one of its own")
            status, obj, headers = await asyncio.shield(known.outcome)
            return status, obj, {**headers, "Idempotency-Replayed": "true"}
        # A task, so that the client's going away does not end it halfway.
        task = asyncio.ensure_future(act())
        self._known[name] = _Known(body, task)
        task.add_done_callback(lambda done: self._done(name, done))
        return await asyncio.shield(task)

    def _done(self, name: tuple[str, str, str], done: asyncio.Future[Outcome]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._known.pop(name, None)

    def _forget(self) -> None:
        oldest = time.monotonic() - LONGEST
        while self._known:
            first = next(iter(self._known.values()))
            if first.since > oldest and len(self._known) < self._most:
                return
            self._known.popitem(last=False)
