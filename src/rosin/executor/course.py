# SPDX-License-Identifier: LGPL-3.0-or-later
"""The course of one call: its job is submitted, followed, and its outcome read."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError
from rosin.executor import call
from rosin.executor.outcome import CallOutcome, CallProgress, WorkerLost
from rosin.job.events import JobException, event_watch_async
from rosin.job.output import output_watch_async
from rosin.kvs.lookup import PRIMARY
from rosin.process.outcome import exit_code

if TYPE_CHECKING:
    from rosin.connection import AsyncInstance, AsyncJob
    from rosin.executor.future import JobFuture
    from rosin.executor.storage import PickleStore
    from rosin.job.spec_v1 import JobspecV1

#: Characters of a job's standard error that are told when it ends without a result.
_WORDS = 2000


class Order(NamedTuple):
    """What is to be submitted.

    ``tasks``: how many tasks carry the call out, whose values make a list; None: one, and its value.
    ``long``: a pickle that the jobspec has no room for, and where it is looked for.
    """

    spec: JobspecV1
    urgency: int
    tasks: int | None
    long: tuple[call.StoredPickle, bytes] | None


class CallCourse:
    """One call, on its way."""

    def __init__(
        self, flux: AsyncInstance, storage: PickleStore, future: JobFuture[Any], order: Order
    ) -> None:
        self._flux = flux
        self._storage = storage
        self.future = future
        self._order: Order | None = order
        self._tasks = order.tasks
        self._outcomes: dict[int, CallOutcome] = {}
        self._stored: list[call.StoredPickle] = []
        self._job: AsyncJob | None = None
        self._over = False

    async def run(self, gate: asyncio.Semaphore) -> None:
        """From the submission to the end of the job; the future has a result then, whatever happens."""
        try:
            async with gate:
                if self.future.cancelled():
                    return
                job = await self._submit()
            self.future._submitted(job.id)
            if self.future.cancelled():
                await self.cancel()
            await self._follow(job)
            for stored in self._stored:
                await self._storage.forget(stored)
        except Exception as exc:
            self.future._fail(exc)
        finally:
            self._over = True
            self.future._fail(WorkerLost("the executor has ended before the call"))

    async def _submit(self) -> AsyncJob:
        order, self._order = self._order, None  # it has the call, which may be long
        assert order is not None
        if order.long is not None:
            await self._storage.keep(*order.long)
            self._stored.append(order.long[0])
        self._job = await self._flux.submit(order.spec, urgency=order.urgency)
        return self._job

    async def cancel(self) -> None:
        """Cancel the job, if there is one that goes on. Raises OSError."""
        self.future._fail(asyncio.CancelledError())  # tells those who wait for it
        if self._job is None or self._over:
            return
        try:
            await self._job.cancel("cancelled by the program that submitted it")
        except OSError as exc:
            if exc.errno not in (errno.EINVAL, errno.ENOENT):  # it has ended meanwhile
                raise

    async def _follow(self, job: AsyncJob) -> None:
        """The events of the job; its own log from its start on."""
        status: int | None = None
        reading: asyncio.Task[None] | None = None
        try:
            async for event in job.events():
                if event.name == "start":
                    self.future._started()
                    reading = asyncio.create_task(self._read(job))
                elif event.name == "finish":
                    status = event.context["status"]
                elif event.name == "exception" and event.context["severity"] == 0:
                    self.future._fail(JobException(event))
            if reading is not None:
                await reading
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        if not self.future.done():
            self.future._fail(await self._lost(job, status))

    async def _lost(self, job: AsyncJob, status: int | None) -> WorkerLost:
        how = "" if status is None else f", exit code {exit_code(status)}"
        words = ""
        try:
            async for stream, text in output_watch_async(self._flux.handle, job.id, nowait=True):
                words = (words + text)[-_WORDS:] if stream == "stderr" else words
        except OSError as exc:
            words = words or f"(its standard error cannot be read: {exc.strerror})"
        said = f"; it said:\n{words.rstrip()}" if words.strip() else ""
        return WorkerLost(f"job {job.id.f58} ended without a result{how}{said}")

    async def _read(self, job: AsyncJob) -> None:
        """What the call tells, until there is a result."""
        watch = event_watch_async(self._flux.handle, job.id, f"guest.{call.LOG}", waitcreate=True)
        try:
            async for event in watch:
                try:
                    await self._take(job, event.name, event.context)
                except (FormatError, KeyError, TypeError, ValueError) as exc:
                    self.future._fail(FormatError(f"job {job.id.f58}: malformed event {event.name}: {exc}"))
                if self.future.done():
                    break
        except FileNotFoundError:
            return  # it has told nothing
        finally:
            watch.close()

    async def _take(self, job: AsyncJob, name: str, context: dict[str, Any]) -> None:
        rank = context["rank"]
        if name == "progress":
            self.future._advanced(CallProgress(context["done"], context["total"], context["text"], rank))
        elif name == "result" and rank in range(self._tasks or 1):
            data = call.data_of(context)
            if isinstance(data, call.StoredPickle):
                key = f"{job.id.kvs}.guest.{call.KEY}-{rank}"
                self._stored.append(data._replace(namespace=PRIMARY, key=key))
                data = await self._storage.fetch(self._stored[-1])
            self._outcomes[rank] = CallOutcome.from_words(context, data)
            if not self._outcomes[rank].ok:
                self.future._settle(self._outcomes[rank].deliver)
            elif len(self._outcomes) == (self._tasks or 1):
                self.future._settle(self._value if self._tasks is None else self._values)

    def _value(self) -> Any:
        return self._outcomes.pop(0).deliver()

    def _values(self) -> list[Any]:
        return [self._outcomes.pop(rank).deliver() for rank in sorted(self._outcomes)]
