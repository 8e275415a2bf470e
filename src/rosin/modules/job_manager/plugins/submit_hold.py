# SPDX-License-Identifier: LGPL-3.0-or-later
"""All jobs are held when they are submitted (``submit-hold.so``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.constants import FLUX_JOB_URGENCY_HOLD
from rosin.modules.job_manager.plugins.api import Plugin, callback

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job


class SubmitHold(Plugin):
    """A job is held once, as whoever lets it go has decided so."""

    name = "submit-hold.so"

    @callback("job.state.depend")
    def hold(self, job: Job) -> None:
        """Hold *job*."""
        if job.urgency != FLUX_JOB_URGENCY_HOLD:
            self.post(job, "urgency", {"userid": self.manager.owner, "urgency": FLUX_JOB_URGENCY_HOLD})
