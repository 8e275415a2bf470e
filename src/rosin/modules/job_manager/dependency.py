# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: dependencies between jobs, and on time.

Schemes: ``after``/``afterstart``, ``afterany``, ``afterok``, ``afternotok``, ``afterexcept`` (JOBID),
``begin-time`` (seconds since the epoch) and ``singleton`` (one job of a user and name at a time). A job's
dependencies are checked when it is submitted, and again after a restart, when what was satisfied stays so.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_RESULT_COMPLETED, FLUX_JOB_STATE_DEPEND
from rosin.errors import FormatError
from rosin.modules.job_manager.job import job_name, system_attribute
from rosin.rfc import fluid

if TYPE_CHECKING:
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.manager import Manager
    from rosin.modules.job_manager.port import Timer

#: Scheme -> what its description in the eventlog begins with.
_AFTER = {
    "after": "after-start",
    "afterstart": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
    "afterexcept": "after-except",
}
#: Begin-times are before the year 9999, the last that calendars can show.
_MAX_BEGIN = 253_370_764_800.0
_SCHEMES = (
    "it takes afterok, afternotok, afterany, afterstart, afterexcept, begin-time or singleton,"
    " as in --dependency=afterok:JOBID"
)
#: Seconds after which a begin-time is compared with the wall clock again.
_LOOK_AGAIN = 60.0
_DEPRECATED = "dependency scheme 'after' is deprecated, use 'afterstart'"


class Check:
    """What the dependencies of one job come to: ``add`` to wait for, ``met``, and ``warnings``."""

    __slots__ = ("add", "after", "begin", "met", "singleton", "warnings")

    def __init__(self) -> None:
        self.add: list[str] = []
        self.met: list[str] = []
        self.warnings: list[str] = []
        self.after: list[tuple[int, str]] = []
        self.begin: list[tuple[float, str]] = []
        self.singleton = False


class Dependencies:
    """Who waits for what. Times are kept with the port's timers."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self._dependents: dict[int, list[tuple[int, str]]] = {}
        self._timers: dict[int, dict[str, Timer]] = {}
        self._named: dict[tuple[int, str], int] = {}
        self._singletons: dict[tuple[int, str], dict[int, None]] = {}
        self._keys: dict[int, tuple[int, str]] = {}

    # -- checking -----------------------------------------------------------------------------------

    def check(self, job: Job) -> Check:
        """Look at the dependencies of *job*; raises OSError EINVAL when one is impossible."""
        check = Check()
        dependencies = system_attribute(job.jobspec, "dependencies") or ()
        if not isinstance(dependencies, list | tuple):
            raise _refused("dependencies: expected an array")
        for item in dependencies:
            scheme, value = _scheme_value(item)
            if scheme in _AFTER:
                self._check_after(job, check, scheme, value)
            elif scheme == "begin-time":
                self._check_begin(check, value)
            elif scheme == "singleton":
                self._check_singleton(job, check)
            else:
                raise _refused(f'dependency scheme "{scheme}" not supported: {_SCHEMES}')
        return check

    def _check_after(self, job: Job, check: Check, scheme: str, value: str) -> None:
        try:
            id = fluid.parse(value)
        except FormatError:
            raise _refused(f'dependency: {scheme}: "{value}" is not a valid jobid') from None
        description = f"{_AFTER[scheme]}={value}"
        if scheme == "after":
            check.warnings.append(_DEPRECATED)
        if description in check.add or description in check.met:
            return
        target = self.manager.active.get(id) or self.manager.inactive.get(id)
        if target is None or id == job.id:
            raise _refused(f"dependency: {scheme}: id {value}: job not found")
        if job.userid != target.userid:
            raise _refused(f"{scheme}: Permission denied for job {value}")
        if id in self.manager.active:
            if description.startswith("after-start") and target.started:
                check.met.append(description)
            else:
                check.add.append(description)
                check.after.append((id, description))
            return
        self._check_over(scheme, self.manager.inactive[id], value)
        check.met.append(description)

    def _check_over(self, scheme: str, target: InactiveJob, shown: str) -> None:
        """Refuse what a job that is over can no longer satisfy."""
        if scheme == "afterany":
            return
        completed = target.result == FLUX_JOB_RESULT_COMPLETED
        if not target.allocated or (_AFTER[scheme] == "after-start" and not target.started):
            raise _refused(f"dependency: after: {shown} never started")
        if scheme == "afterok" and not completed:
            raise _refused(f"dependency: afterok: job {shown} failed or was canceled")
        if scheme == "afternotok" and completed:
            raise _refused(f"dependency: afternotok: job {shown} succeeded")
        if scheme == "afterexcept" and not target.excepted:
            raise _refused(f"dependency: afterexcept: job {shown}: no exception")

    def _check_begin(self, check: Check, value: str) -> None:
        try:
            begin = float(value)
        except ValueError:
            begin = -1.0
        if not 0 <= begin < _MAX_BEGIN:
            raise _refused(f"Invalid begin-time={value}")
        description = f"begin-time={begin:.3f}"
        if description not in check.add:
            check.add.append(description)
            check.begin.append((begin, description))

    def _check_singleton(self, job: Job, check: Check) -> None:
        name = job_name(job.jobspec)
        if name is None:
            raise _refused("singleton jobs require a job name")
        others = self._named.get((job.userid, name), 0) - (job.id in self._keys)
        if others and not check.singleton:
            check.add.append("singleton")
            check.singleton = True

    # -- a job's life -------------------------------------------------------------------------------

    def admit(self, job: Job, check: Check) -> None:
        """Post what *check* found and wait for it. *job* is in NEW, or in DEPEND after a restart."""
        manager = self.manager
        for text in check.warnings:
            if not job.satisfied and not job.dependencies:
                context = {"type": "dependency", "severity": 3, "note": text, "userid": manager.owner}
                manager.post(job, "exception", context)
        for description in check.add + check.met:
            known = (job.dependencies or ()), (job.satisfied or ())
            if description not in known[0] and description not in known[1]:
                manager.post(job, "dependency-add", {"description": description})
        for id, description in check.after:
            if not job.satisfied or description not in job.satisfied:
                self._dependents.setdefault(id, []).append((job.id, description))
        self.track(job)
        if check.singleton and not (job.satisfied and "singleton" in job.satisfied):
            self._singletons.setdefault(self._keys[job.id], {})[job.id] = None
        for begin, description in check.begin:
            self._begin(job, begin, description)
        for description in check.met:
            self.remove(job, description)

    def track(self, job: Job) -> None:
        """Count *job* among those of its user and name."""
        name = job_name(job.jobspec)
        if name is not None and job.id not in self._keys:
            key = self._keys[job.id] = (job.userid, name)
            self._named[key] = self._named.get(key, 0) + 1

    def readmit(self, job: Job) -> None:
        """Check the dependencies of *job* again after a restart; one that has become impossible is fatal."""
        try:
            check = self.check(job)
        except OSError as error:
            self.manager.except_(job, "dependency", 0, error.strerror or "")
            return
        self.admit(job, check)
        for description in sorted(job.dependencies or ()):
            if description not in check.add and description not in check.met:  # satisfied while we were away
                self.remove(job, description)

    def settle(self) -> None:
        """After all jobs were readmitted: let a singleton go where all jobs of its name wait."""
        for key, waiting in list(self._singletons.items()):
            self._release_oldest(key, waiting)

    def shut_down(self) -> None:
        """The service ends: wait for nothing any more."""
        for timers in self._timers.values():
            for timer in timers.values():
                timer.cancel()
        self._timers.clear()

    def _begin(self, job: Job, begin: float, description: str) -> None:
        delay = begin - self.manager.port.now()
        if delay <= 0:
            self.remove(job, description)
            return

        def reached() -> None:
            if begin > self.manager.port.now():  # a timer may be early, or the clock may have been set back
                self._begin(job, begin, description)
            else:
                self.remove(job, description)

        # The wall clock may be set at any time, which no timer notices: look again now and then.
        timer = self.manager.port.later(min(delay, _LOOK_AGAIN), reached)
        self._timers.setdefault(job.id, {})[description] = timer

    def remove(self, job: Job, description: str) -> None:
        """The dependency *description* of *job* is satisfied."""
        if job.dependencies and description in job.dependencies and job.state <= FLUX_JOB_STATE_DEPEND:
            self.manager.post(job, "dependency-remove", {"description": description})

    def started(self, job: Job) -> None:
        """*job* has started."""
        waiting = self._dependents.get(job.id)
        if waiting is None:
            return
        kept = []
        for id, description in waiting:
            if description.startswith("after-start="):
                self._satisfy(id, description)
            else:
                kept.append((id, description))
        if kept:
            self._dependents[job.id] = kept
        else:
            del self._dependents[job.id]

    def _satisfy(self, id: int, description: str) -> None:
        job = self.manager.active.get(id)
        if job is not None:
            self.remove(job, description)

    def inactive(self, job: Job) -> None:
        """*job* is over: those that wait for it go on, or never will."""
        for timer in self._timers.pop(job.id, {}).values():
            timer.cancel()
        for id, description in self._dependents.pop(job.id, ()):
            reason = self._unsatisfied(job, description)
            dependent = self.manager.active.get(id)
            if reason is None:
                self._satisfy(id, description)
            elif dependent is not None and dependent.state <= FLUX_JOB_STATE_DEPEND:
                self.manager.except_(dependent, "dependency", 0, f"dependency {description} {reason}")
        key = self._keys.pop(job.id, None)
        if key is not None:
            self._release_singleton(job, key)

    def _unsatisfied(self, job: Job, description: str) -> str | None:
        kind = description.partition("=")[0]
        if kind == "after-finish":
            return None
        if not job.allocated or kind == "after-start":
            return "job never started"
        completed = job.result() == FLUX_JOB_RESULT_COMPLETED
        excepted = job.end_event is None or job.end_event[0] == "exception"
        met = {"after-success": completed, "after-failure": not completed, "after-except": excepted}[kind]
        return None if met else "can never be satisfied"

    def _release_singleton(self, job: Job, key: tuple[int, str]) -> None:
        self._named[key] -= 1
        waiting = self._singletons.get(key)
        if waiting is not None:
            waiting.pop(job.id, None)
            self._release_oldest(key, waiting)
        if not self._named[key]:
            del self._named[key]

    def _release_oldest(self, key: tuple[int, str], waiting: dict[int, None]) -> None:
        if waiting and self._named[key] == len(waiting):
            oldest = next(iter(waiting))
            del waiting[oldest]
            self._satisfy(oldest, "singleton")
        if not waiting:
            self._singletons.pop(key, None)


def _scheme_value(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict) or not isinstance(item.get("scheme"), str):
        raise _refused("dependencies: each must be an object with a string 'scheme'")
    value = item.get("value")
    if not isinstance(value, str):
        raise _refused(f"dependency {item['scheme']}: the 'value' must be a string")
    return item["scheme"], value


def _refused(text: str) -> OSError:
    return OSError(errno.EINVAL, text)
