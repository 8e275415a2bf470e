# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/v1/jobs``: list, search, submit, look at, cancel, output, with the answers of flux-restful-api."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rosin.errors import FormatError
from rosin.job.control import cancel_async
from rosin.job.table.attributes import Row
from rosin.rest import jobview
from rosin.rest.context import Here, answer
from rosin.rest.instance import InstanceLink
from rosin.rest.models import Canceled, JobDetail, JobRecord, LegacyError, Message, Submitted
from rosin.rest.output import lines
from rosin.rest.outputlog import OutputLog, batched
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import JobId, submit_job, submitted
from rosin.rest.routes.nodes import scheduler_view
from rosin.rest.routes.output import StreamName, as_text, lines_of, log_of
from rosin.rest.stream import StreamResponse
from rosin.rest.submission import options
from rosin.rest.v1.parameters import body_object, collect, flag, integer, submission

router = APIRouter(prefix="/v1/jobs", tags=["v1"], default_response_class=Response)

#: Jobs in a listing at most.
MOST = 1000
_NO_OUTPUT = {"Message": "The output does not exist yet, or the jobid is incorrect."}
_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": LegacyError}, "5XX": {"model": LegacyError}}
_SCHEMA_OF = "application/json"


def _schema(*schemas: dict[str, Any], text: str = "as flux-restful-api answers") -> dict[int | str, Any]:
    return {
        200: {"description": text, "content": {_SCHEMA_OF: {"schema": {"anyOf": list(schemas)}}}},
        **_ERRORS,
    }


_DETAIL = JobDetail.model_json_schema()
_JOBS = {
    "type": "object",
    "properties": {"jobs": {"type": "array", "items": {"anyOf": [JobRecord.model_json_schema(), _DETAIL]}}},
    "required": ["jobs"],
}


async def _merged(request: Request) -> dict[str, Any]:
    """Query parameters, and those that old clients put into the body of a GET."""
    found: dict[str, Any] = dict(request.query_params)
    found.update(await body_object(request))
    return found


async def _details(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Everything about these jobs; a thousand of them take a while, in which others have their turn."""
    found = []
    for row in rows:
        found.append(jobview.detail(row))
        if len(found) % 50 == 0:
            await asyncio.sleep(0)
    return found


@router.get(
    "",
    responses=_schema(
        _JOBS, {"type": "array", "items": _DETAIL}, {"type": "object", "additionalProperties": _DETAIL}
    ),
)
async def list_jobs(
    request: Request,
    instance: Here,
    details: Annotated[str, Query(description="true: everything, as an object by id")] = "",
    detail: Annotated[str, Query(description="the same, but a list is below `jobs`")] = "",
    listing: Annotated[str, Query(description="true: details as a list")] = "",
    limit: Annotated[str, Query(description="how many details; ignored if it is no number")] = "",
) -> Response:
    """The newest 1000 jobs."""
    found = await _merged(request)
    mirror = await instance.jobs()
    if not any(flag(name, found.get(name, "")) for name in ("details", "detail")):
        return answer({"jobs": [jobview.record(row) for row in islice(mirror.newest(), MOST)]})
    text = str(found.get("limit", ""))
    most = min(int(text), MOST) if text.isdecimal() else MOST
    rows = islice(mirror.newest(), most)
    if flag("listing", found.get("listing", "")):
        listed = await _details(rows)
        # The Python client of flux-restful-api says `detail`, and looks for a key.
        return answer(listed if flag("details", found.get("details", "")) else {"jobs": listed})
    return answer({job["id_str"]: job for job in await _details(rows)})


@router.get(
    "/search",
    responses=_schema(
        {
            "type": "object",
            "properties": {
                "data": {"type": "array", "items": _DETAIL},
                "draw": {"type": "integer"},
                "recordsTotal": {"type": "integer"},
                "recordsFiltered": {"type": "integer"},
            },
            "required": ["data", "draw", "recordsTotal", "recordsFiltered"],
        }
    ),
)
async def search(
    request: Request,
    instance: Here,
    query: str = "",
    search: str = "",
    start: str = "",
    length: str = "",
    draw: str = "",
) -> Response:
    """Jobs that contain a text in one of their values, for tables.

    With ``draw`` the counts are those that DataTables expects; without it ``recordsFiltered`` is the number
    of rows in the answer, as the clients of flux-restful-api expect.
    """
    found = await _merged(request)
    first = integer("start", found.get("start") or 0)
    most = integer("length", found.get("length") or -1)
    number = found.get("draw")
    text = str(found.get("query") or found.get("search[value]") or found.get("search") or "").casefold()
    mirror = await instance.jobs()
    jobs = await _details(islice(mirror.newest(), MOST))
    matching = [job for job in jobs if _contains(job, text)] if text else jobs
    _sort(matching, found)
    stop = None if most < 0 else max(first, 0) + most
    rows = matching[max(first, 0) : stop]
    tables = number not in (None, "")
    return answer(
        {
            "data": rows,
            "draw": integer("draw", number) if tables else 1,
            "recordsTotal": len(jobs),
            "recordsFiltered": len(matching) if tables else len(rows),
        }
    )


def _contains(job: dict[str, Any], text: str) -> bool:
    return any(text in str(value).casefold() for value in job.values())


def _sort(jobs: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """The order that DataTables asks for: ``order[0][column]``, and the column's ``data``."""
    column = found.get("order[0][column]")
    name = found.get(f"columns[{column}][data]") if column is not None else None
    if name and jobs and name in jobs[0]:
        backwards = found.get("order[0][dir]") == "desc"
        jobs.sort(key=lambda job: _sort_key(job[name]), reverse=backwards)


def _sort_key(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (2, 0.0, str(value)) if value not in ("", None) else (0, 0.0, "")


async def _errors(instance: InstanceLink, wanted: dict[str, Any]) -> list[str]:
    """What flux-restful-api refuses, in its words."""
    found = []
    view = await scheduler_view(instance)
    nodes, gpus = view.all.nnodes, view.all.ngpus
    if (wanted.get("num_nodes") or 0) > nodes:
        found.append(f"The server only has {nodes} nodes, you requested {wanted['num_nodes']}")
    try:
        options(wanted["option_flags"])
    except FormatError as exc:
        found.append(str(exc))
    if wanted.get("gpus_per_task") and not gpus:
        found.append("This server does not support gpus: gpus_per_task cannot be set.")
    if wanted.get("runtime", 0) < 0:
        found.append(f"Runtime must be >= 0, found {wanted['runtime']}")
    return found


_SUBMIT_QUERY = [
    {"name": name, "in": "query", "schema": {"type": kind}}
    for name, kind in {
        "command": "string",
        "num_tasks": "integer",
        "cores_per_task": "integer",
        "gpus_per_task": "integer",
        "num_nodes": "integer",
        "exclusive": "boolean",
        "option_flags": "string",
        "workdir": "string",
        "runtime": "integer",
        "is_launcher": "boolean",
        "envars": "string",
    }.items()
]


@router.post(
    "/submit",
    responses={200: {"model": Submitted}, 400: {"model": Message}, **_ERRORS},
    openapi_extra={
        "parameters": _SUBMIT_QUERY,
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
)
async def submit(request: Request, instance: Here) -> Response:
    """Submit a job: parameters in the query, a JSON object or a form; other JSON is its environment."""
    parameters, environment = await collect(request)
    if not parameters.get("command"):
        return answer({"Message": "A 'command' is minimally required."}, 400)
    try:
        wanted = submission(parameters, environment)
        errors = await _errors(instance, wanted)
        if errors:
            return answer({"Message": "Invalid submit request", "Errors": errors}, 400)
        jobid = await submit_job(instance, wanted)
    except FormatError as exc:
        return answer({"Message": "There was an issue submitting that job.", "Error": str(exc)}, 400)
    except Problem as problem:
        if problem.status != 400:
            raise
        return answer({"Message": "There was an issue submitting that job.", "Error": problem.detail}, 400)
    return answer(submitted(jobid))


@router.get("/{jobid}", responses=_schema(_DETAIL, {"type": "null"}))
async def job(instance: Here, jobid: JobId) -> Response:
    """Everything about a job, null for an unknown one."""
    row = (await instance.jobs()).row(jobview.parse_id(jobid))
    return answer(None if row is None else jobview.detail(row))


@router.post("/{jobid}/cancel", responses={200: {"model": Canceled}, 400: {"model": Canceled}, **_ERRORS})
async def cancel(instance: Here, jobid: JobId) -> Response:
    """Ask a job to end."""
    try:
        number = jobview.parse_id(jobid)
        row = (await instance.jobs()).row(number)
        if row is not None and jobview.is_inactive(row):
            raise Problem(409, "job is inactive")
        handle = await instance.connected()
        await instance.answer(cancel_async(handle, number))
    except Problem as problem:
        if problem.status >= 500:
            raise
        return answer({"Message": f"Job cannot be cancelled: {problem.detail}.", "id": jobid}, 400)
    return answer({"Message": "Job is requested to cancel.", "id": jobid})


async def _ended(instance: InstanceLink, jobid: int, seconds: float) -> None:
    """Wait for a job to end, at most *seconds*."""
    mirror = await instance.jobs()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while mirror.ready:
        row = mirror.row(jobid)
        left = deadline - loop.time()
        if row is None or jobview.is_inactive(row) or left <= 0:
            return
        await mirror.bell.wait(left)


@router.get(
    "/{jobid}/output",
    responses=_schema(
        {
            "type": "object",
            "properties": {"Output": {"type": "array", "items": {"type": "string"}}},
            "required": ["Output"],
        },
        Message.model_json_schema(),
    ),
)
async def output(instance: Here, jobid: JobId) -> Response:
    """The lines that a job has written. Waits for the job to end, but not longer than its client waits."""
    number = jobview.parse_id(jobid)
    await _ended(instance, number, instance.settings.legacy_wait)
    if (await instance.jobs()).row(number) is None:
        return answer(_NO_OUTPUT)
    log, chunks = await log_of(instance, number)
    if log is not None and chunks is None:
        return StreamResponse(batched(_listed(log)), "application/json")
    found = [line.decode("utf-8", "replace") for _, line in lines(chunks or [])]
    return answer({"Output": found} if found else _NO_OUTPUT)


async def _listed(log: OutputLog) -> AsyncGenerator[bytes, None]:
    """A long answer, made while it is sent."""
    yield b'{"Output":['
    async with aclosing(lines_of(log, ("stdout", "stderr"))) as parts:
        async for part in parts:
            yield part
    yield b"]}"


@router.get(
    "/{jobid}/output/stream",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_ERRORS},
)
async def output_stream(request: Request, instance: Here, jobid: JobId, stream: StreamName = "") -> Response:
    """A job's output as it comes; nothing for an unknown job."""
    number = jobview.parse_id(jobid)
    if (await instance.jobs()).row(number) is None:
        return Response(b"", media_type="text/plain; charset=utf-8")
    await instance.connected()
    return StreamResponse(as_text(request, instance, number, stream), "text/plain; charset=utf-8")
