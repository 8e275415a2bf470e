# SPDX-License-Identifier: LGPL-3.0-or-later
"""Changes of queues, which no event tells: while somebody wants to hear of them they are asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol

from rosin.queue import configuration_async, queue_status_async
from rosin.rest.problem import Problem

if TYPE_CHECKING:
    from rosin.handle.aio import AsyncFlux
    from rosin.rest.mirror import Mirror

#: Seconds between two looks.
INTERVAL = 5.0

States = dict[str, dict[str, Any]]


class Asker(Protocol):
    """What it needs of the connection to an instance."""

    mirror: Mirror

    async def connected(self) -> AsyncFlux: ...

    async def answer(self, future: Awaitable[Any]) -> Any: ...


class QueueWatch:
    """Looks at the queues while it has readers, and notes changes among the events of jobs."""

    def __init__(self, instance: Asker) -> None:
        self._instance = instance
        self._readers = 0
        self._known: States | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self) -> None:
        """One reader more."""
        self._readers += 1
        if self._task is None:
            self._task = asyncio.ensure_future(self._watch())

    def leave(self) -> None:
        """One reader less."""
        self._readers -= 1
        if not self._readers:
            self.close()

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = self._known = None

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Note what has changed since the last look."""
        try:
            states = await self._states()
        except Problem:
            return  # it has gone, which others tell, or does not answer now
        known, self._known = self._known, states
        if known is None:
            return
        for name in {**known, **states}:
            if known.get(name) != states.get(name):
                event = {"timestamp": time.time(), "name": name, "state": states.get(name)}
                self._instance.mirror.note("queue", event)

    async def _states(self) -> States:
        instance = self._instance
        handle = await instance.connected()
        config = await instance.answer(configuration_async(handle))
        names: list[str | None] = [*(config.get("queues") or {})] or [None]
        states = await asyncio.gather(*(instance.answer(queue_status_async(handle, name)) for name in names))
        return {name or "": _plain(state) for name, state in zip(names, states, strict=True)}


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "enabled": state["enable"],
        "disable_reason": state.get("disable_reason"),
        "started": state["start"],
        "stop_reason": state.get("stop_reason"),
    }
