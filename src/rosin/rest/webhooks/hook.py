# SPDX-License-Identifier: LGPL-3.0-or-later
"""One webhook: what it is for, what waits to be delivered, what could not be."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rosin import _json
from rosin.rest.webhooks import signature
from rosin.rest.webhooks.target import Target, parse_url

#: Seconds before each further attempt; after the last a delivery is dead.
DELAYS = (1.0, 5.0, 30.0, 120.0, 600.0)
#: Dead deliveries one after the other, after which nothing is tried any more until somebody asks for it.
PATIENCE = 3
_QUEUE, _DEAD = 1000, 50
#: Messages that wait and outlive the server.
_KEPT = 100
_GONE = 410
_EVENT = re.compile(r"[a-z][a-z0-9._-]{0,63}|\*")

#: Sends (headers, body) to a target; returns the status. Raises OSError.
Post = Callable[[Target, dict[str, str], bytes], Awaitable[int]]
Sleep = Callable[[float], Awaitable[None]]


def check_events(names: list[str]) -> frozenset[str]:
    """Names of RFC 21's events, or ``*``. Raises ValueError."""
    for name in names:
        if _EVENT.fullmatch(name) is None:
            raise ValueError(f"events: expected names such as submit, start, finish, or *, got '{name[:40]}'")
    return frozenset(names)


@dataclass(slots=True)
class Delivery:
    """One message.

    Attributes:
        ident: the same in each attempt, so that a receiver can tell that it had it already.
        type: ``job.EVENT``, or ``ping``.
        attempts, error: how often it was tried, and what came of it last.
    """

    ident: str
    type: str
    body: bytes
    time: float
    attempts: int = 0
    error: str = ""

    def encode(self) -> list[Any]:
        """As JSON."""
        return [self.ident, self.type, self.body.decode(), self.time, self.attempts, self.error]

    @classmethod
    def decode(cls, row: list[Any]) -> Delivery:
        """That of :meth:`encode`."""
        ident, type_, body, *rest = row
        return cls(ident, type_, body.encode(), *rest)


def decode(text: str) -> Webhook:
    """The webhook of :meth:`Webhook.encode`. Raises ValueError, KeyError and TypeError."""
    about = _json.loads(text)
    about["target"] = parse_url(about.pop("url"))
    about["key"] = bytes.fromhex(about["key"])
    about["events"] = check_events(about["events"])
    about["queue"] = deque(Delivery.decode(one) for one in about["queue"])
    about["dead"] = deque((Delivery.decode(one) for one in about["dead"]), maxlen=_DEAD)
    return Webhook(**about)


def message(type_: str, timestamp: float, data: dict[str, Any]) -> Delivery:
    """A new message."""
    ident = f"msg_{secrets.token_hex(12)}"
    body = _json.dumps({"type": type_, "timestamp": timestamp, "data": data})
    return Delivery(ident, type_, body if isinstance(body, bytes) else body.encode(), timestamp)


@dataclass(slots=True)
class Webhook:
    """What somebody has asked for, and how it goes.

    Attributes:
        user: whose it is.
        events: names of events, or ``*``; *jobid*: of this job only.
        dead: what could not be delivered, at last; *lost*: how many messages found no room.
        failures: dead deliveries one after the other; *stopped*: why nothing is tried any more.
    """

    user: str
    target: Target
    key: bytes
    events: frozenset[str]
    jobid: int | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    created: float = field(default_factory=time.time)
    queue: deque[Delivery] = field(default_factory=deque)
    dead: deque[Delivery] = field(default_factory=lambda: deque(maxlen=_DEAD))
    delivered: int = 0
    lost: int = 0
    failures: int = 0
    stopped: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, name: str, jobid: int) -> bool:
        """Whether an event of a job is to be delivered."""
        return self.jobid in (None, jobid) and (name in self.events or "*" in self.events)

    def add(self, delivery: Delivery) -> None:
        """Let a message wait; of too many the oldest goes."""
        self.queue.append(delivery)
        if len(self.queue) > _QUEUE:
            self.queue.popleft()
            self.lost += 1
        self.wake.set()

    def encode(self) -> str:
        """All of it as JSON, its secret, too."""
        return _json.dumps(
            {
                "user": self.user,
                "url": self.target.url,
                "key": self.key.hex(),
                "events": sorted(self.events),
                "jobid": self.jobid,
                "id": self.id,
                "created": self.created,
                "queue": [one.encode() for one in islice(self.queue, _KEPT)],
                "dead": [one.encode() for one in self.dead],
                "delivered": self.delivered,
                "lost": self.lost + max(0, len(self.queue) - _KEPT),
                "failures": self.failures,
                "stopped": self.stopped,
            }
        ).decode()

    def retry(self) -> int:
        """Try everything dead once more, and go on; returns how many."""
        again, self.stopped, self.failures = list(self.dead), "", 0
        self.dead.clear()
        for delivery in reversed(again):
            delivery.attempts = 0
            self.queue.appendleft(delivery)
        self.wake.set()
        return len(again)

    async def run(self, post: Post, sleep: Sleep = asyncio.sleep) -> None:
        """Deliver, one after the other, for good."""
        while True:
            while not self.queue or self.stopped:
                self.wake.clear()
                await self.wake.wait()
            delivery = self.queue.popleft()
            try:
                done = await self._deliver(delivery, post, sleep)
            except asyncio.CancelledError:
                self.queue.appendleft(delivery)  # for the server's next life
                raise
            if done:
                self.delivered += 1
                self.failures = 0
                continue
            self.dead.append(delivery)
            self.failures += 1
            if self.failures >= PATIENCE and not self.stopped:
                self.stopped = f"{PATIENCE} messages could not be delivered: {delivery.error}"

    async def _deliver(self, delivery: Delivery, post: Post, sleep: Sleep) -> bool:
        for delay in (*DELAYS, None):
            delivery.attempts += 1
            now = int(time.time())
            try:
                status = await post(
                    self.target,
                    signature.headers(self.key, delivery.ident, now, delivery.body),
                    delivery.body,
                )
            except OSError as exc:
                delivery.error = exc.strerror or str(exc)
            else:
                if 200 <= status < 300:
                    return True
                delivery.error = f"it answered {status}"
                if status == _GONE:
                    self.stopped = "it answered 410, that it has gone"
                    return False
            if delay is not None:
                await sleep(delay * random.uniform(0.8, 1.2))
        return False
