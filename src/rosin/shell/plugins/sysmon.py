# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``sysmon`` option: what memory and processors the job has used on each node, in its log.

The figures are the kernel's, of the shell's control group. At ``verbose=2`` they are told as the job runs as
well, every ``sysmon.period``, or with the heartbeat of the instance.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rosin import _size
from rosin.process import cgroup
from rosin.shell.errors import ShellError
from rosin.shell.log import NOTICE
from rosin.shell.options import parse_duration
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.handle.reactor import Timer
    from rosin.rfc.message import Message

_PULSE = "heartbeat.pulse"
_TRACE = 2


class Sysmon(ShellPlugin):
    """Looks at the group when the tasks start and when the shell ends."""

    name = "sysmon"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._period: float | None = None
        value = shell.info.options.get("sysmon.period")
        if value is not None:
            self._period = parse_duration(value)
            if not self._period:
                raise ShellError(
                    f"shell option sysmon.period={value} is not a valid FSD: expected a duration, as in 5s"
                )
        self._wanted = shell.info.options.get("sysmon") not in (None, 0)
        self._group: cgroup.Cgroup | None = None
        self._memory = False
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None
        self._timer: Timer | None = None

    def shell_init(self) -> None:
        if not self._wanted:
            return
        log = self.shell.log
        try:
            self._group = cgroup.own()
        except OSError:
            log.warn("incompatible cgroup configuration (disabled)", self.name)
            return
        self._memory = self._group.has("memory.peak", "memory.current")
        if not self._memory:
            log.warn("no memory.peak/memory.current (disabled)", self.name)
        if self._usage() is None:
            log.warn("no cpu.stat (disabled)", self.name)

    def _usage(self) -> tuple[float, int] | None:
        """The time, and the microseconds of processor time used so far."""
        used = None if self._group is None else self._group.count("cpu.stat", "usage_usec")
        return None if used is None else (time.monotonic(), used)

    def shell_start(self) -> None:
        self._first = self._last = self._usage()
        if self._group is None or self.shell.log.verbose < _TRACE:
            return
        if self._period is not None:
            self._timer = self.shell.h.reactor.timer(self._period, self._poll, repeat=self._period)
        else:
            self.shell.h.on_event(_PULSE, self._pulse)
            self.shell.h.event_subscribe(_PULSE)

    def _pulse(self, _msg: Message) -> None:
        self._poll()

    def _poll(self) -> None:
        log = self.shell.log
        if self._memory:
            log.trace(f"memory.current={self._size('memory.current')}", self.name)
        usage = self._usage()
        if usage is not None and self._last is not None:
            log.trace(f"loadavg={load(self._last, usage):.2f}", self.name)
            self._last = usage

    def _size(self, name: str) -> str:
        number = None if self._group is None else self._group.number(name)
        return "unknown" if number is None else _size.encode(number)

    def shell_exit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        log = self.shell.log
        if self._memory:
            log.message(NOTICE, f"memory.peak={self._size('memory.peak')}", self.name)
        usage = self._usage()
        if usage is not None and self._first is not None:
            log.message(NOTICE, f"loadavg-overall={load(self._first, usage):.2f}", self.name)


def load(before: tuple[float, int], after: tuple[float, int]) -> float:
    """How many processors were busy between two looks, on average."""
    seconds = after[0] - before[0]
    return 1e-6 * (after[1] - before[1]) / seconds if seconds > 0 else 0.0
