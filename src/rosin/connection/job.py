# SPDX-License-Identifier: LGPL-3.0-or-later
"""One job for asyncio programs."""

from __future__ import annotations

import errno
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from rosin import job as api
from rosin._html import table
from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT
from rosin.handle.future import error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from rosin.handle.aio import AsyncFlux
    from rosin.job.events import EventLogEvent
    from rosin.job.info import JobInfo
    from rosin.job.output import JobOutput

    class Connected(Protocol):
        """What a job needs of its instance."""

        handle: AsyncFlux


class AsyncJob:
    """One job of an instance. Attributes: ``id`` (a JobID), ``flux`` (the AsyncInstance)."""

    __slots__ = ("flux", "id")

    def __init__(self, flux: Connected, id: int | str) -> None:
        self.flux = flux
        self.id = api.JobID(id)

    def __repr__(self) -> str:
        return f"<Job {self.id.f58}>"

    def _repr_html_(self) -> str:
        return table(("job", "instance"), [(self.id.f58, self.flux.handle.uri)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJob) and (other.id, other.flux) == (self.id, self.flux)

    def __hash__(self) -> int:
        return hash(self.id)

    # -- what happens -----------------------------------------------------------------------------------

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

    async def wait(self) -> JobInfo:
        """Like :meth:`result`."""
        return await self.result()

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

    # -- what is known ------------------------------------------------------------------------------------

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

    async def lookup(self, *keys: str) -> dict[str, Any]:
        """What the KVS has of it (RFC 41): ``jobspec`` and ``R`` as objects, as updates have left them; other
        keys (``J``, ``guest.output``) as text. Raises OSError: ENOENT there is no such job or key.
        """
        rpc = api.job_info_lookup(self.flux.handle, self.id, keys, FLUX_JOB_INFO_LOOKUP_CURRENT)
        await rpc
        found = rpc.get_decode()
        return {key: found[key] for key in keys}

    async def uri(self) -> str:
        """Where the instance is that this job runs, for :func:`rosin.connect`. Waits until it is up.

        Raises JobException, and OSError ENODATA if it ends without having told: it is no instance.
        """
        async with aclosing(self.events()) as events:
            async for event in events:
                if event.name == "memo" and "uri" in event.context:
                    return api.JobURI(str(event.context["uri"])).near
                if event.name == "exception" and event.context["severity"] == 0:
                    raise api.JobException(event)
        raise error(errno.ENODATA, f"job {self.id.f58} has ended, and was no instance that tells where it is")

    # -- what can be done to it ---------------------------------------------------------------------------

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel it. Raises OSError."""
        await api.cancel_async(self.flux.handle, self.id, reason)

    async def kill(self, signum: int = 15) -> None:
        """Send a signal to its tasks. Raises OSError: it does not run."""
        await api.kill_async(self.flux.handle, self.id, signum)

    async def raise_exception(self, type: str, severity: int = 0, note: str | None = None) -> None:
        """Raise an exception on it, of severity 0 (ends it) to 7. Raises OSError."""
        await api.job_raise_async(self.flux.handle, self.id, type, severity, note)

    async def urgency(self, urgency: int) -> None:
        """Change its urgency: 0 (held) to 31. Raises OSError."""
        await api.urgency_async(self.flux.handle, self.id, urgency)

    async def update(self, **attributes: Any) -> None:
        """Change attributes: ``duration`` (seconds, ``"2h"``), ``name``, ``queue``, and others of
        ``attributes.system``. Raises ValueError, and OSError if the instance does not allow it.
        """
        await api.update_async(self.flux.handle, self.id, _updates(attributes))

    async def memo(self, volatile: bool = False, **memo: Any) -> None:
        """Add to its annotations, which listings show under ``user``; None removes. Raises OSError."""
        await api.memo_async(self.flux.handle, self.id, memo, volatile)


def _updates(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by their keys in the jobspec."""
    from rosin.rfc.jobspec import build

    updates = dict(attributes)
    if "duration" in updates:
        seconds = getattr(updates["duration"], "total_seconds", None)
        updates["duration"] = build.seconds(updates["duration"] if seconds is None else seconds())
    if "name" in updates:
        updates["job.name"] = updates.pop("name")
    return {f"attributes.system.{key}": value for key, value in updates.items()}
