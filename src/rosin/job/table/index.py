# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: all jobs, in the order in which they are listed.

Pending jobs come by priority, then running ones by start time, newest first, then inactive ones by completion
time, newest first. Nothing here costs more than a sort of what is nearly sorted: the active jobs are put in
order when somebody asks, inactive rows are appended, and purged rows are swept out in bulk.
"""

from __future__ import annotations

import errno
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_PENDING, FLUX_JOB_STATE_RUNNING
from rosin.job.table.attributes import ID, T_INACTIVE, Row
from rosin.job.table.record import ActiveJob

_SWEEP_MIN = 256
EXCESSIVE = "Excessive comparisons made, limit search via states or since"


def _completion(row: Row) -> tuple[float, int]:
    return row[T_INACTIVE], row[ID]


def _limited(rows: Iterator[Row], most: int) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number == most:
            raise OSError(errno.EINVAL, EXCESSIVE)
        yield row


class JobIndex:
    """Jobs by id: a :class:`ActiveJob` while it is active, its row afterwards."""

    def __init__(self) -> None:
        self.jobs: dict[int, ActiveJob | Row] = {}
        self.active: dict[int, ActiveJob] = {}
        self._inactive: list[Row] = []  # ascending, so that a completed job is appended
        self._purged = 0  # rows in _inactive that are no longer in jobs

    def add(self, job: ActiveJob) -> None:
        """Add a job that is not inactive."""
        self.jobs[job.id] = self.active[job.id] = job

    def retire(self, job: ActiveJob) -> Row:
        """Keep only the row of a job that became inactive."""
        row = job.row()
        del self.active[job.id]
        self.jobs[job.id] = row
        if self._inactive and _completion(self._inactive[-1]) > _completion(row):
            insort(self._inactive, row, key=_completion)
        else:
            self._inactive.append(row)
        return row

    def retire_backlog(self, jobs: list[ActiveJob]) -> None:
        """:meth:`retire` many jobs in any order, with one sort."""
        for job in jobs:
            row = job.row()
            del self.active[job.id]
            self.jobs[job.id] = row
            self._inactive.append(row)
        self._inactive.sort(key=_completion)

    def recall(self, row: Row) -> None:
        """Add a job that was over before, in any order; :meth:`retire_backlog` follows."""
        self.jobs[row[ID]] = row
        self._inactive.append(row)

    def drop(self, job: ActiveJob) -> None:
        """Forget an active job, as if it had never been submitted."""
        del self.jobs[job.id]
        del self.active[job.id]

    def purge(self, jobid: int) -> Row | None:
        """Forget an inactive job; returns its row, or None if there is no inactive job with this id."""
        row = self.jobs.get(jobid)
        if not isinstance(row, tuple):
            return None
        del self.jobs[jobid]
        self._purged += 1
        if self._purged > _SWEEP_MIN and self._purged * 2 > len(self._inactive):
            self._inactive = [row for row in self._inactive if row[ID] in self.jobs]
            self._purged = 0
        return row

    def row(self, jobid: int) -> Row | None:
        """The row of one job."""
        job = self.jobs.get(jobid)
        return job.row() if isinstance(job, ActiveJob) else job

    def rows_of(self, ids: Iterable[int]) -> Iterator[Row]:
        """The rows of these jobs, in this order, but for those that are gone."""
        jobs = self.jobs
        for jobid in ids:
            job = jobs.get(jobid)
            if job is not None:
                yield job.row() if isinstance(job, ActiveJob) else job

    def counts(self) -> dict[str, int]:
        """Numbers of jobs, as in ``job-list.stats-get``."""
        running = sum(1 for job in self.active.values() if job.state & FLUX_JOB_STATE_RUNNING)
        pending = sum(1 for job in self.active.values() if job.state & FLUX_JOB_STATE_PENDING)
        return {"pending": pending, "running": running, "inactive": len(self._inactive) - self._purged}

    # -- listing ----------------------------------------------------------------------------------

    def _pending(self) -> list[ActiveJob]:
        jobs = [job for job in self.active.values() if job.state & FLUX_JOB_STATE_PENDING]
        jobs.sort(key=lambda job: (-job.priority, job.id))
        return jobs

    def _running(self) -> list[ActiveJob]:
        jobs = [job for job in self.active.values() if job.state & FLUX_JOB_STATE_RUNNING]
        jobs.sort(key=lambda job: (job.t_run or 0.0, job.id), reverse=True)
        return jobs

    def _completed(self, since: float) -> Iterator[Row]:
        rows = self._inactive
        start = bisect_right(rows, since, key=lambda row: row[T_INACTIVE])
        if self._purged:
            jobs = self.jobs
            return (row for row in reversed(rows[start:]) if row[ID] in jobs)
        return reversed(rows[start:] if start else rows)

    def rows(self, states: int = -1, since: float = 0.0) -> Iterator[Row]:
        """The rows in listing order.

        ``states`` is a mask of states whose jobs may be of interest, the others may be left out. ``since``
        leaves out jobs that became inactive at or before this time.
        """
        parts: list[Iterator[Row]] = []
        if states & FLUX_JOB_STATE_PENDING:
            parts.append(job.row() for job in self._pending())
        if states & FLUX_JOB_STATE_RUNNING:
            parts.append(job.row() for job in self._running())
        if states & FLUX_JOB_STATE_INACTIVE:
            parts.append(self._completed(since))
        return chain.from_iterable(parts)

    def scan(
        self,
        step: int,
        match: Callable[[Row], Any],
        states: int = -1,
        since: float = 0.0,
        max_entries: int = 0,
        max_rows: int = 0,
    ) -> Iterator[list[Row]]:
        """:meth:`select` in steps of so many rows, of a snapshot of all jobs: what each step has found."""
        rows = iter([*self.rows(states, since)])
        left, looked = max_entries or len(self.jobs), 0
        while left:
            chunk = list(islice(rows, min(step, max_rows - looked) if max_rows else step))
            if not chunk:
                if next(rows, None) is not None:
                    raise OSError(errno.EINVAL, EXCESSIVE)
                return
            looked += len(chunk)
            found = list(islice(filter(match, chunk), left))
            left -= len(found)
            yield found

    def select(
        self,
        match: Callable[[Row], Any],
        states: int = -1,
        since: float = 0.0,
        max_entries: int = 0,
        max_rows: int = 0,
    ) -> list[Row]:
        """The first ``max_entries`` rows (0: all) that match, in listing order.

        Raises OSError EINVAL when more than ``max_rows`` rows (0: no limit) would have to be looked at.
        """
        rows = self.rows(states, since)
        if max_rows and len(self.jobs) > max_rows:
            rows = _limited(rows, max_rows)
        rows = filter(match, rows)
        if not max_entries:
            return list(rows)
        selected = []
        for row in rows:
            selected.append(row)
            if len(selected) == max_entries:
                break
        return selected
