# SPDX-License-Identifier: LGPL-3.0-or-later
"""Mock execution: a job that only lets time pass (flux-core's testexec), for tests and simulations (pure).

Chosen by ``attributes.system.exec.test`` in the jobspec:

- ``run_duration`` (FSD): how long the job "runs"; by default its duration, or no time at all
- ``wait_status`` (int): its wait status
- ``mock_exception``: ``init`` or ``run``, where to fail
- ``override`` (int): start and finish only when told by ``job-exec.override``
- ``reattach_finish`` (int): after a restart, finish at once
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.job_exec.actions import Arm, Disarm
from rosin.rfc import fsd
from rosin.rfc.exec_eventlog import is_recoverable
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from rosin.modules.job_exec.job import ExecJob, JobHistory
    from rosin.rfc.idset import Idset


class MockConfig:
    """The ``test`` object, checked."""

    __slots__ = ("mock_exception", "override", "reattach_finish", "run_duration", "wait_status")

    def __init__(self, test: Any, duration: Any) -> None:
        """``duration`` is the jobspec's. Raises FormatError."""
        text = field(test, "run_duration", str, None)
        self.run_duration = _seconds(duration) if text is None else fsd.parse(text)
        self.wait_status = int_field(test, "wait_status", -(2**31), 2**31 - 1, 0)
        self.mock_exception = field(test, "mock_exception", str, "")
        self.override = bool(field(test, "override", (int, bool), 0))
        self.reattach_finish = bool(field(test, "reattach_finish", (int, bool), 0))


def _seconds(duration: Any) -> float:
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return -1.0
    return float(duration)


class MockExec:
    """The backend: a timer in place of shells. Duration 0 runs until it is killed."""

    name = "testexec"

    def __init__(self, job: ExecJob, config: MockConfig) -> None:
        self.job = job
        self.config = config

    def prepare(self) -> None:
        job = self.job
        if job.multiuser and not job.config.allow_guests:
            job.fatal("guests may not use test exec implementation")
        elif self.config.mock_exception == "init":
            job.fatal("mock initialization exception generated")
        else:
            job.post("starting")
            if not self.config.override:
                job.post("recoverable")

    def launch(self, now: float) -> None:
        if not self.config.override:
            self._run(now, self.config.run_duration)
        if self.config.mock_exception == "run":
            self.job.fatal("mock run exception generated")

    def reattach(self, now: float, history: JobHistory) -> None:
        if not is_recoverable(history.exec_events):
            self.job.started = False
            self.job.fatal("job is not recoverable: no recoverable event")
            return
        left = 0.0
        if not self.config.reattach_finish:
            left = (history.start_time or now) + self.config.run_duration - now
            if self.config.run_duration == 0:
                left = 0.0
        self._run(now, left if left > 0 else -1.0)

    def _run(self, now: float, duration: float) -> None:
        if duration != 0:
            self.job.actions.append(Arm("run", max(0.0, duration)))
        self.job.running_now(now)

    def timer(self, name: str, now: float) -> None:
        if name == "run":
            self.job.complete(self.config.wait_status)

    def kill(self, signum: int) -> None:
        self.job.actions.append(Disarm("run"))
        if self.job.started:
            self.job.complete(signum)

    def active(self) -> Idset | None:
        return None

    def stats(self) -> dict[str, Any]:
        return {}

    def override(self, event: str, status: int, now: float) -> None:
        """``job-exec.override``. Raises OSError (EINVAL) when the event does not fit."""
        if not self.config.override:
            raise OSError(errno.EINVAL, "Job not in exec override mode")
        if event == "start":
            if self.job.running:
                raise OSError(errno.EINVAL, "Job already running")
            if not self.job.started:
                raise OSError(errno.EINVAL, "Job not started")
            self._run(now, self.config.run_duration)
            self.job.post("recoverable")
        elif event == "finish":
            if not self.job.running:
                raise OSError(errno.EINVAL, "Job not running")
            self.job.actions.append(Disarm("run"))
            self.job.complete(status)
        else:
            raise OSError(errno.EINVAL, "Invalid event")


def mock_config(system: Any) -> MockConfig | None:
    """The mock settings of a jobspec's ``attributes.system``, None for a real job. Raises FormatError."""
    execution = system.get("exec") if isinstance(system, dict) else None
    test = execution.get("test") if isinstance(execution, dict) else None
    if test is None:
        return None
    if not isinstance(test, dict):
        raise FormatError("attributes.system.exec.test is not an object")
    return MockConfig(test, system.get("duration"))
