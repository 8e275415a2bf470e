# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/api/v1``: the instance, and submitting, looking at and cancelling a job."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from rosin import _json
from rosin.errors import FormatError
from rosin.job.control import cancel_async
from rosin.job.info import JobInfo, get_username
from rosin.rest import jobview
from rosin.rest.context import Here, answer
from rosin.rest.own.instance import attributes
from rosin.rest.own.submitting import submit_spec
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known
from rosin.rest.submission import clean_environment, server_options
from rosin.rfc import fluid
from rosin.rfc import jobspec as rfc14
from rosin.rfc.jobspec import build

PREFIX = "/api/v1"
router = APIRouter(prefix=PREFIX, tags=["api-v1"], default_response_class=Response)

#: What the factory of jobspecs takes beside the command (RFC 25, as flux-core's Python has it).
KEYWORDS = frozenset(
    {
        *(
            "num_tasks",
            "cores_per_task",
            "gpus_per_task",
            "num_nodes",
            "exclusive",
            "duration",
            "environment",
        ),
        *("env_expand", "cwd", "rlimits", "name", "input", "output", "error", "label_io", "unbuffered"),
        *("queue", "bank"),
    }
)
#: Seconds after which it is worth to look at a job again.
_AGAIN = "5"
_KNOWN = 2.0

JobId = Annotated[str, Path(max_length=256, description="in any spelling of RFC 19")]


class OfficialError(BaseModel):
    """What is wrong."""

    error: str
    detail: str | None = None
    path: str | None = None


class OfficialAbout(BaseModel):
    """The server and its instance."""

    name: str
    user: str
    broker_version: str
    rank: int
    size: int


class OfficialHealth(BaseModel):
    """The instance answers."""

    status: str


class OfficialJob(BaseModel):
    """What is known of a job."""

    model_config = ConfigDict(extra="allow")

    id: str
    state: str


class OfficialId(BaseModel):
    """A job."""

    id: str


class OfficialRequest(BaseModel):
    """A command, and any keyword of the jobspec factory."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"command": ["hostname"], "num_tasks": 2}]})

    command: list[str] = Field(min_length=1)


_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": OfficialError}, "5XX": {"model": OfficialError}}


@router.get("/", responses={200: {"model": OfficialAbout}, **_ERRORS})
async def official_about(instance: Here) -> Response:
    """The server and its instance."""
    found = await attributes(instance)
    return answer(
        {
            "name": "rosin",
            "user": get_username(os.getuid()),
            "broker_version": found.get("version", ""),
            "rank": int(found.get("rank", 0)),
            "size": int(found.get("size", 1)),
        }
    )


@router.get("/health", responses={200: {"model": OfficialHealth}, **_ERRORS})
async def official_health(instance: Here) -> Response:
    """Whether the instance answers; 503 if not."""
    await attributes(instance)
    return answer({"status": "ok"})


@router.post(
    "/jobs",
    status_code=201,
    responses={201: {"model": OfficialId}, **_ERRORS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": OfficialRequest.model_json_schema()}},
        }
    },
)
async def official_submit(request: Request, instance: Here) -> Response:
    """Submit a command. A keyword that the factory does not know is refused."""
    try:
        asked = _json.loads(await request.body())
    except (ValueError, RecursionError) as exc:
        raise Problem(400, f"the request is not JSON: {exc}") from None
    spec = _jobspec(asked)
    for path, value in server_options(instance.settings.option_flags).items():
        build.set_shell_option(spec, path, value)
    jobid = await submit_spec(instance, spec, 16, [])
    await instance.mirror.wait_known(jobid, _KNOWN)
    ident = fluid.encode(jobid, "f58plain")
    return answer({"id": ident}, 201, {"Location": f"{PREFIX}/jobs/{ident}"})


def _jobspec(asked: Any) -> dict[str, Any]:
    """Raises Problem 400."""
    if not isinstance(asked, dict):
        raise Problem(400, 'expected an object such as {"command": ["hostname"]}')
    keywords = dict(asked)
    command = keywords.pop("command", None)
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise Problem(400, "command: expected a list of one or more texts")
    if unknown := sorted(keywords.keys() - KEYWORDS):
        raise Problem(400, f"'{unknown[0][:80]}' is no keyword; there are: {', '.join(sorted(KEYWORDS))}")
    base = clean_environment(os.getuid())
    given = keywords.get("environment") or {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Problem(400, "environment: expected an object of texts")
    keywords = {"cwd": base["HOME"], **keywords, "environment": {**base, **given}}
    try:
        spec = build.from_command(command, **keywords)
        rfc14.validate(spec)
    except (FormatError, TypeError, ValueError, AttributeError) as exc:
        raise Problem(400, str(exc).removeprefix("jobspec: ")) from None
    return spec


@router.get("/jobs/{jobid}", responses={200: {"model": OfficialJob}, **_ERRORS})
async def official_job(instance: Here, jobid: JobId) -> Response:
    """What is known of a job; `Retry-After` until it is over."""
    number, row = await known(instance, jobid)
    about = {**JobInfo(jobview.attributes_of(row)).to_dict(), "id": fluid.encode(number, "f58plain")}
    over = jobview.is_inactive(row)
    return answer(about, headers=None if over else {"Retry-After": _AGAIN})


@router.delete(
    "/jobs/{jobid}", status_code=202, responses={202: {"description": "it is asked to end"}, **_ERRORS}
)
async def official_cancel(
    instance: Here,
    jobid: JobId,
    reason: Annotated[str, Query(max_length=1024, description="why")] = "",
) -> Response:
    """Ask a job to end. 409 when it is over."""
    number, row = await known(instance, jobid)
    if jobview.is_inactive(row):
        raise Problem(409, "the job is inactive")
    await instance.answer(cancel_async(await instance.connected(), number, reason or None))
    return Response(None, 202)
