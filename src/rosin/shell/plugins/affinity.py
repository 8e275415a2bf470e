# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``cpu-affinity`` and ``gpu-affinity`` options: tasks are bound to what their job has of the node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.rfc.idset import Idset
from rosin.shell import affinity
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.shell.task import Task


class CpuAffinity(ShellPlugin):
    """Binds this shell to the job's cores, and each task to its own share, if it has one."""

    name = "cpu-affinity"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._option = affinity.CpuOption(shell.info.options.string("cpu-affinity", "on"))
        self._per_task: list[frozenset[int]] | None = None
        self._before: set[int] | None = None

    def shell_post_init(self) -> None:
        option, log = self._option, self.shell.log
        if option.mode == "off" or not hasattr(os, "sched_setaffinity"):
            return
        cores = self.shell.info.node.cores
        table = affinity.topology()
        cpus = affinity.cpus_of(cores, table)
        if cpus is None:
            log.warn(f"unable to get cpuset for cores {cores}. Disabling affinity", self.name)
            return
        tasks = self.shell.info.local_tasks
        per_task = option.per_task([table[core] for core in cores], max(1, len(tasks)))
        if option.verbose or option.dry_run:
            log.notice(f"cpus: {affinity.format_cpus(cpus)}", self.name)
            for rank, share in zip(tasks, per_task or (), strict=False):
                log.notice(f"task {rank}: cpus: {affinity.format_cpus(share)}", self.name)
        if option.dry_run:
            return
        self._per_task = per_task
        try:
            if cpus != os.sched_getaffinity(0):
                os.sched_setaffinity(0, cpus)
        except OSError as error:
            raise ShellError(f"cannot bind to cpus {affinity.format_cpus(cpus)}: {error.strerror}") from None

    def task_exec(self, task: Task) -> None:
        if not self._per_task:
            return
        cpus = self._per_task[task.localid]
        self._before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, cpus)
        except (OSError, OverflowError, ValueError):
            wanted, usable = Idset(cpus).encode(), Idset(self._before).encode()
            raise ShellError(
                f"cpu-affinity: cpus {wanted} are none of the job's, which are {usable}"
            ) from None

    def task_fork(self, task: Task) -> None:
        if self._before is not None:
            os.sched_setaffinity(0, self._before)


class GpuAffinity(ShellPlugin):
    """Sets ``CUDA_VISIBLE_DEVICES``."""

    name = "gpu-affinity"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._per_task: list[str] | None = None

    def shell_post_init(self) -> None:
        info, env = self.shell.info, self.shell.environment
        mode = info.options.string("gpu-affinity", "on")
        if mode == "off":
            return
        ntasks = max(1, len(info.local_tasks))
        everyone, self._per_task = affinity.gpu_environment(mode, info.node.gpus, ntasks)
        env["CUDA_VISIBLE_DEVICES"] = everyone
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

    def task_init(self, task: Task) -> None:
        if self._per_task is not None:
            task.env["CUDA_VISIBLE_DEVICES"] = self._per_task[task.localid]
