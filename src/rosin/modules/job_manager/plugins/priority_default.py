# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: the priority that an urgency stands for (``.priority-default``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.modules.job_manager.plugins.api import Plugin, callback
from rosin.rfc.urgency import priority

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job


class PriorityDefault(Plugin):
    """Gives each job its urgency; plugins after it have the last word."""

    name = ".priority-default"

    @callback("job.state.priority", "job.priority.get")
    def priority(self, job: Job) -> int:
        """The priority of *job*."""
        return priority(job.urgency)
