# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs: list, look at, submit, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from rosin import _json
from rosin.errors import FormatError
from rosin.job.control import cancel_async
from rosin.job.lookup import job_info_lookup
from rosin.job.submission import submit_async
from rosin.job.table.attributes import Row
from rosin.job.why import job_why_async, sentences
from rosin.rest import jobview, listing, pages
from rosin.rest.context import PROBLEMS, Here, answer, wants_html
from rosin.rest.instance import InstanceLink
from rosin.rest.models import Canceled, Events, JobAnswer, JobPage, Submission, Submitted, Why
from rosin.rest.problem import Problem
from rosin.rest.submission import jobspec, server_options
from rosin.rfc import eventlog, fluid

router = APIRouter(prefix="/jobs", tags=["jobs"], default_response_class=Response)

JobId = Annotated[str, Path(description="the job's id in any spelling of RFC 19", max_length=256)]
#: Seconds to wait for a new job to show up in the journal before answering.
_KNOWN = 2.0


@router.get("", responses={200: {"model": JobPage}, **PROBLEMS})
async def list_jobs(
    instance: Here,
    limit: Annotated[int, Query(ge=0, le=5000)] = 1000,
    cursor: Annotated[str, Query(max_length=256, description="where the last page ended")] = "",
    state: Annotated[str, Query(max_length=256, description="states or results, comma-separated")] = "",
    q: Annotated[str, Query(max_length=256, description="text in name, id, user or hosts")] = "",
) -> Response:
    """The jobs, newest first."""
    return answer(listing.page(await instance.jobs(), limit, cursor, state, q))


async def submit_job(instance: InstanceLink, parameters: dict[str, Any]) -> int:
    """Submit a job and return its id, once listings show it. Raises Problem."""
    try:
        spec = jobspec(parameters, server_options(instance.settings.option_flags))
    except (FormatError, TypeError) as exc:
        raise Problem(400, str(exc).removeprefix("jobspec: ")) from None
    handle = await instance.connected()
    urgency = parameters.get("urgency")
    reply = await instance.answer(submit_async(handle, spec, 16 if urgency is None else int(urgency)))
    jobid = int(reply["id"])
    await instance.mirror.wait_known(jobid, _KNOWN)
    return jobid


def submitted(jobid: int) -> dict[str, Any]:
    """The answer to a submission."""
    text = fluid.encode(jobid, "f58")
    return {"Message": "Job submit.", "id": jobid, "jobid": text, "id_str": str(jobid)}


@router.post(
    "/submit",
    responses={200: {"model": Submitted}, **PROBLEMS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Submission.model_json_schema()}},
        }
    },
)
async def submit(request: Request, instance: Here) -> Response:
    """Submit a job. A form that a browser sends without scripts is answered with the job's page."""
    form = await pages.is_form(request)
    fields = await pages.form_fields(request) if form else await _json_body(request)
    parameters = pages.validated(fields)
    jobid = await submit_job(instance, parameters)
    if form and wants_html(request):
        return Response(None, 303, {"Location": f"/jobs/{fluid.encode(jobid, 'f58plain')}"})
    return answer(submitted(jobid), headers={"Location": f"/jobs/{fluid.encode(jobid, 'f58plain')}"})


async def _json_body(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        fields = _json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Problem(400, f"the request is not JSON: {exc}") from None
    if not isinstance(fields, dict):
        raise Problem(400, 'expected a JSON object such as {"command": "hostname"}')
    return fields


async def known(instance: InstanceLink, text: str) -> tuple[int, Row]:
    """The job that an id in a path names. Raises Problem 400 or 404."""
    jobid = jobview.parse_id(text)
    row = (await instance.jobs()).row(jobid)
    if row is None:
        raise Problem(404, f"there is no job {fluid.encode(jobid, 'f58')}")
    return jobid, row


@router.get("/{jobid}", responses={200: {"model": JobAnswer}, **PROBLEMS})
async def job(instance: Here, jobid: JobId) -> Response:
    """Everything about a job."""
    _, row = await known(instance, jobid)
    return answer({"job": jobview.detail(row)})


@router.post("/{jobid}/cancel", responses={200: {"model": Canceled}, **PROBLEMS})
async def cancel(instance: Here, jobid: JobId) -> Response:
    """Ask a job to end."""
    number, row = await known(instance, jobid)
    if jobview.is_inactive(row):
        raise Problem(409, "the job has ended already")
    handle = await instance.connected()
    await instance.answer(cancel_async(handle, number, "canceled through the REST API"))
    return answer({"Message": "Job is requested to cancel.", "id": jobid})


@router.get("/{jobid}/events", responses={200: {"model": Events}, **PROBLEMS})
async def job_events(instance: Here, jobid: JobId) -> Response:
    """The event logs of a job: the job manager's (RFC 21) and the shell's (RFC 50)."""
    number, _ = await known(instance, jobid)
    handle = await instance.connected()
    logs: dict[str, Any] = {"eventlog": [], "exec": []}
    for name, key in (("eventlog", "eventlog"), ("exec", "guest.exec.eventlog")):
        try:
            reply = await instance.answer(job_info_lookup(handle, number, [key]))
            logs[name] = [{"context": {}, **entry} for entry in eventlog.decode_entries(reply[key])]
        except Problem as problem:
            if problem.status != 404:
                raise  # a job that has not started has no second log
        except FormatError as exc:
            raise Problem(500, f"job {jobid}: {exc}") from None
    return answer(logs)


@router.get("/{jobid}/why", responses={200: {"model": Why}, **PROBLEMS})
async def job_why(instance: Here, jobid: JobId) -> Response:
    """What a job waits for, as facts and as sentences (``rosin job why``)."""
    number, _ = await known(instance, jobid)
    handle = await instance.connected()
    told = await instance.answer(job_why_async(handle, number))
    return answer({"why": {**told, "sentences": sentences(told)}})


@router.get("/{jobid}/jobspec", responses={200: {"description": "RFC 14"}, **PROBLEMS})
async def job_jobspec(instance: Here, jobid: JobId) -> Response:
    """The jobspec of a job (without its environment, as Flux stores it apart)."""
    number, _ = await known(instance, jobid)
    handle = await instance.connected()
    reply = await instance.answer(job_info_lookup(handle, number, ["jobspec"]))
    return Response(reply["jobspec"], media_type="application/json")
