# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: the priority that an urgency stands for (``.priority-default``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_PRIORITY_MIN,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from rosin.modules.job_manager.plugins.api import Plugin, callback

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job


class PriorityDefault(Plugin):
    """Gives each job its urgency; plugins after it have the last word."""

    name = ".priority-default"

    @callback("job.state.priority", "job.priority.get")
    def priority(self, job: Job) -> int:
        """The priority of *job*."""
        if job.urgency == FLUX_JOB_URGENCY_HOLD:
            return FLUX_JOB_PRIORITY_MIN
        if job.urgency == FLUX_JOB_URGENCY_EXPEDITE:
            return FLUX_JOB_PRIORITY_MAX
        return job.urgency
