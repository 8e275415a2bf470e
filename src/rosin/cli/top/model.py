# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is shown of an instance: counts of its resources and jobs, and the jobs that run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.cli.base import id_text
from rosin.rfc import fsd
from rosin.rfc.queues import asked_of_nodes
from rosin.rfc.states.table import STATE_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rosin.resource.list import SchedResourceList

#: What is counted, and the name of one in R.
KINDS = {"nodes": "node", "cores": "core", "gpus": "gpu"}

_LETTERS = {bit: letter for bit, _, letter, *_ in STATE_ROWS}


class Facts(NamedTuple):
    """What does not change: times in seconds since the epoch, ``expiration`` 0.0 for none.

    ``own``: the user is the instance owner. ``title`` are the jobs that lead to a nested instance.
    """

    title: str
    size: int
    level: int
    started: float
    version: str
    expiration: float
    own: bool


class ResourceCount(NamedTuple):
    """How many there are, how many of them jobs have, and how many are down."""

    used: int = 0
    down: int = 0
    total: int = 0


class JobLine(NamedTuple):
    """A running job; ``uri`` is where it can be looked into, if it is an instance."""

    id: int
    userid: int
    queue: str
    user: str
    state: str
    ntasks: int
    nnodes: int
    started: float
    name: str
    uri: str | None


class Model:
    """``config`` is the instance's configuration, ``user`` the name of a user id."""

    def __init__(self, facts: Facts, config: dict[str, Any], user: Callable[[int], str], now: float) -> None:
        self.facts = facts
        self.now = now
        self.counts = dict.fromkeys(KINDS, ResourceCount())
        self.details = facts.own
        #: A beat of the heart has just been heard.
        self.heart = False
        #: What went wrong.
        self.message = ""
        self.selected: int | None = None
        self._queues: dict[str, Any] = config.get("queues") or {}
        self._names: list[str | None] = [None, *self._queues]
        self._at = 0
        self._user = user
        self._resources: SchedResourceList | None = None
        self._stats: dict[str, Any] = {}
        self._rows: list[JobLine] = []

    # -- queues ---------------------------------------------------------------------------------------

    @property
    def has_queues(self) -> bool:
        """The instance has queues."""
        return len(self._names) > 1

    @property
    def queue(self) -> str | None:
        """The queue that is shown, None for all."""
        return self._names[self._at]

    def choose_queue(self, name: str) -> None:
        """Show one queue. Raises ValueError when there is none of this name."""
        if name not in self._queues:
            raise ValueError(f"queue {name} not configured")
        self._at = self._names.index(name)

    def turn_queue(self, step: int) -> None:
        """Show the next queue, or the one before; all of them come between the last and the first."""
        self._at = (self._at + step) % len(self._names)
        if self._resources is not None:
            self.take_resources(self._resources)

    # -- what is told ---------------------------------------------------------------------------------

    def take_resources(self, found: SchedResourceList) -> None:
        """Resources, as the scheduler sees them."""
        self._resources = found
        asked = asked_of_nodes(self._queues, self.queue) if self.queue is not None else ()
        if asked:
            found = found.copy_constraint({"properties": list(asked)})
        for name, kind in KINDS.items():
            total = found.all.count(kind)
            used = min(found.allocated.count(kind), total)
            self.counts[name] = ResourceCount(used, found.down.count(kind), total)

    def take_stats(self, stats: dict[str, Any]) -> None:
        """The answer to ``job-list.job-stats``."""
        self._stats = stats

    def take_jobs(self, jobs: list[dict[str, Any]]) -> None:
        """The running jobs, as job-list sends them. One that has never run is none of them."""
        self._rows = [self._row(job) for job in jobs if "t_run" in job]

    def _row(self, job: dict[str, Any]) -> JobLine:
        notes = job.get("annotations") or {}
        user = notes.get("user")
        uri = user.get("uri") if isinstance(user, dict) else None
        return JobLine(
            job["id"],
            job["userid"],
            job.get("queue", ""),
            self._user(job["userid"]),
            _LETTERS.get(job["state"], "?"),
            job["ntasks"],
            job["nnodes"],
            job["t_run"],
            job["name"],
            uri if isinstance(uri, str) else None,
        )

    # -- what is shown --------------------------------------------------------------------------------

    def _of_queue(self) -> dict[str, Any]:
        stats = self._stats
        if self.queue is None:
            return stats
        return next((each for each in stats.get("queues", ()) if each.get("name") == self.queue), {})

    def jobs(self, *states: str) -> int:
        """How many jobs are in one of these states."""
        states_now = self._of_queue().get("job_states", {})
        return sum(states_now.get(state, 0) for state in states)

    def ended(self) -> tuple[int, int]:
        """How many jobs have ended well, and how many have not."""
        stats = self._of_queue()
        return stats.get("successful", 0), sum(stats.get(key, 0) for key in ("failed", "canceled", "timeout"))

    @property
    def rows(self) -> list[JobLine]:
        """The running jobs of the queue."""
        return [row for row in self._rows if self.queue in (None, row.queue)]

    def runtime(self, row: JobLine) -> str:
        """How long a job has been running."""
        return fsd.brief(max(0.0, self.now - row.started))

    def select(self, step: int) -> None:
        """Choose the next job, or the one before; behind the last one comes the first."""
        ids = [row.id for row in self.rows]
        if ids:
            at = ids.index(self.selected) if self.selected in ids else (-1 if step > 0 else 0)
            self.selected = ids[(at + step) % len(ids)]

    def chosen(self) -> JobLine | None:
        """The chosen job, while it runs."""
        return next((row for row in self.rows if row.id == self.selected), None)

    def summary(self) -> list[str]:
        """The numbers of jobs, in words."""
        pending, running = self.jobs("depend", "priority", "sched"), self.jobs("run", "cleanup")
        if not self.details:
            return [f"{pending} pending", f"{running} running", f"{self.jobs('inactive')} inactive"]
        complete, failed = self.ended()
        return [f"{pending} pending", f"{running} running", f"{complete} complete", f"{failed} failed"]

    def lines(self) -> Iterator[str]:
        """All of it as text, for tests."""
        for row in self.rows:
            queue = [row.queue] if self.has_queues else []
            words = (*queue, row.user, row.state, row.ntasks, row.nnodes, self.runtime(row), row.name)
            yield " ".join(map(str, (id_text(row.id), *words)))
        yield from self.summary()
        for name, count in self.counts.items():
            yield f"{name} {count.used}/{count.total}"
