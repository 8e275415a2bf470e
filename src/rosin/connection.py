# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance and its jobs for asyncio programs.

>>> async with rosin.connect() as flux:
...     job = await flux.submit(["echo", "hello"])
...     async for event in job.events():
...         print(event.name)
...     print((await job.output()).stdout, (await job.result()).returncode)

The functions of :mod:`rosin.job` take ``flux.handle``, too. Any number of coroutines may use one connection;
what one of them gives up, by cancellation or by leaving a loop, is given up at the broker.
"""

from __future__ import annotations

import errno
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from rosin import job as api
from rosin.handle.aio import AsyncFlux
from rosin.handle.future import error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Sequence

    from rosin.job.events import EventLogEvent
    from rosin.job.info import JobInfo
    from rosin.job.output import JobOutput

__all__ = ["AsyncInstance", "AsyncJob", "connect"]


class AsyncJob:
    """One job of an instance. Attributes: ``id`` (a JobID), ``flux`` (the AsyncInstance)."""

    __slots__ = ("flux", "id")

    def __init__(self, flux: AsyncInstance, id: int | str) -> None:
        self.flux = flux
        self.id = api.JobID(id)

    def __repr__(self) -> str:
        return f"<Job {self.id.f58}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJob) and (other.id, other.flux) == (self.id, self.flux)

    def __hash__(self) -> int:
        return hash(self.id)

    async def events(self, log: str = "eventlog") -> AsyncGenerator[EventLogEvent, None]:
        """The events of one of the job's logs (RFC 18), as they come, until the log is complete.

        Raises OSError: ENOENT there is no such job or log.
        """
        watch = api.event_watch_async(self.flux.handle, self.id, log)
        try:
            async for event in watch:
                yield event
        finally:
            watch.close()

    async def event(self, name: str, log: str = "eventlog") -> EventLogEvent:
        """Wait for an event, which may have happened already.

        Raises JobException if a fatal one comes first, OSError ENODATA if the log ends without it.
        """
        async with aclosing(self.events(log)) as events:
            async for event in events:
                if event.name == name:
                    return event
                if event.name == "exception" and event.context["severity"] == 0:
                    raise api.JobException(event)
        raise error(errno.ENODATA, f"job {self.id.f58}: event '{name}' did not occur before the end of {log}")

    async def result(self) -> JobInfo:
        """Wait for the end: ``returncode``, ``result`` and what else the events tell. Raises OSError."""
        future = api.result_async(self.flux.handle, self.id)
        await future
        return future.get_info()

    def __await__(self) -> Generator[Any, None, JobInfo]:
        """Like :meth:`result`."""
        return self.result().__await__()

    async def lines(self) -> AsyncGenerator[tuple[str, str], None]:
        """The output as it comes: pairs of a stream (``stdout``, ``stderr``) and a line without its end.

        Raises OSError: EIO the job has never started.
        """
        watch = api.output_watch_lines_async(self.flux.handle, self.id)
        try:
            async for stream, line in watch:
                yield stream, line
        finally:
            watch.cancel()

    async def output(self) -> JobOutput:
        """Wait for the end of the output; all of it, by stream. Raises OSError."""
        from rosin.job.output import JobOutput

        texts: dict[str, list[str]] = {"stdout": [], "stderr": [], "log": []}
        watch = api.output_watch_async(self.flux.handle, self.id)
        try:
            async for stream, text in watch:
                texts[stream].append(text)
        finally:
            watch.cancel()
        return JobOutput(*("".join(parts) for parts in texts.values()))

    async def info(self) -> JobInfo:
        """What the instance knows of it now. Raises OSError: ENOENT there is no such job."""
        rpc = api.job_list_id(self.flux.handle, self.id)
        await rpc
        return rpc.get_jobinfo()

    async def why(self) -> list[str]:
        """What it waits for, a sentence for each reason; none when it waits for nothing.

        Raises OSError: ENOENT it is over, ENOSYS the instance is flux-core's.
        """
        from rosin.job.why import job_why_async, sentences

        return sentences(await job_why_async(self.flux.handle, self.id))

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel it. Raises OSError."""
        await api.cancel_async(self.flux.handle, self.id, reason)

    async def kill(self, signum: int = 15) -> None:
        """Send a signal to its tasks. Raises OSError: it does not run."""
        await api.kill_async(self.flux.handle, self.id, signum)

    async def urgency(self, urgency: int) -> None:
        """Change its urgency: 0 (held) to 31. Raises OSError."""
        from rosin.job.control import urgency_async

        await urgency_async(self.flux.handle, self.id, urgency)


class AsyncInstance:
    """What :func:`connect` gives. Attribute ``handle``: the AsyncFlux below, for RPCs and the client API."""

    __slots__ = ("_uri", "handle")

    handle: AsyncFlux

    def __init__(self, uri: str | None = None) -> None:
        self._uri = uri

    async def __aenter__(self) -> AsyncInstance:
        self.handle = await AsyncFlux.connect(self._uri)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __await__(self) -> Generator[Any, None, AsyncInstance]:
        """Connect without ``async with``; :meth:`close` is then the caller's."""
        return self.__aenter__().__await__()

    async def close(self) -> None:
        """End the connection; what is awaited on it fails with ECONNRESET."""
        await self.handle.close()

    async def submit(
        self,
        command: Sequence[str] | api.Jobspec,
        *,
        urgency: int = 16,
        waitable: bool = False,
        **options: Any,
    ) -> AsyncJob:
        """Submit a command, or a jobspec that is ready.

        ``options`` of a command are those of :meth:`rosin.job.JobspecV1.from_command` (``num_tasks``,
        ``cores_per_task``, ``gpus_per_task``, ``num_nodes``, ``duration``, ``name``, ``queue``, ...). Unless
        they say another, directory and environment are this program's. Raises ValueError, OSError.
        """
        if not isinstance(command, api.Jobspec):
            if isinstance(command, (str, bytes)):
                raise ValueError(f"a command is a list of words, such as ['echo', 'hello']; got {command!r}")
            options = {"cwd": os.getcwd(), "environment": dict(os.environ), **options}
            command = api.JobspecV1.from_command(command, **options)
        elif options:
            raise ValueError(f"{', '.join(options)}: options of a command; a jobspec has them already")
        answer = await api.submit_async(self.handle, command, urgency=urgency, waitable=waitable)
        return AsyncJob(self, answer["id"])

    def job(self, id: int | str) -> AsyncJob:
        """A job by its number or its name in any encoding of RFC 19. Raises ValueError: that is none."""
        return AsyncJob(self, id)

    async def jobs(self, max_entries: int = 1000, filters: Iterable[str] = (), **query: Any) -> list[JobInfo]:
        """The jobs, newest first; ``filters`` are states and results (``running``, ``failed``, ...).

        ``query`` is that of :class:`rosin.job.JobList`: ``user``, ``name``, ``queue``, ``since``,
        ``constraint``. Raises OSError, ValueError.
        """
        from rosin.job.info import JobInfo

        found = api.JobList(self.handle, max_entries=max_entries, filters=filters, **query).fetch_jobs()
        assert isinstance(found, api.JobListRPC)  # no ids are asked for
        return [JobInfo(each) for each in await found.jobs()]


def connect(uri: str | None = None) -> AsyncInstance:
    """An instance: ``async with rosin.connect() as flux``, or ``flux = await rosin.connect()``.

    ``uri`` by default is FLUX_URI, the enclosing instance, ``/run/flux/local``, or the user's only running
    one. Raises OSError that says why not.
    """
    return AsyncInstance(uri)
