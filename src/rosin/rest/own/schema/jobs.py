# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``/rosin/v1`` answers about jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from rosin.rest.own.schema.base import Model
from rosin.rest.own.schema.requests import JobRequest


class JobException(Model):
    """The gravest exception of a job (RFC 21)."""

    type: str | None
    severity: int | None
    note: str | None


class Job(Model):
    """A job in a listing; null is what it does not have, or not yet. ``fields`` leaves some of it out."""

    id: str = Field(description="F58 (RFC 19)", examples=["ƒ2oLkTLb"])
    id_dec: str = Field("", description="the same in decimal")
    name: str | None = None
    user: str = Field("", description="name of its user, or the number of one without")
    userid: int = 0
    state: str = Field("", description="NEW DEPEND PRIORITY SCHED RUN CLEANUP INACTIVE")
    result: str | None = Field(None, description="COMPLETED FAILED CANCELED TIMEOUT, once it is over")
    status: str = Field("", description="the result if there is one, else the state")
    urgency: int = Field(16, description="0 (held) to 31 (RFC 30)")
    priority: int | None = None
    queue: str | None = None
    project: str | None = None
    bank: str | None = None
    cwd: str | None = None
    ntasks: int | None = None
    ncores: int | None = None
    nnodes: int | None = None
    ngpus: int | None = Field(None, description="as the scheduler tells, once it has some")
    ranks: str | None = Field(None, description="an idset (RFC 22)")
    nodelist: str | None = Field(None, description="a hostlist (RFC 29)")
    duration: float | None = Field(None, description="time limit in seconds")
    expiration: float | None = Field(None, description="when the limit ends; this and t_* are UNIX times")
    t_submit: float | None = None
    t_depend: float | None = None
    t_priority: float | None = None
    t_sched: float | None = None
    t_run: float | None = None
    t_cleanup: float | None = None
    t_inactive: float | None = None
    runtime: float | None = Field(None, description="seconds from t_run to t_cleanup, once they are known")
    success: bool | None = None
    waitstatus: int | None = None
    returncode: int | None = Field(None, description="exit code; -N for signal N, -128 if it never ran")
    ending: str | None = Field(None, description="the wait status in words", examples=["Exit 2"])
    exception: JobException | None = None
    annotations: dict[str, Any] | None = None
    dependencies: list[str] | None = Field(None, description="what it waits for still")


class JobPage(Model):
    """Some jobs."""

    items: list[Job]
    next: str | None = Field(description="the `cursor` of the page after this one; null on the last")
    total: int = Field(description="how many jobs there are, on all pages")
    counts: dict[str, int] | None = Field(
        description="numbers of jobs by state and by result that match everything but `state`"
    )
    position: str = Field(description="`since` for /rosin/v1/events: what has happened after this listing")


class JobDetail(Job):
    """A job with its jobspec and resources."""

    command: list[str] | None = Field(None, description="the words of its command")
    environment: dict[str, Any] | None = Field(None, description="its variables, where the jobspec has them")
    script: str | None = Field(None, description="text of a batch script")
    gpus: int | None = Field(None, description="GPUs that it has, once it has some")
    jobspec: dict[str, Any] | None = Field(None, description="RFC 14, with updates")
    R: dict[str, Any] | None = Field(None, description="RFC 20")


class JobAsked(Model):
    """The request that makes a job like this one."""

    request: JobRequest = Field(description="for POST /rosin/v1/jobs; only what would not be so by itself")
    exact: bool = Field(description="whether it makes the very same jobspec")


class TimelineEvent(Model):
    """An event of one of a job's logs (RFC 18)."""

    log: str = Field(description="job (RFC 21), exec (RFC 50), or input and output (RFC 24)")
    timestamp: float
    name: str
    context: dict[str, Any]


class Timeline(Model):
    """The event logs of a job, by time."""

    items: list[TimelineEvent]
    complete: bool = Field(description="whether all of input and output that was asked for is there")


class JobWhy(Model):
    """What a job waits for."""

    id: str
    state: str
    reasons: list[dict[str, Any]] = Field(description="each with its `kind`")
    sentences: list[str] = Field(description="the same in words; empty when nothing is amiss")
    ahead: int | None = Field(description="jobs that the scheduler looks at first")
    t_estimate: float | None = Field(description="expected start")


class Line(Model):
    """A line of output."""

    n: int = Field(description="its number, from 0, among the lines that were asked for")
    line: int = Field(description="its number among all lines")
    stream: str = Field(description="stdout, stderr, log or redirect")
    rank: str = Field(description="of the task; an idset for what several have written")
    time: float
    text: str = Field(description="without its newline; bytes that are not UTF-8 are replaced")
    cut: bool = Field(description="whether the text is only the line's beginning")
    open: bool = Field(description="whether its newline is still to come")


class Lines(Model):
    """A range of a job's output."""

    items: list[Line]
    start: int
    total: int = Field(description="lines that match, until now")
    complete: bool = Field(description="whether there will be no more")


class JobSubmitted(Model):
    """A job was submitted."""

    id: str
    id_dec: str


class Acted(Model):
    """What was done to a job."""

    id: str
    action: str
    result: dict[str, Any] = Field(description="such as `old_urgency`")


class ItemProblem(Model):
    """Why one of many could not be done (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


class ActedItem(Model):
    """What became of one of many."""

    id: str | None
    status: int = Field(description="as if it had been asked for alone")
    result: dict[str, Any] | None = None
    problem: ItemProblem | None = None


class ActedMany(Model):
    """What became of each."""

    items: list[ActedItem]
    done: int
    failed: int


class FieldError(Model):
    """What is wrong with a member of a request."""

    field: str = Field(description="the path of the member; empty for the request as a whole")
    detail: str


class Checked(Model):
    """What a submission would be."""

    ok: bool = Field(description="whether it would be accepted and can ever run")
    command_line: str = Field(description="the same for a shell", examples=["rosin submit -n2 hostname"])
    argv: list[str]
    jobspec: dict[str, Any] | None
    errors: list[FieldError]
    warnings: list[str]
