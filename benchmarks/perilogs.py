# SPDX-License-Identifier: LGPL-3.0-or-later
"""A plugin of the job manager with which each job has a prolog and an epilog that take some time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.job_manager.plugins.api import Plugin, callback

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job

#: Seconds that they take, and of which user's jobs one fails.
PROLOG, EPILOG = 0.7, 0.3
FAILS = 1002


class Perilogs(Plugin):
    """Mock prologs and epilogs."""

    @callback("job.state.run")
    def run(self, job: Job) -> None:
        """Resources are there: the job waits for its prolog."""
        self.prolog_start(job, "mock")
        self.later(PROLOG, lambda: self.prolog_over(job))

    def prolog_over(self, job: Job) -> None:
        """It is over, also if the job is to end."""
        try:
            job = self.lookup(job.id)
        except OSError:
            return
        if job.userid == FAILS:
            self.raise_exception(job, "prolog", 0, "mock prolog failed")
        self.prolog_finish(job, "mock", 256 if job.userid == FAILS else 0)

    @callback("job.state.cleanup")
    def cleanup(self, job: Job) -> None:
        """A job that had resources keeps them until its epilog is over."""
        if job.R is not None:
            self.epilog_start(job, "mock")
            self.later(EPILOG, lambda: self.epilog_over(job))

    def epilog_over(self, job: Job) -> None:
        """It is over."""
        self.epilog_finish(job, "mock")
