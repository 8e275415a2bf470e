# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the server answers, for type checkers; docs/reference/rest.md says what the members mean."""

from __future__ import annotations

from typing import Any, TypedDict


class JobRecord(TypedDict, total=False):
    """A job; with ``fields`` only some members are there."""

    id: str
    id_dec: str
    name: str | None
    user: str
    userid: int
    state: str
    result: str | None
    status: str
    urgency: int
    priority: int | None
    queue: str | None
    project: str | None
    bank: str | None
    cwd: str | None
    ntasks: int | None
    ncores: int | None
    nnodes: int | None
    ranks: str | None
    nodelist: str | None
    duration: float | None
    expiration: float | None
    t_submit: float | None
    t_depend: float | None
    t_priority: float | None
    t_sched: float | None
    t_run: float | None
    t_cleanup: float | None
    t_inactive: float | None
    runtime: float | None
    success: bool | None
    waitstatus: int | None
    returncode: int | None
    ending: str | None
    exception: dict[str, Any] | None
    annotations: dict[str, Any] | None
    dependencies: list[str] | None


class JobDetail(JobRecord, total=False):
    """A job with its jobspec and resources."""

    command: list[str] | None
    environment: dict[str, str] | None
    script: str | None
    gpus: int | None
    jobspec: dict[str, Any] | None
    R: dict[str, Any] | None


class Page(TypedDict):
    """Some jobs."""

    items: list[JobRecord]
    next: str | None
    total: int
    counts: dict[str, int] | None
    position: str


class NewJob(TypedDict):
    """A job that was submitted."""

    id: str
    id_dec: str


class Check(TypedDict):
    """What a submission would be."""

    ok: bool
    command_line: str
    argv: list[str]
    jobspec: dict[str, Any] | None
    errors: list[dict[str, str]]
    warnings: list[str]


class Reasons(TypedDict):
    """What a job waits for."""

    id: str
    state: str
    reasons: list[dict[str, Any]]
    sentences: list[str]
    ahead: int | None
    t_estimate: float | None


class OutputLine(TypedDict):
    """A line of output."""

    n: int
    line: int
    stream: str
    rank: str
    time: float
    text: str
    cut: bool
    open: bool


class OutputLines(TypedDict):
    """A range of lines."""

    items: list[OutputLine]
    start: int
    total: int
    complete: bool


class Done(TypedDict):
    """What was done to a job."""

    id: str
    action: str
    result: dict[str, Any]


class Item(TypedDict):
    """What became of one of many."""

    id: str | None
    status: int
    result: dict[str, Any] | None
    problem: dict[str, Any] | None


class Items(TypedDict):
    """What became of each of many."""

    items: list[Item]
    done: int
    failed: int


class Happening(TypedDict, total=False):
    """A line of the event stream."""

    event: str
    position: str
    data: dict[str, Any]
