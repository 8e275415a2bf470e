# SPDX-License-Identifier: LGPL-3.0-or-later
"""The thread of an executor: a loop of its own, with a connection to the instance."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from rosin.connection import AsyncInstance, connect
from rosin.executor.course import CallCourse, Order
from rosin.executor.storage import PickleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.executor.future import JobFuture

_log = logging.getLogger(__name__)

#: Submissions on their way to the broker at a time; others wait here.
_WINDOW = 256


class ExecutorThread(threading.Thread):
    """Carries calls out. Ends when it is told to and the last job is over.

    ``broken``: why it takes no more calls, None while it does. ``storage``: for long calls.
    """

    def __init__(self, uri: str | None) -> None:
        super().__init__(name="rosin-executor", daemon=True)
        self.broken: BaseException | None = None
        self.storage: PickleStore
        self._uri = uri
        self._pid = os.getpid()
        self._up: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._courses: dict[JobFuture[Any], CallCourse] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop
        self._idle: asyncio.Event
        self._gate: asyncio.Semaphore
        self._flux: AsyncInstance

    # -- called by other threads ----------------------------------------------------------------------

    def connect(self) -> None:
        """Start, and wait until it is connected. Raises OSError."""
        self.start()
        self._up.result()

    def put(self, future: JobFuture[Any], order: Order) -> None:
        """Carry out a call. Raises BrokenExecutor."""
        if self._pid != os.getpid():
            raise RuntimeError("an executor does not survive a fork: make one in the process that uses it")
        if self.broken is not None:
            raise concurrent.futures.BrokenExecutor(f"the executor takes no more calls: {self.broken}")
        future._end = self._ended
        course = self._courses[future] = CallCourse(self._flux, self.storage, future, order)
        if not self._call(self._begin, course):
            raise concurrent.futures.BrokenExecutor("the executor takes no more calls: it has ended")

    def finish(self) -> None:
        """End once there is nothing left to do."""
        if self._pid == os.getpid():
            self._call(self._finish)

    def pending(self) -> list[JobFuture[Any]]:
        """The calls whose jobs have not started."""
        return [future for future in self._courses.copy() if not future.running()]

    def _ended(self, future: JobFuture[Any]) -> None:
        """A call was cancelled."""
        self._call(self._cancel, future)

    def _call(self, function: Callable[..., object], *args: Any) -> bool:
        """Call a function in the thread; False when that has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True

    # -- the thread -------------------------------------------------------------------------------------

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._idle = asyncio.get_running_loop(), asyncio.Event()
        self._gate = asyncio.Semaphore(_WINDOW)
        try:
            async with connect(self._uri) as self._flux:
                await self._check_owner()
                self._flux.handle.on_lost(self._lost)
                self.storage = PickleStore(self._flux.handle)
                self._up.set_result(None)
                await self._idle.wait()
                if self.broken is None:
                    self.broken = RuntimeError("it was shut down")
                    await self.storage.close()
        except Exception as exc:
            self.broken = self.broken or exc
            if self._up.done():
                _log.exception("the thread of an executor")
            else:
                self._up.set_exception(exc)

    async def _check_owner(self) -> None:
        """Who owns the instance can write what this program would unpickle."""
        owner = int(await self._flux.handle.attr("security.owner"))
        if owner != os.getuid():
            raise PermissionError(
                errno.EPERM,
                f"the instance is that of user {owner}, who could change what calls return: start one of"
                " your own in it (rosin alloc, rosin batch) and use the executor there",
            )

    def _lost(self, failure: OSError) -> None:
        """Those on their way fail by themselves, as what they wait for does."""
        self.broken = self.broken or failure
        self._finish()

    def _finish(self) -> None:
        self._closing = True
        if not self._courses:
            self._idle.set()

    def _task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, course: CallCourse) -> None:
        self._task(self._carry_out(course))

    async def _carry_out(self, course: CallCourse) -> None:
        try:
            await course.run(self._gate)
        finally:
            del self._courses[course.future]
            if self._closing:
                self._finish()

    def _cancel(self, future: JobFuture[Any]) -> None:
        course = self._courses.get(future)
        if course is not None:
            self._task(self._cancel_job(course))

    async def _cancel_job(self, course: CallCourse) -> None:
        try:
            await course.cancel()
        except OSError as exc:
            _log.warning("the job of %r could not be cancelled: %s", course.future, exc)
