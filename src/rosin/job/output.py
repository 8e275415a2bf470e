# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: the output of a job, as a whole or as it comes.

Three watchers share one engine: events, chunks of text per stream, and whole lines. Each is a future of many
results that ends with None, or (None, None) where results are pairs; ``for`` and ``async for`` walk
through it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.handle.future import Future
from rosin.job.events import JobException, event_watch_async
from rosin.job.jobid import JobID
from rosin.job.lookup import job_info_lookup
from rosin.job.output_events import (
    LOG_TRACE,
    JobExceptionEvent,
    LogEvent,
    OutputEvent,
    Taskset,
    parse_output_event,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from rosin.handle.handle import Handle
    from rosin.job.events import EventLogEvent, JobEventWatchFuture


class JobOutput(NamedTuple):
    """Output of a job: text of each stream, and the job shell's messages that are not part of stderr."""

    stdout: str
    stderr: str
    log: str


class _OutputFuture(Future):
    """The engine: follows the output log, and the main log for exceptions, until the output is complete.

    A job that ends without having been started has no output: EIO.
    """

    #: The last result.
    END: Any = None

    def __init__(
        self, flux_handle: Handle, jobid: int | str, labelio: bool = False, nowait: bool = False
    ) -> None:
        super().__init__(flux_handle)
        self.labelio = labelio
        self._ended = False
        self._seen = False  # an event of the output log
        self._complete = False  # the output log has ended
        self._main_ended = False
        self._started = nowait
        self._jobid = JobID(jobid)
        self._exceptions: JobEventWatchFuture | None = None
        self._output: Any
        if nowait:
            self._output = job_info_lookup(flux_handle, jobid, ["guest.output"])
            self._output.listen(self._looked_up)
            return
        self._output = event_watch_async(flux_handle, jobid, "guest.output", waitcreate=True)
        self._exceptions = event_watch_async(flux_handle, jobid)
        self._exceptions.listen(self._main_event)
        self._output.listen(self._output_event)

    def _looked_up(self, rpc: Any) -> None:
        try:
            for line in rpc.get()["guest.output"].splitlines():
                self._deliver(parse_output_event(line, self.labelio))
        except (OSError, ValueError) as exc:
            self._fail(exc)
        else:
            self._finish()

    def _output_event(self, watch: Any) -> None:
        if watch is not self._output:
            return  # one that is asked no more
        try:
            while watch.is_ready() and not self._ended:
                event: EventLogEvent | None = watch.get_event()
                if event is None:
                    self._complete = True
                    if self._seen or self._main_ended:
                        self._finish()  # else the main log will tell why there was no output
                    return
                self._seen = True
                self._deliver(parse_output_event(event, self.labelio))
        except (OSError, ValueError, KeyError) as exc:
            self._fail(exc)

    def _main_event(self, watch: Any) -> None:
        try:
            while watch.is_ready() and not self._ended:
                event: EventLogEvent | None = watch.get_event()
                if event is None:
                    self._main_ended = True
                    if not self._started and not self._seen:
                        raise OSError(errno.EIO, f"job {self._jobid} never started")
                    if self._complete:
                        self._finish()
                    elif not self._seen:
                        self._ask_again()
                    return
                self._started = self._started or event.name == "start"
                if event.name == "exception":
                    self._deliver(JobExceptionEvent(event))
        except OSError as exc:
            self._fail(exc)

    def _ask_again(self) -> None:
        """Follow the output log of a job that is over.

        One that was asked for while flux-core moved the job's logs is waited for where they were.
        """
        before = self._output
        self._output = event_watch_async(before.handle, self._jobid, "guest.output")
        self._output.listen(self._output_event)
        before.close()

    def _fail(self, exc: Exception) -> None:
        if not self._ended:
            self._ended = True
            for watch in (self._exceptions, self._output):
                if watch is not None and watch.matchtag:
                    watch.abandon()
            if isinstance(exc, FileNotFoundError) and not self._seen:
                exc = FileNotFoundError(errno.ENOENT, f"job {self._jobid} not found")
            if isinstance(exc, OSError):
                self.fulfill_error(exc.errno or errno.EIO, exc.strerror)
            else:
                self.fulfill_error(errno.EPROTO, f"guest.output: {exc}")

    def _finish(self) -> None:
        if not self._ended:
            self._ended = True
            for item in self._rest():
                self.fulfill(item)
            if self._exceptions is not None:
                self._exceptions.close()
            self.fulfill(self.END)

    def _deliver(self, event: Any) -> None:
        for item in self._items(event):
            self.fulfill(item)

    def _items(self, event: Any) -> Iterable[Any]:
        """What one event adds to the results."""
        raise NotImplementedError

    def _rest(self) -> Iterable[Any]:
        """What is still to be added at the end."""
        return ()

    def cancel(self) -> None:
        """Stop watching: the next result is the last one."""
        if not self._ended:
            self._finish()
            self._output.close()

    def _next(self, autoreset: bool = True) -> Any:
        item = self.get()
        if autoreset and item is not self.END:
            self.reset()
        return item

    def __iter__(self) -> Iterator[Any]:
        while (item := self._next()) is not self.END:
            yield item

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (item := await self) is not self.END:
            self.reset()
            yield item


class JobOutputEventWatch(_OutputFuture):
    """The events of a job's output log, and the exceptions of the job."""

    def _items(self, event: Any) -> Iterable[Any]:
        return (event,)

    def get_event(self, autoreset: bool = True) -> Any:
        """The next event (OutputEvent, LogEvent, ...), None at the end."""
        return self._next(autoreset)


class _TextFuture(_OutputFuture):
    """What the chunk and the line watcher have in common: pairs of a stream and text."""

    END = (None, None)

    def __init__(
        self,
        flux_handle: Handle,
        jobid: int | str,
        labelio: bool = False,
        log_stderr_level: int = LOG_TRACE,
        nowait: bool = False,
    ) -> None:
        self.log_stderr_level = log_stderr_level
        super().__init__(flux_handle, jobid, labelio, nowait)


class JobOutputWatch(_TextFuture):
    """A job's output in chunks."""

    def _items(self, event: Any) -> Iterable[tuple[str, str]]:
        found = _text(event, self.log_stderr_level)
        return () if found is None else (found,)

    def get_output(self) -> tuple[str, str] | tuple[None, None]:
        """The next chunk as (stream, text), stream being stdout, stderr or log; (None, None) at the end."""
        return self._next()  # type: ignore[no-any-return]


class JobOutputWatchLines(_TextFuture):
    """A job's output in whole lines; ``keepends`` keeps their newlines."""

    def __init__(
        self,
        flux_handle: Handle,
        jobid: int | str,
        labelio: bool = False,
        log_stderr_level: int = LOG_TRACE,
        nowait: bool = False,
        keepends: bool = False,
    ) -> None:
        self.keepends = keepends
        self._label = labelio
        self._partial: dict[tuple[str, str], list[str]] = {}
        super().__init__(flux_handle, jobid, False, log_stderr_level, nowait)

    def _items(self, event: Any) -> Iterable[tuple[str, str]]:
        if not isinstance(event, OutputEvent):
            found = _text(event, self.log_stderr_level)
            return () if found is None else [self._line(found[0], "", found[1].removesuffix("\n") + "\n")]
        rank = str(event.rank)
        key = event.stream, rank
        lines = _newline_split(event.data or "")
        if lines:
            lines[0] = "".join(self._partial.pop(key, ())) + lines[0]
            if not lines[-1].endswith("\n") and not event.eof:
                self._partial.setdefault(key, []).append(lines.pop())
        elif event.eof and key in self._partial:
            lines = ["".join(self._partial.pop(key))]
        return [self._line(event.stream, rank, line) for line in lines]

    def _line(self, stream: str, rank: str, line: str) -> tuple[str, str]:
        text = line if self.keepends else line.removesuffix("\n")
        return stream, f"{rank}: {text}" if self._label and rank else text

    def _rest(self) -> Iterable[tuple[str, str]]:
        partial, self._partial = self._partial, {}
        return [self._line(stream, rank, "".join(parts)) for (stream, rank), parts in partial.items()]

    def getline(self) -> tuple[str, str] | tuple[None, None]:
        """The next line as (stream, text), (None, None) at the end."""
        return self._next()  # type: ignore[no-any-return]


def _newline_split(text: str) -> list[str]:
    """Lines with their newlines; other line breaks belong to the data."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _text(event: Any, log_stderr_level: int) -> tuple[str, str] | None:
    """The stream that an event writes to, and what."""
    if isinstance(event, OutputEvent):
        return (event.stream, event.data) if event.data else None
    if isinstance(event, LogEvent):
        return ("stderr" if event.level <= log_stderr_level else "log", event.render() + "\n")
    if isinstance(event, JobExceptionEvent):
        return "stderr", event.render() + "\n"
    return None


def output_event_watch_async(
    flux_handle: Handle, jobid: int | str, labelio: bool = False, nowait: bool = False
) -> JobOutputEventWatch:
    """Follow the output of a job event by event; with ``nowait`` only what is there now."""
    return JobOutputEventWatch(flux_handle, jobid, labelio, nowait)


def output_watch_async(
    flux_handle: Handle,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
) -> JobOutputWatch:
    """Follow the output of a job in chunks. Shell messages up to ``log_stderr_level`` count as stderr."""
    return JobOutputWatch(flux_handle, jobid, labelio, log_stderr_level, nowait)


def output_watch_lines_async(
    flux_handle: Handle,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
    keepends: bool = False,
) -> JobOutputWatchLines:
    """Follow the output of a job line by line."""
    return JobOutputWatchLines(flux_handle, jobid, labelio, log_stderr_level, nowait, keepends)


def output_event_watch(
    flux_handle: Handle, jobid: int | str, labelio: bool = False, nowait: bool = False
) -> Iterator[Any]:
    """Yield what :func:`output_event_watch_async` finds."""
    yield from output_event_watch_async(flux_handle, jobid, labelio, nowait)


def output_watch(
    flux_handle: Handle,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
) -> Iterator[tuple[str, str]]:
    """Yield what :func:`output_watch_async` finds."""
    yield from output_watch_async(flux_handle, jobid, labelio, log_stderr_level, nowait)


def output_watch_lines(
    flux_handle: Handle,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = LOG_TRACE,
    nowait: bool = False,
    keepends: bool = False,
) -> Iterator[tuple[str, str]]:
    """Yield what :func:`output_watch_lines_async` finds."""
    yield from output_watch_lines_async(flux_handle, jobid, labelio, log_stderr_level, nowait, keepends)


def job_output(
    flux_handle: Handle,
    jobid: int | str,
    tasks: str = "*",
    labelio: bool = False,
    nowait: bool = False,
    log_stderr_level: int = LOG_TRACE,
) -> JobOutput:
    """Block until a job's output is complete, and return that of the ranks ``tasks`` (idset text).

    With ``nowait`` return what is there now. Raises FileNotFoundError for an unknown job (or, with
    ``nowait``, one without output yet), and JobException for a job that ended by an exception before it had
    output.
    """
    wanted = Taskset(tasks)
    parts: dict[str, list[str]] = {"stdout": [], "stderr": [], "log": []}
    exception: JobExceptionEvent | None = None
    started = False
    try:
        for event in JobOutputEventWatch(flux_handle, JobID(jobid), labelio, nowait):
            if isinstance(event, JobExceptionEvent):
                if event.severity == 0 and exception is None:
                    exception = event
                continue
            started = True
            found = _text(event, log_stderr_level)
            if found is None or (isinstance(event, OutputEvent) and not event.rank.intersect(wanted)):
                continue
            parts[found[0]].append(found[1])
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.EIO):
            raise
        if nowait:
            text = f"job {JobID(jobid)} does not exist or output not ready"
            raise FileNotFoundError(errno.ENOENT, text) from None
        if exception is None:
            raise
        raise JobException(exception) from exc
    if not started and exception is not None:
        raise JobException(exception)
    return JobOutput(*("".join(parts[name]) for name in ("stdout", "stderr", "log")))
