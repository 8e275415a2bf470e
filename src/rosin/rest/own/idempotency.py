# SPDX-License-Identifier: LGPL-3.0-or-later
"""``Idempotency-Key``: a request that is sent again, because its answer was lost or a key was pressed twice,
does nothing again and gets the answer of the first, also from the server's next life.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fastapi import Request

from rosin import _json
from rosin.job.table.attributes import POSITION
from rosin.rest import jobview
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import Mirror
from rosin.rest.problem import Problem
from rosin.rest.serverstate import KEPT_ANSWERS, LARGEST_ANSWER, KnownAnswer, ServerState

#: Answers that are kept.
MOST = 10_000
#: Answers after which those beyond that are forgotten.
_SWEEP = 1000
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_T_SUBMIT = POSITION["t_submit"]

Outcome = tuple[int, Any, dict[str, str]]


class _Known:
    __slots__ = ("body", "outcome", "since")

    def __init__(self, body: bytes, outcome: asyncio.Future[Outcome]) -> None:
        self.body = body
        self.outcome = outcome
        self.since = time.monotonic()


class Answers:
    """The answers to requests with keys, those of each user apart; *state* keeps them beyond the server."""

    def __init__(self, state: ServerState, most: int = MOST) -> None:
        self._state = state
        self._most = most
        self._count = 0
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def once(
        self, request: Request, instance: InstanceLink, act: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """What *act* returns, now or when the same was asked before. Raises Problem.

        422 for a key that another request has had, 409 if nobody knows what became of it. What fails may be
        tried again with the same key.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return await act()
        if not _KEY.fullmatch(key.strip('"')):
            raise Problem(400, "Idempotency-Key: it takes 1 to 128 visible characters, such as a UUID")
        name = _digest(str(request.scope.get("rosin.user")), request.url.path, key.strip('"'))
        body = hashlib.sha256(await request.body()).digest()
        self._forget()
        known = self._known.get(name)
        if known is None:
            mirror = await instance.jobs()
            known = self._known.get(name) or self._earlier(name, mirror)
        if known is not None:
            if known.body != body:
                raise Problem(422, "Idempotency-Key: another request has had it; each needs one of its own")
            status, obj, headers = await asyncio.shield(known.outcome)
            return status, obj, {**headers, "Idempotency-Replayed": "true"}
        # A task, so that the client's going away does not end it halfway.
        task = asyncio.ensure_future(act())
        self._known[name] = _Known(body, task)
        self._state.keep_answer(name, KnownAnswer(body, None, None, None))
        task.add_done_callback(lambda done: self._done(name, body, instance.mirror, done))
        return await asyncio.shield(task)

    def _earlier(self, name: bytes, mirror: Mirror) -> _Known | None:
        """What the server knew in its life before, if it was of this instance. Raises Problem 409."""
        kept = self._state.answer(name)
        if kept is None:
            return None
        if kept.answer is None:
            raise Problem(
                409, "Idempotency-Key: the server ended meanwhile: look what is done, and take another"
            )
        row = None if kept.job is None else mirror.row(kept.job)
        if row is None or row[_T_SUBMIT] != kept.t_submit:
            return None  # the job is of an instance that is no more
        status, obj, headers = _json.loads(kept.answer)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result((status, obj, headers))
        known = self._known[name] = _Known(kept.body, outcome)
        return known

    def _done(self, name: bytes, body: bytes, mirror: Mirror, done: asyncio.Future[Outcome]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._known.pop(name, None)
            self._state.forget_answer(name)
            return
        outcome = done.result()
        job = max(_ids(outcome[1]), default=None)
        row = None if job is None else mirror.row(job)
        data = _json.dumps(outcome)
        if row is None or len(data) > LARGEST_ANSWER:
            self._state.forget_answer(name)
            return
        self._state.keep_answer(name, KnownAnswer(body, data, job, row[_T_SUBMIT]))
        self._count += 1
        if self._count >= _SWEEP:
            self._count = 0
            self._state.limit_answers(self._most)

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_ANSWERS
        while self._known:
            first = next(iter(self._known.values()))
            if first.since > oldest and len(self._known) < self._most:
                return
            self._known.popitem(last=False)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _ids(obj: Any) -> Iterator[int]:
    """The jobs that an answer has made."""
    for item in obj.get("items", [obj]):
        if item["id"] is not None:
            yield jobview.parse_id(item["id"])
