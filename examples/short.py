# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job manager plugin: among jobs of the same urgency those with a short time limit come first.

rosin start sh -c 'rosin jobtap load $PWD/examples/short.py && rosin submit -t 30s hostname'
"""

from rosin.modules.job_manager.plugins import Job, Plugin, callback

SHORT = 60.0  # seconds


class Short(Plugin):
    @callback("job.state.priority", "job.priority.get")
    def priority(self, job: Job) -> int | None:
        if job.urgency in (0, 31):  # held, expedited
            return None
        duration = job.jobspec["attributes"]["system"].get("duration", 0)
        return 10 * job.urgency + (5 if 0 < duration <= SHORT else 0)
