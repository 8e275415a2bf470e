# SPDX-License-Identifier: LGPL-3.0-or-later
"""A scheduler: of jobs with the same priority, the one that was submitted last starts first.

rosin start sh -c 'rosin module remove sched-simple && rosin module load $PWD/examples/lifo.py &&
rosin submit --cc=1-3 --wait hostname'
"""

from rosin.modules.sched import PendingJob, Policy, Scheduler


class LastIn(Policy):
    def order(self, job: PendingJob) -> tuple[int, int]:
        return (-job.priority, -job.id)  # the job with the smallest comes first


class Lifo(Scheduler):
    name = "sched-lifo"
    policy = LastIn
