# SPDX-License-Identifier: LGPL-3.0-or-later
"""The journal of the job manager, played into the index and the counts (RFC 21, RFC 43).

At the start the journal sends its history, job by job in no particular order, then an empty response with id
-1, then events as they happen.
"""

from __future__ import annotations

from typing import Any

from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_NEW, FLUX_JOBID_ANY
from rosin.errors import FormatError
from rosin.job.table.attributes import POSITION, RESULT, Row, recalled_row
from rosin.job.table.index import JobIndex
from rosin.job.table.record import ActiveJob
from rosin.job.table.stats import Stats
from rosin.rfc.payload import field

_QUEUE = POSITION["queue"]


class JobTable:
    """What is known of all jobs. ``ready`` is set when the history is complete."""

    def __init__(self) -> None:
        self.index = JobIndex()
        self.stats = Stats()
        self.ready = False
        self._backlog: list[ActiveJob] = []

    def process(self, response: dict[str, Any]) -> ActiveJob | None:
        """Take one response of the journal; returns the job that changed.

        Raises FormatError, after the other events of the response were taken, if an event breaks RFC 21.
        """
        jobid = field(response, "id", int)
        events = field(response, "events", list)
        if jobid == FLUX_JOBID_ANY and "rows" in response:
            self._recall(field(response, "rows", list))
            return None
        if jobid == FLUX_JOBID_ANY:
            self.index.retire_backlog(self._backlog)
            self._backlog = []
            self.ready = True
            return None
        job = self._find(jobid, response)
        if job is None:
            return None
        fault: FormatError | None = None
        for event in events:
            try:
                if not self._apply(job, event):
                    return None
            except FormatError as error:
                fault = error
        if fault is not None:
            raise fault
        return job

    def _recall(self, rows: list[Any]) -> None:
        """Take the rows of jobs that were over before."""
        for values in rows:
            row = recalled_row(values)
            self.index.recall(row)
            self.stats.move((FLUX_JOB_STATE_NEW, None), (FLUX_JOB_STATE_INACTIVE, row[_QUEUE]), row[RESULT])

    def _find(self, jobid: int, response: dict[str, Any]) -> ActiveJob | None:
        job = self.index.jobs.get(jobid)
        if job is None:
            events = response["events"]
            if not events or events[0].get("name") != "submit":
                raise FormatError(f"journal: job {jobid} has events but none is its submit event")
            job = ActiveJob(jobid)
            self.index.add(job)
        if not isinstance(job, ActiveJob):
            return None  # nothing that happens after the clean event is listed
        if job.jobspec is None:
            job.jobspec = field(response, "jobspec", dict, None)
        if job.R is None:
            job.R = field(response, "R", dict, None)
        return job

    def _apply(self, job: ActiveJob, event: dict[str, Any]) -> bool:
        """Take one event; False if the job is gone."""
        name = field(event, "name", str)
        if name == "invalidate":
            self.index.drop(job)
            return False
        before = job.state, job.queue
        job.apply(name, field(event, "timestamp", float), field(event, "context", dict, {}))
        if job.state == FLUX_JOB_STATE_INACTIVE:
            if before[0] == FLUX_JOB_STATE_INACTIVE:
                return True
            self.stats.move(before, (job.state, job.queue), job.result())
            if self.ready:
                self.index.retire(job)
            else:
                self._backlog.append(job)
        else:
            self.stats.move(before, (job.state, job.queue))
        return True

    def purge(self, jobids: list[int]) -> int:
        """Forget inactive jobs; returns how many there were."""
        count = 0
        for jobid in jobids:
            row: Row | None = self.index.purge(jobid)
            if row is not None:
                self.stats.purge(row[_QUEUE], row[RESULT])
                count += 1
        return count
