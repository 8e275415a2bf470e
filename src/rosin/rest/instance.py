# SPDX-License-Identifier: LGPL-3.0-or-later
"""The instance behind the server: one handle, kept connected, and what is known through it.

The application may be used without its lifespan, and test clients run every request in a new event loop, so
the connection is made on first use and belongs to the loop that asked.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from rosin.handle.aio import AsyncFlux
from rosin.rest.bell import Bell
from rosin.rest.mirror import Mirror
from rosin.rest.output import Feed, Outputs
from rosin.rest.problem import Problem, of_error, unavailable
from rosin.rest.queuewatch import QueueWatch
from rosin.rest.resourcelog import ResourceLog
from rosin.rest.settings import Settings

T = TypeVar("T")

_FIRST_DELAY = 0.05
_LAST_DELAY = 2.0
#: Seconds that a request waits for the first connection and the journal's history.
_PATIENCE = 10.0


class InstanceLink:
    """The connection to an instance, from one event loop."""

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, on_gone: Callable[[], None] | None = None
    ) -> None:
        self.settings = settings
        self.loop = loop
        self.mirror = Mirror()
        self.outputs = Outputs()
        self.changed = Bell()
        self.queues = QueueWatch(self)
        self.handle: AsyncFlux | None = None
        self.error: OSError | None = None
        self._on_gone = on_gone
        self._tried = False
        self._shared: dict[str, asyncio.Future[Any]] = {}
        self._task = loop.create_task(self._keep())

    # -- the connection ---------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect, follow, and connect again whenever the instance has gone.

        A server that ends with its instance only makes sure: a broker also drops a client that is too slow.
        """
        delay = _FIRST_DELAY
        while True:
            try:
                self.handle = await AsyncFlux.connect(self.settings.uri)
            except OSError as exc:
                self._down(exc)
                if self.settings.ends and self._on_gone is not None:
                    self._on_gone()
                    return
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LAST_DELAY)
                continue
            delay = _FIRST_DELAY
            lost: asyncio.Future[OSError] = self.loop.create_future()
            self.handle.on_lost(lambda exc, lost=lost: lost.done() or lost.set_result(exc))  # type: ignore[misc]
            self.error = None
            self._tried = True
            self.mirror.follow(self.handle)
            ResourceLog(self.handle, self.mirror)
            self.changed.ring()
            self._down(await lost)

    def _down(self, exc: OSError) -> None:
        self.handle = None
        self.error = exc
        self._tried = True
        self.outputs.drop(exc)
        self.changed.ring()
        self.mirror.bell.ring()

    async def close(self) -> None:
        """Disconnect for good."""
        self.queues.close()
        self._task.cancel()
        await asyncio.wait([self._task])  # it may just be connecting
        handle, self.handle = self.handle, None
        self.error = OSError("the server is stopping")
        self.outputs.drop(self.error)
        self.mirror.bell.ring()
        if handle is not None:
            await handle.close()

    # -- asking -----------------------------------------------------------------------------------

    async def connected(self) -> AsyncFlux:
        """The handle. Raises Problem 503 when the instance is not there."""
        if not self._tried:
            await self.changed.wait(_PATIENCE)
        if self.handle is None:
            raise unavailable(self.reason())
        return self.handle

    async def jobs(self) -> Mirror:
        """The jobs, once their history is complete. Raises Problem 503."""
        if not self.mirror.ready:
            await self.connected()
            deadline = self.loop.time() + _PATIENCE
            while not self.mirror.ready and self.handle is not None and self.mirror.error is None:
                if not await self.mirror.bell.wait(deadline - self.loop.time()):
                    break
        if not self.mirror.ready or self.handle is None:
            raise unavailable(self.reason())
        return self.mirror

    def output(self, jobid: int) -> Feed:
        """Follow the output of a job; ``outputs.leave`` when done."""
        if self.handle is None:  # it went away since the request began
            return self.outputs.join(OSError(errno.EHOSTUNREACH, self.reason()), jobid)
        return self.outputs.join(self.handle, jobid)

    def reason(self) -> str:
        """Why the instance does not answer."""
        exc = self.error or self.mirror.error
        return (exc.strerror or str(exc)) if exc is not None else "the instance does not answer yet"

    async def answer(self, future: Awaitable[T]) -> T:
        """Wait for an RPC. Raises Problem when it fails or takes too long."""
        try:
            return await asyncio.wait_for(_awaited(future), self.settings.reply_timeout)
        except TimeoutError:
            raise Problem(504, "the instance did not answer in time") from None
        except OSError as exc:
            raise of_error(exc) from exc

    async def resources(self) -> dict[str, Any]:
        """The scheduler's view of the resources; requests at the same time share one RPC."""
        return cast("dict[str, Any]", await self._share("resource.sched-status"))

    async def _share(self, topic: str) -> Any:
        pending = self._shared.get(topic)
        if pending is None:
            handle = await self.connected()
            pending = self.loop.create_task(self.answer(handle.rpc(topic, nodeid=0)))
            self._shared[topic] = pending
            pending.add_done_callback(lambda done: self._shared.pop(topic, None) and done.exception())
        return await asyncio.shield(pending)


async def _awaited(future: Awaitable[T]) -> T:
    return await future


class InstanceLinks:
    """The instance as seen from the running loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.closing = False
        #: Called when the instance has gone and the server is to end with it.
        self.on_gone: Callable[[], None] | None = None
        #: Called when the server has ended.
        self.closers: list[Callable[[], None]] = []
        self._current: InstanceLink | None = None

    def current(self) -> InstanceLink:
        """The connection of this loop, begun if there is none."""
        loop = asyncio.get_running_loop()
        if self._current is None or self._current.loop is not loop:
            self._current = InstanceLink(self.settings, loop, self.on_gone)
        return self._current

    async def close(self) -> None:
        """Disconnect."""
        for close in self.closers:
            close()
        current, self._current = self._current, None
        if current is not None and current.loop is asyncio.get_running_loop():
            await current.close()

    def begin_closing(self) -> None:
        """The server is about to stop: streams end."""
        self.closing = True
        if self._current is not None:
            self._current.mirror.bell.ring()
            self._current.outputs.ring()
