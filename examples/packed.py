# SPDX-License-Identifier: LGPL-3.0-or-later
"""A scheduler: fills nodes up before it takes others, and leaves free GPUs to the jobs that ask for some.

rosin start sh -c 'rosin module remove sched-simple && rosin module load $PWD/examples/packed.py &&
rosin submit --cc=1-3 --wait hostname'
"""

from rosin.modules.sched import Policy, Portion, ResourceRequest, Scheduler


class Packing(Policy):
    def place(self, request: ResourceRequest, portions: list[Portion]) -> list[Portion]:
        return sorted(portions, key=lambda free: (0 if request.gpus else free.gpus, free.cores))


class Packed(Scheduler):
    name = "sched-packed"
    policy = Packing
