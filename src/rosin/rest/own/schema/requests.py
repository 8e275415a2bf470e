# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``/rosin/v1`` is asked to do with jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from rosin.rest.own.schema.base import Model

_MOST = 1 << 20

Count = Annotated[int, Field(strict=True, ge=1, le=_MOST)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Word = Annotated[str, StringConstraints(max_length=1 << 17)]
JobIdText = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class JobRequest(Model):
    """A job to be run: a `command`, a `script`, a whole `jobspec`, or one that is `signed`."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"command": ["hostname"], "ntasks": 2, "duration": "5m"},
                {"script": "#!/bin/sh\n# flux: -n2 --job-name=mine\nflux run hostname\n"},
            ]
        },
    )

    command: Annotated[list[Word], Field(max_length=65536)] | Word | None = Field(
        None, description="words; a text is split as a shell would, without running one"
    )
    shell: bool = Field(False, description="run the text of the command with /bin/sh -c")
    script: Annotated[str, StringConstraints(max_length=_MOST)] | None = Field(
        None, description="a batch script, run by an instance of its own; its directives (RFC 36) are read"
    )
    args: Annotated[list[Word], Field(max_length=65536)] | None = Field(None, description="the script's")
    jobspec: dict[str, Any] | None = Field(None, description="RFC 14, instead of all that describes a job")
    signed: Annotated[str, StringConstraints(max_length=_MOST)] | None = Field(
        None,
        description="RFC 39: a jobspec that its user has signed, which makes the job theirs; guests need it",
    )
    name: Text | None = Field(None, description="that of the command by default")
    ntasks: Count | None = Field(None, description="tasks, one by default; of a script its slots")
    nnodes: Count | None = None
    cores_per_task: Count | None = Field(None, description="one by default")
    gpus_per_task: Annotated[int, Field(strict=True, ge=0, le=_MOST)] | None = None
    exclusive: bool = Field(False, description="whole nodes; needs nnodes")
    shape: Text | None = Field(None, description="all resources (RFC 46) instead: `slot=2/core=4`")
    duration: Annotated[float, Field(ge=0)] | Text | None = Field(
        None, description="time limit: seconds, or FSD text (RFC 23) such as `5m`"
    )
    queue: Text | None = None
    bank: Text | None = None
    urgency: int = Field(16, strict=True, ge=0, le=31, description="0 holds, 31 expedites (RFC 30)")
    dependencies: Annotated[list[Text], Field(max_length=1024)] = Field(
        [], description="RFC 26: `afterok:ƒ2oLkTLb`, `singleton:`"
    )
    begin_time: Annotated[float, Field(ge=0)] | None = Field(None, description="not to start before")
    requires: Text | None = Field(None, description="RFC 35: `gpu and not host:n[0-3]`")
    cwd: Text | None = Field(None, description="working directory; the user's home by default")
    environment: dict[str, str] = Field({}, description="added to HOME LOGNAME PATH SHELL USER")
    stdin: Annotated[str, StringConstraints(max_length=_MOST)] | None = Field(
        None, description="text for its tasks to read; without it they get what `input` sends"
    )
    stdin_path: Text | None = Field(None, description="a file to read instead")
    stdout_path: Text | None = Field(None, description="a file to write instead; mustache templates")
    stderr_path: Text | None = None
    label_io: bool = Field(False, description="write the rank before each line in those files")
    pty: bool = Field(False, description="a terminal for its first task, that `terminal` attaches to")
    options: dict[str, Any] = Field({}, description="options of the job shell, by dotted path")
    attributes: dict[str, Any] = Field({}, description="attributes of the jobspec, by dotted path")
    flags: list[Literal["debug", "waitable", "novalidate"]] = Field([])


class JobRequests(Model):
    """Many jobs: `jobs`, or one that is repeated for the ids of `cc`."""

    jobs: Annotated[list[dict[str, Any]], Field(max_length=10_000)] | None = Field(
        None, description="each as for POST /rosin/v1/jobs; one that is wrong does not hinder the others"
    )
    template: JobRequest | None = None
    cc: Text | None = Field(
        None,
        description="an idset; `{cc}` in the template's command stands for the id, which FLUX_JOB_CC holds",
    )


class Cancel(Model):
    """How to end a job."""

    reason: Text | None = None


class Signal(Model):
    """What to send to a job's tasks."""

    signal: int | Text = Field(description="a number or a name", examples=["TERM"])


class Urgency(Model):
    """RFC 30."""

    urgency: int = Field(strict=True, ge=0, le=31)


class Update(Model):
    """What to change of a job that is not over: of a running one the duration (RFC 21)."""

    duration: Annotated[float, Field(ge=0)] | Text | None = Field(
        None, description="seconds or FSD text; with + or - before it a change"
    )
    queue: Text | None = None
    name: Text | None = None
    attributes: dict[str, Any] = Field({}, description="others, by dotted path: `system.bank`")


class Resubmit(Model):
    """A job like another one, with changes."""

    changes: dict[str, Any] = Field({}, description="members of a job request that do not describe a command")
    urgency: int | None = Field(None, strict=True, ge=0, le=31)


class Actions(Model):
    """One action for many jobs: those of `ids`, or those that `q` and `state` select."""

    action: Literal["cancel", "signal", "hold", "release", "urgency", "update"]
    ids: Annotated[list[JobIdText], Field(max_length=10_000)] | None = None
    q: Annotated[str, StringConstraints(max_length=1024)] | None = None
    state: Annotated[str, StringConstraints(max_length=256)] | None = None
    arguments: dict[str, Any] = Field({}, description="of the action, as for one job")
    dry_run: bool = Field(False, description="only say which jobs there are")


class Input(Model):
    """What a running job is to read."""

    data: Annotated[str, StringConstraints(max_length=_MOST)] = ""
    encoding: Literal["utf-8", "base64"] = "utf-8"
    end: bool = Field(False, description="there is no more")
    ranks: Text = Field("all", description="an idset of tasks, or all")


class Empty(Model):
    """Nothing is to be said."""
