# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: dependencies on the start and on the end of other jobs of the same user (``.dependency-after``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_RESULT_COMPLETED, FLUX_JOB_STATE_DEPEND
from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback
from rosin.rfc.dependency import jobid

if TYPE_CHECKING:
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job

#: Scheme -> what its description in the eventlog begins with.
_AFTER = {
    "after": "after-start",
    "afterstart": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
    "afterexcept": "after-except",
}
_DEPRECATED = "dependency scheme 'after' is deprecated, use 'afterstart'"


class DependencyAfter(Plugin):
    """Who waits for which job."""

    name = ".dependency-after"

    def start(self) -> None:
        #: Job id: (id, description) of those that wait for it.
        self._dependents: dict[int, list[tuple[int, str]]] = {}
        #: Job id: those that it waits for.
        self._targets: dict[int, list[int]] = {}

    @callback(*(f"job.dependency.{scheme}" for scheme in _AFTER))
    def check(self, job: Job, dependency: dict[str, Any]) -> None:
        """Refuse what is impossible, let *job* wait for the rest."""
        scheme, value = dependency["scheme"], dependency["value"]
        try:
            id = jobid(dependency)
        except FormatError as error:
            raise Reject(str(error)) from None
        description = f"{_AFTER[scheme]}={value}"
        if description in (job.satisfied or ()) or (job.id, description) in self._dependents.get(id, ()):
            return
        active, over = self.manager.active.get(id), self.manager.inactive.get(id)
        target = active or over
        if target is None or id == job.id:
            raise Reject(f"dependency: {scheme}: id {value}: job not found")
        if job.userid != target.userid:
            raise Reject(f"{scheme}: Permission denied for job {value}")
        if over is not None:
            _check_over(scheme, over, value)
        if scheme == "after" and description not in (job.dependencies or ()):
            self._warn(job)
        self.dependency_add(job, description)
        if active is None or (active.started and _AFTER[scheme] == "after-start"):
            self.dependency_remove(job, description)
        else:
            self._wait(job, active, description)

    def _warn(self, job: Job) -> None:
        context = {"type": "dependency", "severity": 3, "note": _DEPRECATED, "userid": self.manager.owner}
        self.post(job, "exception", context)

    def _wait(self, job: Job, target: Job, description: str) -> None:
        self._dependents.setdefault(target.id, []).append((job.id, description))
        self._targets.setdefault(job.id, []).append(target.id)
        if description.startswith("after-start="):
            self.subscribe(target)

    @callback("job.event.start")
    def started(self, job: Job, _entry: dict[str, Any]) -> None:
        """*job* has started."""
        kept = []
        for id, description in self._dependents.pop(job.id, ()):
            if description.startswith("after-start="):
                self._satisfy(id, description)
            else:
                kept.append((id, description))
        if kept:
            self._dependents[job.id] = kept

    @callback("job.inactive-add")
    def ended(self, job: Job) -> None:
        """*job* is over: those that wait for it go on, or never will."""
        for id, description in self._dependents.pop(job.id, ()):
            reason = _unsatisfied(job, description)
            dependent = self.manager.active.get(id)
            if reason is None:
                self._satisfy(id, description)
            elif dependent is not None and dependent.state <= FLUX_JOB_STATE_DEPEND:
                self.raise_exception(dependent, "dependency", 0, f"dependency {description} {reason}")

    @callback("job.destroy")
    def gone(self, job: Job) -> None:
        """*job* waits for nothing any more."""
        for target in self._targets.pop(job.id, ()):
            waiting = [item for item in self._dependents.get(target, ()) if item[0] != job.id]
            if waiting:
                self._dependents[target] = waiting
            else:
                self._dependents.pop(target, None)

    @callback("plugin.query")
    def query(self) -> dict[str, Any]:
        """Who (``depid``) waits for whom (``id``), under flux-core's keys."""
        return {
            "dependencies": [
                {
                    "id": target,
                    "depid": id,
                    "type": description.partition("=")[0],
                    "description": description,
                }
                for target, waiting in self._dependents.items()
                for id, description in waiting
            ]
        }

    def _satisfy(self, id: int, description: str) -> None:
        job = self.manager.active.get(id)
        if job is not None:
            self.dependency_remove(job, description)


def _check_over(scheme: str, target: InactiveJob, shown: str) -> None:
    """Refuse what a job that is over can no longer satisfy."""
    if scheme == "afterany":
        return
    completed = target.result == FLUX_JOB_RESULT_COMPLETED
    if not target.allocated or (_AFTER[scheme] == "after-start" and not target.started):
        raise Reject(f"dependency: after: {shown} never started")
    if scheme == "afterok" and not completed:
        raise Reject(f"dependency: afterok: job {shown} failed or was canceled")
    if scheme == "afternotok" and completed:
        raise Reject(f"dependency: afternotok: job {shown} succeeded")
    if scheme == "afterexcept" and not target.excepted:
        raise Reject(f"dependency: afterexcept: job {shown}: no exception")


def _unsatisfied(job: Job, description: str) -> str | None:
    """Why the end of *job* does not satisfy *description*; None when it does."""
    kind = description.partition("=")[0]
    if kind == "after-finish":
        return None
    if not job.allocated or kind == "after-start":
        return "job never started"
    completed = job.result() == FLUX_JOB_RESULT_COMPLETED
    excepted = job.end_event is None or job.end_event[0] == "exception"
    met = {"after-success": completed, "after-failure": not completed, "after-except": excepted}[kind]
    return None if met else "can never be satisfied"
