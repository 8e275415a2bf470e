# SPDX-License-Identifier: LGPL-3.0-or-later
"""Numbers of jobs by state and result (``job-list.job-stats``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from rosin.handle.future import Future
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


class JobStats:
    """Counts of jobs, as of the last update (-1 before it).

    Attributes: by state ``depend priority sched run cleanup inactive total``; sums of them ``pending running
    active``; by result ``successful failed timeout canceled`` (``failed`` includes the other two);
    ``inactive_purged``. ``queue``: one queue, or several that are added up, instead of all jobs.
    """

    #: The names of the counts.
    states = ("depend", "priority", "sched", "run", "cleanup", "inactive", "total")
    stats = ("successful", "failed", "timeout", "canceled", "inactive_purged")
    derived_stats = ("pending", "running", "active")

    depend: int
    priority: int
    sched: int
    run: int
    cleanup: int
    inactive: int
    total: int
    successful: int
    failed: int
    timeout: int
    canceled: int
    inactive_purged: int
    pending: int
    running: int
    active: int

    def __init__(self, handle: Handle, queue: str | Iterable[str] | None = None) -> None:
        self.handle = handle
        self.queues = [] if queue is None else [queue] if isinstance(queue, str) else list(queue)
        for name in (*self.states, *self.stats, *self.derived_stats):
            setattr(self, name, -1)

    def _take(self, response: dict[str, Any]) -> None:
        parts = [response]
        if self.queues:
            known = {entry["name"]: entry for entry in response["queues"]}
            missing = [name for name in self.queues if name not in known]
            if missing:
                raise ValueError(f"no stats available for queue {missing[0]}")
            parts = [known[name] for name in self.queues]
        for name in self.states:
            setattr(self, name, sum(part["job_states"][name] for part in parts))
        for name in self.stats:
            setattr(self, name, sum(part[name] for part in parts))
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        self.active = self.total - self.inactive
        self.failed += self.timeout + self.canceled

    def _query(self) -> RPC:
        return self.handle.rpc("job-list.job-stats", {})

    def update(self, callback: Callable[..., Any] | None = None, **kwargs: Any) -> Future:
        """Ask for new counts; ``callback(self, **kwargs)`` is called when they are here."""

        def arrived(future: Future) -> None:
            self._take(future.get())
            if callback is not None:
                callback(self, **kwargs)

        return self._query().then(arrived)

    def update_sync(self) -> Self:
        """Ask for new counts and wait for them. Returns self."""
        self._take(self._query().get())
        return self
