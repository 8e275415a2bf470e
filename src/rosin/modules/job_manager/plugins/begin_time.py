# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: jobs that wait for a time (``.begin-time``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback
from rosin.rfc.dependency import begin_time

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import PortTimer

#: Seconds after which a begin-time is compared with the wall clock again.
_LOOK_AGAIN = 60.0


class BeginTime(Plugin):
    """The dependency scheme ``begin-time``."""

    name = ".begin-time"

    def start(self) -> None:
        #: Job id: its timers by description.
        self._waiting: dict[int, dict[str, PortTimer]] = {}

    @callback("job.dependency.begin-time")
    def check(self, job: Job, dependency: dict[str, Any]) -> None:
        """Let *job* wait until then."""
        try:
            begin = begin_time(dependency)
        except FormatError as error:
            raise Reject(str(error)) from None
        description = f"begin-time={begin:.3f}"
        if description not in self._waiting.get(job.id, ()):
            self.dependency_add(job, description)
            self._wait(job, begin, description)

    def _wait(self, job: Job, begin: float, description: str) -> None:
        delay = begin - self.now()
        if delay <= 0:  # a timer may be early, and the clock may have been set back
            self.dependency_remove(job, description)
            return
        # The wall clock may be set at any time, which no timer notices: look again now and then.
        timer = self.later(min(delay, _LOOK_AGAIN), lambda: self._wait(job, begin, description))
        self._waiting.setdefault(job.id, {})[description] = timer

    @callback("job.destroy")
    def gone(self, job: Job) -> None:
        """*job* waits for nothing any more."""
        for timer in self._waiting.pop(job.id, {}).values():
            self.cancel(timer)
