# SPDX-License-Identifier: LGPL-3.0-or-later
"""What requests and answers look like, for OpenAPI and for checking what comes in."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="forbid")


class ProblemModel(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class LegacyError(BaseModel):
    """An error of ``/v1``."""

    detail: Any


class Message(BaseModel):
    """An answer of one sentence."""

    Message: str


class Health(Answer):
    """The server lives."""

    status: str
    version: str


class Ready(Answer):
    """The server can reach its instance."""

    status: str


class About(Answer):
    """What answers here."""

    name: str
    version: str
    documentation: str


class JobSummary(Answer):
    """A job in a table."""

    jobid: str = Field(description="the id in F58")
    id: int = Field(description="the id as a number: may be beyond what JavaScript can hold")
    id_str: str = Field(description="the id in decimal")
    name: str
    user: str
    state: str = Field(description="NEW DEPEND PRIORITY SCHED RUN CLEANUP INACTIVE")
    result: str = Field(description="COMPLETED FAILED CANCELED TIMEOUT, empty before the end")
    status: str = Field(description="the result if there is one, else the state")
    urgency: int
    ntasks: int | None
    ncores: int | None
    nnodes: int | None
    nodelist: str
    queue: str
    duration: float = Field(description="time limit in seconds, 0 for none")
    t_submit: float
    t_run: float | None
    t_cleanup: float | None
    t_inactive: float | None
    returncode: int | None
    exception: str


class JobPage(Answer):
    """Some jobs, newest first."""

    jobs: list[JobSummary]
    total: int = Field(description="how many jobs the instance knows")
    next: str | None = Field(description="the cursor of the page after this one")
    counts: dict[str, int] = Field(description="numbers of jobs by state and result")


class JobDetail(BaseModel):
    """Everything about a job; what it does not have yet is an empty text or 0."""

    model_config = ConfigDict(extra="allow")

    id: int
    jobid: str
    id_str: str
    userid: int
    username: str
    urgency: int
    priority: int | str
    state: str
    state_id: int
    result: str
    result_id: int
    status: str
    name: str
    cwd: str
    ntasks: int | str
    ncores: int | str
    nnodes: int | str
    ranks: str
    nodelist: str
    duration: float
    expiration: float
    runtime: float
    t_submit: float
    t_run: float
    t_cleanup: float
    t_inactive: float
    returncode: int | str
    waitstatus: int | str
    success: bool | str
    exception: dict[str, Any]
    annotations: dict[str, Any]
    dependencies: list[str]


class JobAnswer(Answer):
    """One job."""

    job: JobDetail


class JobRecord(BaseModel):
    """A job as RFC 43 lists it: states and results are numbers."""

    model_config = ConfigDict(extra="allow")

    id: int
    jobid: str
    id_str: str
    userid: int
    state: int


class Submitted(BaseModel):
    """A job was submitted."""

    Message: str
    id: int
    jobid: str
    id_str: str


class Canceled(BaseModel):
    """A job was asked to end; ``id`` as it was given."""

    Message: str
    id: str


class Output(Answer):
    """What a job has written until now, by line."""

    Output: list[str] = Field(description="lines of stdout and stderr in order of arrival")
    stdout: str
    stderr: str
    log: str = Field(description="messages of the job shell")
    complete: bool = Field(description="whether the job has ended, so that there will be no more")


class EventModel(BaseModel):
    """An event of RFC 18."""

    timestamp: float
    name: str
    context: dict[str, Any] = {}


class Events(Answer):
    """The event logs of a job (RFC 21, RFC 50)."""

    eventlog: list[EventModel]
    exec: list[EventModel] = Field(description="events of the job shell")


class Waiting(BaseModel):
    """What a job waits for."""

    model_config = ConfigDict(extra="allow")

    id: int
    state: str
    reasons: list[dict[str, Any]] = Field(description="each with its kind")
    sentences: list[str]
    ahead: int | None = Field(default=None, description="jobs that the scheduler looks at first")
    t_estimate: float | None = Field(default=None, description="expected start, seconds since the epoch")


class Why(Answer):
    """What a job waits for."""

    why: Waiting


class Nodes(Answer):
    """Names of the hosts that are up."""

    nodes: list[str]


class NodeState(Answer):
    """One node."""

    rank: int
    host: str
    state: str = Field(description="free, busy (some cores), full or down")
    cores: int
    cores_used: int
    gpus: int
    gpus_used: int


class Amount(Answer):
    """How much of something."""

    nodes: int
    cores: int
    gpus: int


class Resources(Answer):
    """What the scheduler has."""

    all: Amount
    up: Amount
    allocated: Amount
    free: Amount
    down: Amount
    nodes: list[NodeState]


class AccessToken(Answer):
    """A bearer token."""

    access_token: str
    token_type: str


class Submission(BaseModel):
    """A job to be run."""

    model_config = ConfigDict(extra="forbid")

    command: str | list[str] = Field(
        description="words; a text is split as a shell would, without running one"
    )
    shell: bool = Field(False, description="run the text of the command with /bin/sh -c")
    name: str | None = Field(None, max_length=256)
    num_tasks: int | None = Field(None, ge=1, le=1 << 20)
    cores_per_task: int | None = Field(None, ge=1, le=1 << 20)
    gpus_per_task: int | None = Field(None, ge=0, le=1 << 20)
    num_nodes: int | None = Field(None, ge=1, le=1 << 20)
    exclusive: bool = Field(False, description="whole nodes; needs num_nodes")
    runtime: float | str | None = Field(None, description="time limit: seconds, or FSD text such as 5m")
    workdir: str | None = Field(None, description="working directory; the user's home by default")
    environment: dict[str, str] | None = Field(None, description="added to HOME USER LOGNAME PATH SHELL")
    option_flags: str | dict[str, Any] | None = Field(
        None, description="options of the job shell, key=value,..."
    )
    urgency: int = Field(16, ge=0, le=31)
    queue: str | None = None
