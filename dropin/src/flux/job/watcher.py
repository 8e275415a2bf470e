# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.watcher: output and progress of jobs, as ``flux submit --watch --progress`` shows them."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Self

from flux._elsewhere import elsewhere
from flux.job.bar import JobProgressBar, JobStatus
from rosin.cli.progress import Progress
from rosin.cli.watcher import JobWatcher as _Watcher
from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.handle.flux import Flux
    from rosin.job.info import JobInfo

    Output = Callable[[JobID, str, str], Any]

__all__ = ["JobProgressBar", "JobStatus", "JobWatcher"]

__getattr__ = elsewhere(__name__)


class _Callback(io.RawIOBase):
    """A stream whose text goes to a function."""

    def __init__(self, output: Output, jobid: JobID, stream: str) -> None:
        self._output, self._jobid, self._stream = output, jobid, stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        for line in bytes(data).decode(errors="surrogateescape").splitlines(keepends=True):
            self._output(self._jobid, self._stream, line)
        return len(data)


class JobWatcher:
    """Watches jobs from the reactor of a handle; ``exitcode`` is the largest of those that have ended.

    Args:
        jobs: JobInfo objects to begin with.
        progress: draw a progress bar between :meth:`start` and :meth:`stop`; ``jps``: with jobs per second.
        wait: the event at which a job is watched no more.
        watch: print the jobs' output; ``labelio``: with job id and rank before each line.
        log_events, log_status: print events, or how jobs end, on ``stderr``.
        stdout, stderr: text streams of files.
        starttime: since when the bar counts, in seconds since the epoch.
        output_callback: called with job id, ``stdout`` or ``stderr``, and a line, instead of printing it.
    """

    class JobWatchStatus(JobStatus):
        """A JobStatus that knows where output goes."""

        def __init__(self, job: JobInfo, stdout: Any, stderr: Any, wait: str = "clean") -> None:
            super().__init__(job)
            self.stdout = stdout
            self.stderr = stderr
            self.wait = wait

    def __init__(
        self,
        flux_handle: Flux,
        jobs: Iterable[JobInfo] | None = None,
        progress: bool = False,
        jps: bool = False,
        wait: str = "clean",
        watch: bool = True,
        log_events: bool = False,
        log_status: bool = False,
        stdout: Any = None,
        stderr: Any = None,
        labelio: bool = False,
        starttime: float | None = None,
        output_callback: Output | None = None,
    ) -> None:
        self.flux_handle = flux_handle
        self.wait = wait
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        self.output_callback = output_callback
        self._bar = (jps, starttime) if progress else None
        self._total = 0
        self._watcher = _Watcher(flux_handle, lambda: None, watch, labelio, log_events, log_status)
        self.add_jobs(*(jobs or ()))

    @property
    def exitcode(self) -> int:
        """The largest exit code of the jobs that have ended."""
        return self._watcher.exitcode

    def start(self) -> Self:
        """Draw the progress bar, if there is one."""
        if self._bar is not None and self._watcher.progress is None:
            jps, started = self._bar
            bar = Progress(self.flux_handle.reactor, self._total, jps, started)
            bar.pending = len(self._watcher.jobs)
            bar.count = self._total - bar.pending
            self._watcher.progress = bar
        return self

    def stop(self) -> Self:
        """Leave the progress bar as it is."""
        self._watcher.flush()
        if self._watcher.progress is not None:
            self._watcher.progress.stop()
            self._watcher.progress = None
        return self

    def add_jobs(self, *jobs: JobInfo, stdout: Any = None, stderr: Any = None, wait: str = "clean") -> Self:
        """Watch jobs, with streams of their own. Raises ValueError for what is no JobInfo."""
        for job in jobs:
            self._add(JobStatus(job).id, stdout, stderr, wait)
        return self

    def add_jobid(
        self, jobid: int | str, stdout: Any = None, stderr: Any = None, wait: str = "clean"
    ) -> None:
        """Watch the job with an id."""
        self._add(JobID(jobid), stdout, stderr, wait)

    def _add(self, jobid: JobID, stdout: Any, stderr: Any, wait: str) -> None:
        out, err = _binary(stdout or self.stdout), _binary(stderr or self.stderr)
        if self.output_callback is not None:
            out, err = (_Callback(self.output_callback, jobid, name) for name in ("stdout", "stderr"))
        self._total += 1
        if self._watcher.progress is not None:
            self._watcher.progress.total += 1
        self._watcher.add(jobid, out, err, wait)


def _binary(stream: Any) -> Any:
    """The bytes below a text stream, which is flushed first."""
    stream.flush()
    return getattr(stream, "buffer", stream)
