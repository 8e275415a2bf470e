# SPDX-License-Identifier: LGPL-3.0-or-later
"""Instances: what they are, what they have, and their queues."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rosin.rest.own.schema.base import Model
from rosin.rest.own.schema.jobs import Job

Targets = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Reason = Annotated[str, StringConstraints(max_length=1024)]


class Person(Model):
    """A user."""

    uid: int
    name: str


class InstanceAbout(Model):
    """An instance, and the server before it."""

    version: str = Field(description="of its broker")
    rosin: bool = Field(description="whether its broker is Rosin's; else some answers say less")
    server: str = Field(description="version of the server")
    owner: Person
    user: str | None = Field(description="who asks")
    size: int = Field(description="number of its brokers")
    level: int = Field(description="0 for one that is no job of another")
    jobid: str | None = Field(description="which job of the instance around it this is")
    parent_uri: str | None
    hosts: str | None = Field(description="a hostlist")
    start: float | None = Field(description="when its broker of rank 0 began")
    now: float = Field(description="the server's clock")
    epoch: str = Field(description="changes when events are counted afresh")


class Quantity(Model):
    """How much of something."""

    nodes: int
    cores: int
    gpus: int


class Utilisation(Model):
    """Averages over intervals of time, the last of which ends now."""

    start: float
    step: float = Field(description="seconds of an interval")
    cores: list[float] = Field(description="cores in use")
    nodes: list[float] = Field(description="nodes in use; one that two jobs share counts twice")
    running: list[float] = Field(description="running jobs")
    pending: list[float] = Field(description="jobs that waited")


class WaitingJob(Model):
    """A job that waits."""

    job: Job
    sentences: list[str]
    ahead: int | None
    t_estimate: float | None


class Overview(Model):
    """What goes on."""

    counts: dict[str, int]
    resources: dict[str, Quantity] = Field(description="all, up, down, allocated and free")
    utilisation: Utilisation
    running: list[Job] = Field(description="those that began last")
    waiting: list[WaitingJob] = Field(description="those of the highest priority")
    reasons: dict[str, int] = Field(description="numbers of waiting jobs by state, and of held ones")
    failed: list[Job] = Field(description="those that failed last")


class JobShare(Model):
    """What a job has of a node."""

    id: str
    name: str | None
    user: str
    cores: str = Field(description="an idset")
    gpus: str


class DrainReason(Model):
    """Why a node takes no jobs."""

    reason: str
    timestamp: float


class Node(Model):
    """A broker's node."""

    rank: int
    host: str
    state: str = Field(description="free, busy (some cores), full, down, drained, draining or excluded")
    online: bool
    cores: str = Field(description="an idset")
    gpus: str
    ncores: int
    ngpus: int
    cores_used: int
    gpus_used: int
    properties: list[str]
    jobs: list[JobShare]
    drain: DrainReason | None


class ResourceMap(Model):
    """Nodes and what runs where."""

    all: Quantity
    up: Quantity
    allocated: Quantity
    free: Quantity
    down: Quantity
    total: int = Field(description="nodes that match")
    nodes: list[Node]


class Drain(Model):
    """Nodes that are to take no more jobs."""

    targets: Targets = Field(description="an idset of ranks or a hostlist", examples=["0-3"])
    reason: Reason | None = None
    mode: Literal["update", "overwrite", "force-overwrite"] | None = Field(
        None, description="what becomes of the reasons of drained nodes; without it there must be none"
    )


class Undrain(Model):
    """Nodes that are to take jobs again."""

    targets: Targets
    reason: Reason | None = None
    mode: Literal["force"] | None = Field(None, description="also where some are not drained")


class Drained(Model):
    """What was asked for."""

    targets: str


class QueueLimit(Model):
    """Bounds of jobs in a queue; null is none."""

    duration: float | None
    min: Quantity
    max: dict[str, int | None]


class QueueState(Model):
    """A queue."""

    name: str = Field(description="empty for the only one of an instance without named queues")
    default: bool
    enabled: bool = Field(description="whether jobs may be submitted")
    disable_reason: str | None
    started: bool = Field(description="whether jobs are started")
    stop_reason: str | None
    blocked: str | None = Field(description="why nothing starts though it is started: scheduler or parent")
    parent: str | None = Field(description="of a virtual queue")
    requires: list[str]
    duration: float | None = Field(description="the time limit of jobs that have none")
    limits: QueueLimit
    resources: dict[str, Quantity]
    counts: dict[str, int] = Field(description="jobs by state and result")


class Queues(Model):
    """All queues."""

    items: list[QueueState]


class QueueChange(Model):
    """Why a queue is stopped or closed."""

    reason: Reason | None = None
    nocheckpoint: bool = Field(False, description="of stop: only until the instance restarts")


class QueueChanged(Model):
    """The queue as it is now."""

    name: str
    action: str


class Restrictions(Model):
    """Which nodes are meant."""

    host: str = Field("", max_length=4096, description="a hostlist")
    ranks: str = Field("", max_length=4096, description="an idset")
    state: str = Field("", max_length=256, description="free, busy, full, down, drained, draining, excluded")
    property: str = Field("", max_length=256, description="nodes that have all of these")
    limit: int = Field(10_000, ge=0, le=100_000)
