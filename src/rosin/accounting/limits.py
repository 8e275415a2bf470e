# SPDX-License-Identifier: LGPL-3.0-or-later
"""What an association has of what it may have, and which limit a further job would exceed (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rosin.accounting.rows import Association, QueueAccount

#: What a job waits for, as its dependencies say it.
QUEUE_JOBS = "max-run-jobs-queue"
QUEUE_NODES = "max-resources-queue"
USER_JOBS = "max-running-jobs-user-limit"
USER_RESOURCES = "max-resources-user-limit"
ALL = frozenset((QUEUE_JOBS, QUEUE_NODES, USER_JOBS, USER_RESOURCES))
OF_QUEUES = frozenset((QUEUE_JOBS, QUEUE_NODES))


class JobSize(NamedTuple):
    """What a job asks for; a job that asks for cores alone needs one node."""

    nodes: int
    cores: int
    queue: str | None = None


class Tally:
    """The jobs of an association: ``active`` all of them, ``taken`` those that run or may start."""

    __slots__ = ("active", "cores", "nodes", "taken")

    def __init__(self) -> None:
        self.active: set[int] = set()
        self.taken: dict[int, JobSize] = {}
        self.nodes = self.cores = 0

    def take(self, id: int, demand: JobSize) -> None:
        """The job *id* may start from now on, or asks for something else."""
        self.drop(id)
        self.taken[id] = demand
        self.nodes += demand.nodes
        self.cores += demand.cores

    def drop(self, id: int) -> None:
        """It no longer may."""
        demand = self.taken.pop(id, None)
        if demand is not None:
            self.nodes -= demand.nodes
            self.cores -= demand.cores

    def in_queue(self, queue: str | None) -> tuple[int, int]:
        """The number of jobs in *queue* that may start, and of their nodes."""
        found = [demand.nodes for demand in self.taken.values() if demand.queue == queue]
        return len(found), sum(found)


def obstacle(tally: Tally, user: Association, queue: QueueAccount | None, demand: JobSize) -> str | None:
    """The first limit that a further job would exceed, None if it may start."""
    if queue is not None and (queue.max_running_jobs is not None or queue.max_nodes is not None):
        jobs, nodes = tally.in_queue(demand.queue)
        if _over(jobs + 1, queue.max_running_jobs):
            return QUEUE_JOBS
        if _over(nodes + demand.nodes, queue.max_nodes):
            return QUEUE_NODES
    if _over(len(tally.taken) + 1, user.max_running_jobs):
        return USER_JOBS
    if _over(tally.nodes + demand.nodes, user.max_nodes) or _over(tally.cores + demand.cores, user.max_cores):
        return USER_RESOURCES
    return None


def first_limit(user: Association, queue: QueueAccount | None) -> str | None:
    """The first limit that there is at all."""
    if queue is not None and queue.max_running_jobs is not None:
        return QUEUE_JOBS
    if queue is not None and queue.max_nodes is not None:
        return QUEUE_NODES
    if user.max_running_jobs is not None:
        return USER_JOBS
    return USER_RESOURCES if (user.max_nodes, user.max_cores) != (None, None) else None


def too_large(user: Association, queue: QueueAccount | None, demand: JobSize) -> str | None:
    """Why a job could never start; None if it could."""
    if queue is not None and _over(demand.nodes, queue.max_nodes):
        return (
            f"job size ({demand.nodes} node(s)) is greater than max resources limit configured for queue "
            f"({queue.max_nodes} node(s))"
        )
    if _over(demand.nodes, user.max_nodes) or _over(demand.cores, user.max_cores):
        return (
            f"job size ({demand.nodes} node(s), {demand.cores} core(s)) is greater than max resources limits "
            f"configured for association ({_shown(user.max_nodes)} node(s), {_shown(user.max_cores)} core(s))"
        )
    return None


def _over(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def _shown(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)
