# SPDX-License-Identifier: LGPL-3.0-or-later
"""All webhooks of a server: they follow the jobs as every reader of events does, and cost nobody anything."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rosin.rest import jobview
from rosin.rest.mirror import MirrorEvent
from rosin.rest.problem import Problem
from rosin.rest.webhooks.hook import Post, Sleep, Webhook, decode, message
from rosin.rest.webhooks.post import post
from rosin.rest.webhooks.target import Networks, Target, resolve
from rosin.rfc import fluid

if TYPE_CHECKING:
    from rosin.rest.instance import InstanceLinks
    from rosin.rest.mirror import Mirror
    from rosin.rest.serverstate import ServerState

#: Webhooks of one user, and of all.
MOST_OF_USER, MOST = 20, 200
_LOOK = 15.0
_AGAIN = 1.0


class Webhooks:
    """The webhooks of one server; *state* keeps them for its next life."""

    def __init__(
        self, instances: InstanceLinks, networks: Networks = (), state: ServerState | None = None
    ) -> None:
        self._state = state
        self._begun = False
        self.found: dict[str, Webhook] = {}
        self._instances = instances
        self._networks = networks
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.post: Post = self._post
        self.sleep: Sleep = asyncio.sleep

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> int:
        return await post(target, await resolve(target, self._networks), headers, body)

    async def check(self, target: Target) -> None:
        """Raises OSError for a target that nothing will be delivered to."""
        await resolve(target, self._networks)

    def begin(self) -> None:
        """Go on with those of the server's life before."""
        if self._begun:
            return
        self._begun = True
        for text in [] if self._state is None else self._state.webhooks():
            try:
                self._start(decode(text))
            except (ValueError, KeyError, TypeError) as exc:
                sys.stderr.write(f"rosin-serve: ERROR: a webhook cannot be read: {exc}\n")
                sys.stderr.flush()

    def of(self, user: str | None) -> list[Webhook]:
        """A user's webhooks; everybody's for None."""
        return [hook for hook in self.found.values() if user in (None, hook.user)]

    def add(self, hook: Webhook) -> None:
        """Begin to deliver. Raises Problem 429 for one too many."""
        if len(self.found) >= MOST or len(self.of(hook.user)) >= MOST_OF_USER:
            raise Problem(429, f"a user has at most {MOST_OF_USER} webhooks, a server {MOST}: delete some")
        self._start(hook)
        if self._state is not None:
            self._state.keep_webhook(hook.id, hook.encode())

    def _start(self, hook: Webhook) -> None:
        self.found[hook.id] = hook
        loop = asyncio.get_running_loop()
        self._tasks[hook.id] = loop.create_task(hook.run(self.post, self.sleep))
        if "" not in self._tasks:
            self._tasks[""] = loop.create_task(self._follow())

    def remove(self, ident: str) -> None:
        """Deliver nothing any more."""
        del self.found[ident]
        self._tasks.pop(ident).cancel()
        if self._state is not None:
            self._state.delete_webhook(ident)
        if not self.found:
            self._tasks.pop("").cancel()

    async def _follow(self) -> None:
        """Hand events on; those that came while the instance was away or that were missed are not sent."""
        epoch, position = "", 0
        while True:
            try:
                mirror: Mirror = await self._instances.current().jobs()
            except Problem:
                await asyncio.sleep(_AGAIN)
                continue
            entries = mirror.since(position) if mirror.epoch == epoch else None
            if entries is None:
                epoch, position = mirror.epoch, mirror.end
            elif entries:
                position += len(entries)
                for entry in entries:
                    if isinstance(entry, MirrorEvent):
                        self._offer(entry)
            else:
                await mirror.bell.wait(_LOOK)

    def _offer(self, entry: MirrorEvent) -> None:
        event = entry.event
        wanting = [hook for hook in self.found.values() if hook.wants(event["name"], entry.jobid)]
        if not wanting:
            return
        data = {
            "jobid": fluid.encode(entry.jobid, "f58"),
            "name": event["name"],
            "context": event.get("context", {}),
            "job": jobview.summary(entry.row),
        }
        for hook in wanting:
            hook.add(message(f"job.{event['name']}", event["timestamp"], data))

    async def close(self) -> None:
        """Deliver nothing any more: the server ends."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._state is not None:
            for hook in self.found.values():
                self._state.keep_webhook(hook.id, hook.encode())
        self.found.clear()
