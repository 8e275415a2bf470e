# SPDX-License-Identifier: LGPL-3.0-or-later
"""How far jobs have come: the state of one, and a progress bar of many."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from flux.progress import ProgressBar
from rosin.job.info import JobInfo
from rosin.job.info_values import PROGRESS

if TYPE_CHECKING:
    from rosin.handle.flux import Flux

__all__ = ["JobProgressBar", "JobStatus"]

_COUNTS = "PD:{pending:<{width}} R:{running:<{width}} CD:{complete:<{width}} F:{failed:<{width}} "


class JobStatus:
    """A job in a word: ``status`` is pending, running, complete or failed; ``exitcode`` is 0 until it failed.

    Raises ValueError for what is no JobInfo.
    """

    def __init__(self, job: JobInfo) -> None:
        if not isinstance(job, JobInfo):
            raise ValueError("JobStatus requires an object of type JobInfo")
        self.id = job.id
        self.status = PROGRESS[job.status]
        self.exitcode = job.returncode if self.status == "failed" else 0
        self._events: Counter[str] = Counter()

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("running", "pending")

    def add_event(self, name: str) -> None:
        """Count an event."""
        self._events[name] += 1

    def event_count(self, name: str) -> int:
        """How often an event was counted."""
        return self._events[name]

    def has_event(self, name: str) -> bool:
        """Whether it was counted at all."""
        return self._events[name] > 0


class JobProgressBar(ProgressBar):
    """A progress bar of jobs, which :meth:`process_event` moves.

    Args:
        flux_handle: whose reactor draws it every ``update_interval`` seconds.
        starttime: since when it counts, in seconds since the epoch; by default since the first submission.
        jps: show jobs per second instead of the time.
        counter_width: how many digits a count takes.

    ``jobs`` are the :class:`JobStatus` by id; ``pending``, ``running``, ``complete`` and ``failed`` how many
    there are.
    """

    def __init__(
        self,
        flux_handle: Flux,
        starttime: float | None = None,
        jps: bool = False,
        counter_width: int = 3,
        update_interval: float = 0.25,
    ) -> None:
        super().__init__(
            total=0,
            before=_COUNTS,
            after=f"{{percent:5.1f}}% {'{jps:4.1f} job/s' if jps else '{elapsed.dt}'}",
            width=counter_width,
            pending=0,
            running=0,
            complete=0,
            failed=0,
            jps=0,
        )
        self.jobs: dict[int, JobStatus] = {}
        self.starttime = starttime
        self.status: Counter[str] = Counter()
        self.timer = flux_handle.timer_watcher_create(0, lambda *_: self.redraw(), update_interval)
        self._over: set[int] = set()

    def start(self) -> JobProgressBar:
        """Begin to draw; what is shown keeps the reactor running, not the display."""
        if not self._running:
            self.timer.start()
            self.timer.unref()
            super().start()
            self._t0 = self._t0 if self.starttime is None else self.starttime
        return self

    def stop(self) -> None:
        self.timer.stop()
        super().stop()

    def update(self, advance: int = 0, **kwargs: Any) -> None:
        """Draw with the current counts."""
        super().update(advance, **kwargs)

    def advance(self, **kwargs: Any) -> None:
        """One more job is done with; keyword arguments are values for the formats."""
        self.update(1, **kwargs)

    def add_job(self, job: JobInfo) -> None:
        """Follow a job. Raises ValueError for what is no JobInfo, and for a job that is followed already."""
        if not isinstance(job, JobInfo):
            raise ValueError("add_job takes an argument of type JobInfo")
        if job.id in self.jobs:
            raise ValueError(f"job {job.id} is already being monitored")
        self._t0 = job.t_submit if self._t0 is None else min(self._t0, job.t_submit)
        status = self.jobs[job.id] = JobStatus(job)
        self.total += 1
        self._count(status.status, 1)
        self.update()

    def add_jobs(self, *jobs: JobInfo) -> None:
        """Follow several jobs."""
        for job in jobs:
            self.add_job(job)

    def jobs_per_sec(self) -> float:
        """How many jobs are done with in a second."""
        return (self.count + 1) / max(time.time() - (self._t0 or 0.0), 1e-6)

    def _count(self, status: str, by: int) -> None:
        self.kwargs[status] += by

    def _move(self, job: JobStatus, status: str) -> None:
        if job.active:
            self._count(job.status, -1)
            self._count(status, 1)
            job.status = status

    def process_event(self, jobid: int, event: Any = None) -> None:
        """Take an event of a job's log; None when there will be no more. Raises KeyError."""
        job = self.jobs[jobid]
        if event is None:
            if jobid not in self._over:
                self._over.add(jobid)
                self.advance(jps=self.jobs_per_sec())
        elif event.name == "alloc" and job.status == "pending":
            self._move(job, "running")
        elif event.name == "exception" and event.context["severity"] == 0 and job.status == "pending":
            self._move(job, "failed")
        elif event.name == "finish":
            job.exitcode = event.context["status"]
            self._move(job, "complete" if job.exitcode == 0 else "failed")
        self.update()
