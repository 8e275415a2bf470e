# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: one job of a user and name at a time (``.dependency-singleton``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.modules.job_manager.job import job_name
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job

    Key = tuple[int, str]

_SINGLETON = "singleton"


class DependencySingleton(Plugin):
    """The active jobs of each user and name, and those of them that wait for the others."""

    name = ".dependency-singleton"

    def start(self) -> None:
        #: Of those counted or checked: a job may be renamed later.
        self._keys: dict[int, Key] = {}
        self._named: dict[Key, set[int]] = {}
        self._waiting: dict[Key, dict[int, None]] = {}

    @callback("job.new")
    def new(self, job: Job) -> None:
        """Count *job* among those of its user and name."""
        key = self._key(job)
        if key is not None:
            self._named.setdefault(key, set()).add(job.id)

    @callback("job.dependency.singleton")
    def check(self, job: Job, _dependency: dict[str, Any]) -> None:
        """Let *job* wait while there are others of its name."""
        key = self._key(job)
        if key is None:
            raise Reject("singleton jobs require a job name")
        if _SINGLETON in (job.satisfied or ()):
            return
        named = self._named.get(key, ())
        if len(named) == (job.id in named):  # also when the others ended while nobody looked
            self.dependency_remove(job, _SINGLETON)
            return
        self.dependency_add(job, _SINGLETON)
        self._waiting.setdefault(key, {})[job.id] = None
        if job.id in named:
            self._release_oldest(key)  # after a restart all of them may wait

    @callback("job.destroy")
    def gone(self, job: Job) -> None:
        """*job* was refused or is over: the next may go."""
        key = self._keys.pop(job.id, None)
        if key is None:
            return
        ids = self._named.get(key, set())
        ids.discard(job.id)
        self._waiting.get(key, {}).pop(job.id, None)
        self._release_oldest(key)
        if not ids:
            self._named.pop(key, None)

    @callback("plugin.query")
    def query(self) -> dict[str, Any]:
        """``USERID:NAME`` of active jobs: how many these are, and which of them wait."""
        return {
            f"{userid}:{name}": {"count": len(ids), "singletons": [*self._waiting.get((userid, name), ())]}
            for (userid, name), ids in self._named.items()
        }

    def _key(self, job: Job) -> Key | None:
        name = job_name(job.jobspec)
        return None if name is None else self._keys.setdefault(job.id, (job.userid, name))

    def _release_oldest(self, key: Key) -> None:
        waiting = self._waiting.get(key, {})
        if waiting and len(waiting) == len(self._named.get(key, ())):
            oldest = next(iter(waiting))
            del waiting[oldest]
            job = self.manager.active.get(oldest)
            if job is not None:
                self.dependency_remove(job, _SINGLETON)
        if not waiting:
            self._waiting.pop(key, None)
