# SPDX-License-Identifier: LGPL-3.0-or-later
"""Watching many jobs at once: their states, their output, their end (``--wait``, ``--watch``, ``watch``)."""

from __future__ import annotations

import errno
import sys
from typing import IO, TYPE_CHECKING, Any

from rosin import _json
from rosin.cli.base import id_text
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.process.outcome import exit_code
from rosin.rfc.eventlog import parse_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.cli.job.afterwards import Afterwards
    from rosin.cli.progress import Progress
    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

    Event = dict[str, Any]

_LEVELS = ("FATAL", "FATAL", "FATAL", "ERROR", " WARN", "", "DEBUG", "TRACE")


class WatchedJob:
    """A job that is watched. ``stdout`` and ``stderr`` take bytes."""

    __slots__ = (
        *("came", "done", "id", "label", "output", "state", "stderr", "stdout", "streams", "wait"),
        *("afterwards", "over"),
    )

    def __init__(
        self, jobid: int, stdout: IO[bytes], stderr: IO[bytes], wait: str, state: str = "pending"
    ) -> None:
        self.id = jobid
        self.label = id_text(jobid)
        self.stdout = stdout
        self.stderr = stderr
        self.wait = wait
        self.state = state
        self.done = False
        self.came = False  # the event that is waited for
        self.over = False  # it has finished
        self.output = False
        self.afterwards: Afterwards | None = None
        self.streams: dict[str, RPC] = {}


class JobWatcher:
    """Follows jobs until each has had the event it is watched for.

    ``watch``: print their output. ``labelio``: with job id and task rank before each line. ``log_events``,
    ``log_status``: print events, or how jobs end, to standard error. ``finished()`` is called whenever no job
    is left. ``exitcode``: the largest of all jobs so far.
    """

    def __init__(
        self,
        handle: Flux,
        finished: Callable[[], None],
        watch: bool = False,
        labelio: bool = False,
        log_events: bool = False,
        log_status: bool = False,
    ) -> None:
        self.handle = handle
        self.progress: Progress | None = None
        self.exitcode = 0
        self.jobs: dict[int, WatchedJob] = {}
        self._finished = finished
        self._watch = watch
        self._label = labelio
        self._log_events = log_events
        self._log_status = log_status
        self._zero: float | None = None
        self._dirty: dict[IO[bytes], None] = {}
        self._unfinished = False
        #: Feeds the events of many jobs through one request, if there is one.
        self.journal: InstanceEvents | None = None

    def add(
        self, jobid: int, stdout: IO[bytes], stderr: IO[bytes], wait: str = "clean", state: str = "pending"
    ) -> None:
        """Begin to watch a job."""
        job = self.jobs[jobid] = WatchedJob(jobid, stdout, stderr, wait, state)
        if self.progress is not None:
            self._count(state, 1)
        if self.journal is not None:
            self.journal.known(jobid)
        else:
            self.follow(job)

    def follow(self, job: WatchedJob) -> None:
        """Read the log of one job."""
        self._open(job, "eventlog", self._main_event)

    def _open(self, job: WatchedJob, path: str, handler: Callable[[WatchedJob, Event], None]) -> None:
        request = {"id": job.id, "path": path, "flags": 0}
        rpc = self.handle.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
        job.streams[path] = rpc
        rpc.then(self._arrived, job, path, handler)

    def _arrived(
        self, rpc: RPC, job: WatchedJob, path: str, handler: Callable[[WatchedJob, Event], None]
    ) -> None:
        try:
            while rpc.is_ready() and job.streams.get(path) is rpc:
                event = parse_event(rpc.get()["event"])
                rpc.reset()
                handler(job, event)
        except (FormatError, KeyError) as exc:
            rpc.cancel("job-info.eventlog-watch-cancel")
            rpc.abandon()
            lacks = f"error parsing eventlog: an event lacks {exc}"
            self._ended(job, path, lacks if isinstance(exc, KeyError) else str(exc))
        except OSError as exc:
            if isinstance(exc, BrokenPipeError):
                raise
            # The output of a job that never wrote any does not exist.
            missing = exc.errno == errno.ENOENT and path != "eventlog"
            self._ended(job, path, "" if missing or exc.errno == errno.ENODATA else str(exc.strerror))

    def _ended(self, job: WatchedJob, path: str, failure: str) -> None:
        """A log is complete, or cannot be read any further."""
        if failure:
            self._print(job.stderr, f"{job.label}: {path}: {failure}\n")
            self.exitcode = max(self.exitcode, 1)
            job.came = True  # nothing more is to be said
        if path == "eventlog":
            self._end_of_wait(job)
        job.streams.pop(path, None)
        self._closed(job)

    def _close(self, job: WatchedJob, path: str) -> None:
        rpc = job.streams.pop(path, None)
        if rpc is not None:
            rpc.cancel("job-info.eventlog-watch-cancel")
            rpc.abandon()
        self._closed(job)

    def _closed(self, job: WatchedJob) -> None:
        """A log of the job is read no more."""
        if job.afterwards is not None and not job.streams.keys() - {"eventlog"}:
            job.afterwards.release()
        self._check(job)

    def _say(self, job: WatchedJob, message: Callable[[], None]) -> None:
        """Print now, or behind the output that the job wrote before this."""
        if not self._watch or not job.streams.keys() - {"eventlog"}:
            message()
            return
        if job.afterwards is None:
            from rosin.cli.job.afterwards import Afterwards

            job.afterwards = Afterwards(self.handle.reactor, self.flush)
        job.afterwards.add(message, job.over)

    def _check(self, job: WatchedJob) -> None:
        """Forget a job that nothing is open for."""
        if not job.done or job.streams or self.jobs.pop(job.id, None) is None:
            return
        if not job.came and job.state != "failed":
            self._print(job.stderr, f"{job.label}: event '{job.wait}' never received\n")
            self.exitcode = max(self.exitcode, 1)
        if not self.jobs:
            self._finished()

    # -- events -----------------------------------------------------------------------------------

    def deliver(self, jobid: int, event: Event) -> None:
        """Take an event from the journal."""
        job = self.jobs.get(jobid)
        if job is not None and not job.done:
            self._main_event(job, event)

    def _main_event(self, job: WatchedJob, event: Event) -> None:
        name, when, context = event["name"], event["timestamp"], event.get("context") or {}
        if self._zero is None or when < self._zero:
            self._zero = when
        job.over = job.over or name == "finish"
        if self._log_events:
            self._say(job, lambda: self._log(job, when, self._described(name, context)))
        if name == "exception":
            self._exception(job, context)
        elif name == "alloc":
            self._enter(job, "running")
        elif name == "start" and (self._watch or job.wait.startswith("exec.")):
            self._open(job, "guest.exec.eventlog", self._exec_event)
        elif name == "finish":
            self._finish(job, when, context["status"])
        if name in (job.wait, "clean"):
            job.came = job.came or name == job.wait
            self._end_of_wait(job)
            self._close(job, "eventlog")

    def _exception(self, job: WatchedJob, context: dict[str, Any]) -> None:
        if context["severity"] != 0:
            return
        # A job that is never executed has no other status; that of one that is is larger, or 0.
        self.exitcode = max(self.exitcode, 1)
        self._enter(job, "failed")
        text = f"job.exception: type={context['type']} severity=0 {context.get('note', '')}".rstrip()
        self._say(job, lambda: self._print(job.stderr, f"{text}\n"))

    def _finish(self, job: WatchedJob, when: float, status: int) -> None:
        code = exit_code(status)
        self.exitcode = max(self.exitcode, code)
        self._enter(job, "failed" if status else "complete")
        if self._log_status:
            self._say(job, lambda: self._log(job, when, f"{job.state}: status={status}"))

    def _exec_event(self, job: WatchedJob, event: Event) -> None:
        if self._log_events:
            self._log(
                job, event["timestamp"], self._described(f"exec.{event['name']}", event.get("context") or {})
            )
        # The output log exists as soon as the shell runs. To wait for its creation instead is not safe:
        # when the job ends at that moment, flux-core may never answer.
        if self._watch and event["name"] in ("shell.init", "complete") and not job.output:
            job.output = True
            self._open(job, "guest.output", self._output_event)
        if job.wait == f"exec.{event['name']}":
            job.came = True
            self._end_of_wait(job)
            self._close(job, "eventlog")
            self._close(job, "guest.exec.eventlog")
            return
        wanted = (self._watch and not job.output) or (job.wait.startswith("exec.") and not job.done)
        if not wanted and not self._log_events:
            self._close(job, "guest.exec.eventlog")

    def _end_of_wait(self, job: WatchedJob) -> None:
        if not job.done:
            job.done = True
            if self.progress is not None:
                self.progress.count += 1

    def _enter(self, job: WatchedJob, state: str) -> None:
        if job.state in ("pending", "running"):
            if self.progress is not None:
                self._count(job.state, -1)
                self._count(state, 1)
            job.state = state

    def _count(self, state: str, change: int) -> None:
        setattr(self.progress, state, getattr(self.progress, state) + change)

    # -- output -----------------------------------------------------------------------------------

    def _output_event(self, job: WatchedJob, event: Event) -> None:
        context = event.get("context") or {}
        if event["name"] == "data" and "data" in context:
            from rosin.rfc.ioencode import decode_data

            data = decode_data(context).data
            if self._label:
                from rosin.job.labels import labelled

                data = labelled(data, f"{job.label}: {context['rank']}: ".encode())
                # As in flux-core: other jobs write in between, so that nothing could be continued.
                data += b"" if data.endswith(b"\n") else b"\n"
            self._write(job.stdout if context["stream"] == "stdout" else job.stderr, data)
        elif event["name"] == "log":
            level = _LEVELS[context["level"]]
            words = [f"flux-shell[{context.get('rank', 0)}]", level, context.get("component") or ""]
            text = ": ".join([word for word in words if word] + [context["message"]])
            self._print(job.stderr, f"{job.label}: {text}\n" if self._label else f"{text}\n")

    def _described(self, name: str, context: dict[str, Any]) -> str:
        return f"{name} {_json.dumps_sorted(context).decode() if context else ''}"

    def _log(self, job: WatchedJob, when: float, text: str) -> None:
        self._print(job.stderr, f"{job.label}: {when - (self._zero or when):4.3f}s: {text}\n")

    def _print(self, stream: IO[bytes], text: str) -> None:
        self._write(stream, text.encode(errors="surrogateescape"))

    def _write(self, stream: IO[bytes], data: bytes) -> None:
        """Write; streams are flushed, and the progress bar is drawn again, once at the end of this turn."""
        if not self._dirty:
            if self.progress is not None:
                self.progress.hide()
            self.handle.reactor.defer(self.flush)
        if stream is not next(iter(self._dirty), stream):
            for other in self._dirty:
                other.flush()  # keeps what goes to one terminal in order
        self._dirty[stream] = None
        if self.progress is not None and stream.isatty():
            from rosin.cli.terminal import beside_layout

            data = beside_layout(data)
            self._unfinished = not data.endswith(b"\n")
        stream.write(data)

    def flush(self) -> None:
        """Write out what is held back."""
        dirty, self._dirty = self._dirty, {}
        for stream in dirty:
            stream.flush()
        if dirty and self.progress is not None:
            if self._unfinished:
                next(reversed(dirty)).write(b"\n")  # or the bar would be drawn over the text
                self._unfinished = False
            for stream in dirty:
                stream.flush()
            self.progress.show()


class InstanceEvents:
    """The events of all new jobs of the instance through one request (RFC 21, for the instance owner).

    It costs one message per event instead of a watch per job. A user who may not read the journal gets a
    watch per job instead. Ask before the first job is submitted.
    """

    def __init__(self, watcher: JobWatcher) -> None:
        from rosin.job.journal import events_journal

        self._watcher = watcher
        self._early: dict[int, list[Event]] | None = {}
        self._rpc = events_journal(watcher.handle, full=False)
        self._rpc.then(self._arrived)

    def known(self, jobid: int) -> None:
        """A job of ours has this id: deliver its events, those that were faster than its id first."""
        for event in (self._early or {}).pop(jobid, ()):
            self._watcher.deliver(jobid, event)

    def complete(self) -> None:
        """All ids are known: the events of other jobs need not be kept."""
        self._early = None

    def close(self) -> None:
        """End the request."""
        if self._watcher.journal is self:
            self._watcher.journal = None
            self._rpc.cancel("job-manager.events-journal-cancel")
            self._rpc.abandon()

    def _arrived(self, rpc: RPC) -> None:
        jobs = self._watcher.jobs
        try:
            while rpc.is_ready() and self._watcher.journal is self:
                payload = rpc.get()
                rpc.reset()
                jobid = payload["id"]
                if jobid in jobs:
                    for event in payload["events"]:
                        self._watcher.deliver(jobid, event)
                elif self._early is not None and jobid >= 0:
                    self._early.setdefault(jobid, []).extend(payload["events"])
        except OSError as exc:
            if isinstance(exc, BrokenPipeError):
                raise
            self._watcher.journal = None
            for job in list(jobs.values()):
                self._watcher.follow(job)


def binary_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard output and error for bytes."""
    sys.stdout.flush()
    sys.stderr.flush()
    return sys.stdout.buffer, sys.stderr.buffer
