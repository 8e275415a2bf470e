# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``oom`` option: how ready the kernel is to kill tasks when memory runs out (``oom.adjust``).

That it did so is told in the job's log, wherever the shell has a control group that counts memory.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

from rosin import _size
from rosin.process import cgroup
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.shell.task import Task

_EVENTS = "memory.events"
_SCORE = "/proc/self/oom_score_adj"
_LIMIT = 1000


class Oom(ShellPlugin):
    """Watches the shell's control group, and adjusts each task as it starts."""

    name = "oom"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        adjust = shell.info.options.get("oom.adjust")
        if adjust is not None and (type(adjust) is not int or not -_LIMIT <= adjust <= _LIMIT):
            raise ShellError(
                f"shell option oom.adjust={adjust}: expected a number from -{_LIMIT} to {_LIMIT}, as in 500"
            )
        self._adjust: int | None = adjust
        self._group: cgroup.Cgroup | None = None
        self._fd = -1
        self._killed = 0
        self._before: int | None = None
        self._fault: str | None = None

    def shell_init(self) -> None:
        try:
            group = cgroup.own()
            self._fd = os.open(os.path.join(group.path, _EVENTS), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self.shell.log.debug(
                f"disabling oom detection: {error.filename or ''} {error.strerror}", self.name
            )
            return
        self._group = group
        self._killed = self._count()
        # The kernel reports a change as something exceptional, to who has read through this descriptor.
        self.shell.h.reactor.add_fd(self._fd, self._changed, select.POLLPRI)
        self.shell.log.debug(f"monitoring {os.path.join(group.path, _EVENTS)}", self.name)

    def _count(self) -> int:
        return cgroup.find(os.pread(self._fd, 4096, 0).decode("ascii", "replace"), "oom_kill") or 0

    def _changed(self, _events: int) -> None:
        try:
            count = self._count()
        except OSError as error:  # the group was removed
            self.shell.log.error(f"error reading {_EVENTS}: {error.strerror}", self.name)
            self._stop()
            return
        new, self._killed = count - self._killed, max(count, self._killed)
        if new <= 0 or self._group is None:
            return
        tasks = "task" if new == 1 else "tasks"
        log = self.shell.log
        log.error(f"Memory cgroup out of memory: killed {new} {tasks} on {socket.gethostname()}.", self.name)
        peak = self._group.number("memory.peak")
        if peak is not None:
            log.error(f"memory.peak = {_size.encode(peak)}", self.name)

    def task_exec(self, task: Task) -> None:
        """The task inherits this of the shell: it has it from its first moment on."""
        if self._adjust is not None:
            self._before = _adjustment()
            self._fault = _adjust(self._adjust)

    def task_fork(self, task: Task) -> None:
        """A job does not fail for what cannot be adjusted: less than before takes a privilege."""
        if self._adjust is None or task.child is None:
            return
        change = f"{self._before}->{self._adjust}"
        fault = f": {self._fault}" if self._fault else ""
        self.shell.log.debug(f"pid {task.child.pid} score_adj {change}{fault}", self.name)
        if not self._fault and self._before is not None:
            _adjust(self._before)

    def shell_exit(self) -> None:
        """What came with the tasks' last moments is told, too."""
        if self._fd >= 0:
            self._changed(0)
            self._stop()

    def _stop(self) -> None:
        if self._fd >= 0:
            self.shell.h.reactor.remove_fd(self._fd)
            os.close(self._fd)
            self._fd = -1


def _adjustment() -> int | None:
    """That of this process; None where there is no such thing."""
    try:
        with open(_SCORE, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _adjust(score: int) -> str | None:
    """Set it; returns what is wrong with that."""
    try:
        with open(_SCORE, "w", encoding="ascii") as file:
            file.write(str(score))
    except OSError as error:
        return error.strerror
    return None
