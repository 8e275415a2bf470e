# SPDX-License-Identifier: LGPL-3.0-or-later
"""``POST /rosin/v1/jobs``: one job, many, only checked, or one that was there before once more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from rosin.constants import FLUX_JOB_URGENCY_DEFAULT
from rosin.errors import FormatError
from rosin.job.submission import submit_async
from rosin.rest.context import Here
from rosin.rest.instance import InstanceLink
from rosin.rest.own.again import jobspec_again
from rosin.rest.own.commandline import argv_of, line_of
from rosin.rest.own.feasible import faults_of
from rosin.rest.own.fields import field_problem, parsed
from rosin.rest.own.guests import account_of, check_urgency, guest_of, submit_signed
from rosin.rest.own.idempotency import Answers, Outcome
from rosin.rest.own.jobs import JobId
from rosin.rest.own.making import jobspec_of, prepared
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.jobs import ActedMany, Checked, JobSubmitted
from rosin.rest.own.schema.requests import JobRequest, JobRequests, Resubmit
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known
from rosin.rest.submission import server_options
from rosin.rfc import fluid
from rosin.rfc.idset import Idset

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["jobs"], default_response_class=Response, route_class=OwnRoute
)

#: Jobs of one request, those that are submitted at a time, and those that are made without a turn for others.
MOST = 10_000
_AT_ONCE = 256
_SLICE = 16
#: Seconds to wait for a new job to show up in the journal before answering.
_KNOWN = 2.0

Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="makes the same request, sent again, harmless")
]


async def submit_spec(instance: InstanceLink, spec: dict[str, Any], urgency: int, flags: list[str]) -> int:
    """Submit a jobspec as the server's own user; returns the id. Raises Problem."""
    handle = await instance.connected()
    keywords = dict.fromkeys(flags, True)
    reply = await instance.answer(submit_async(handle, spec, urgency, **keywords))
    return int(reply["id"])


async def submit(instance: InstanceLink, asked: JobRequest, guest: int | None) -> int:
    """Submit a job of the server's own user, or of a guest who has signed it; returns the id.

    Raises Problem.
    """
    whole = prepared(asked)
    check_urgency(whole.urgency, guest, FLUX_JOB_URGENCY_DEFAULT)
    if whole.signed is not None:
        return await submit_signed(instance, whole.signed, whole.urgency, whole.flags, guest)
    if guest is not None:
        text = "the job would be the server's own: send its jobspec (POST /rosin/v1/jobs/check) `signed`"
        raise Problem(403, text)
    spec = jobspec_of(whole, server_options(instance.settings.option_flags))
    return await submit_spec(instance, spec, whole.urgency, list(whole.flags))


def _submitted(jobid: int) -> tuple[dict[str, str], dict[str, str]]:
    location = f"{PREFIX}/jobs/{fluid.encode(jobid, 'f58plain')}"
    return {"id": fluid.encode(jobid, "f58"), "id_dec": str(jobid)}, {"Location": location}


async def _submitted_one(instance: InstanceLink, jobid: int) -> Outcome:
    await instance.mirror.wait_known(jobid, _KNOWN)
    obj, headers = _submitted(jobid)
    return 201, obj, headers


def _answers(request: Request) -> Answers:
    answers: Answers = request.app.state.answers
    return answers


_CREATED: dict[int | str, dict[str, Any]] = {201: {"model": JobSubmitted}, **errors(413, 415)}


@router.post("", status_code=201, responses=_CREATED)
async def own_submit(request: Request, instance: Here, asked: JobRequest, key: Key = None) -> Response:
    """Submit a job: a command, a script or a jobspec. Listings show it when this is answered."""

    async def act() -> Outcome:
        return await _submitted_one(instance, await submit(instance, asked, guest_of(request)))

    status, obj, headers = await _answers(request).once(request, instance, act)
    return reply(obj, status, headers)


@router.post("/check", responses={200: {"model": Checked}, **errors(413, 415)})
async def own_check(request: Request, instance: Here, asked: JobRequest) -> Response:
    """What a submission would be: the command, the jobspec, and what is wrong with it. Nothing is done."""
    spec: dict[str, Any] | None = None
    whole, faults = asked, []
    try:
        whole = prepared(asked)
        spec = jobspec_of(whole, server_options(instance.settings.option_flags), account_of(request))
        faults = await faults_of(instance, whole, spec)
    except Problem as problem:
        if problem.status != 422:
            raise
        faults = problem.members.get("errors", [])
    argv = _argv(whole)
    return reply(
        {
            "ok": not faults,
            "command_line": line_of(argv, whole) if argv else "",
            "argv": argv,
            "jobspec": spec,
            "errors": faults,
            "warnings": _warnings(whole),
        }
    )


def _argv(asked: JobRequest) -> list[str]:
    try:
        return argv_of(asked)
    except FormatError:
        return []  # there is no command yet


def _warnings(asked: JobRequest) -> list[str]:
    found = []
    if asked.urgency == 0:
        found.append("the job is held until it is released: its urgency is 0")
    if not asked.duration and asked.jobspec is None:
        found.append("the job has no time limit of its own")
    return found


@router.post("/bulk", responses={200: {"model": ActedMany}, **errors(413, 415)})
async def own_bulk(request: Request, instance: Here, asked: JobRequests, key: Key = None) -> Response:
    """Submit many jobs. Each has its own `status`, and its `problem` if it is none; the others go on."""

    async def act() -> Outcome:
        requests = list(_requests(asked))
        gate = asyncio.Semaphore(_AT_ONCE)
        items = []
        for number, one in enumerate(requests):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            items.append(asyncio.ensure_future(_item(instance, one, gate, guest_of(request))))
        found = await asyncio.gather(*items)
        last = max((int(item.pop("number")) for item in found), default=0)
        if last:
            await instance.mirror.wait_known(last, _KNOWN)
        done = sum(item["status"] == 201 for item in found)
        return 200, {"items": found, "done": done, "failed": len(found) - done}, {}

    status, obj, headers = await _answers(request).once(request, instance, act)
    return reply(obj, status, headers)


def _requests(asked: JobRequests) -> Iterator[dict[str, Any] | JobRequest]:
    if (asked.jobs is None) == (asked.template is None):
        raise field_problem("jobs", "give either jobs, or a template with cc")
    if asked.jobs is not None:
        yield from asked.jobs
        return
    assert asked.template is not None
    try:
        ids = Idset.decode(asked.cc or "", limit=1 << 31)
    except FormatError as exc:
        raise field_problem("cc", f"{exc}; it takes an idset such as 0-99") from None
    if not 0 < len(ids) <= MOST:
        raise field_problem("cc", f"it takes 1 to {MOST} ids")
    for ident in ids:
        yield _copy(asked.template, str(ident))


def _copy(template: JobRequest, ident: str) -> JobRequest:
    command: Any = template.command
    if isinstance(command, str):
        command = command.replace("{cc}", ident)
    elif command is not None:
        command = [word.replace("{cc}", ident) for word in command]
    environment = {**template.environment, "FLUX_JOB_CC": ident}
    return template.model_copy(update={"command": command, "environment": environment})


async def _item(
    instance: InstanceLink, one: dict[str, Any] | JobRequest, gate: asyncio.Semaphore, guest: int | None
) -> dict[str, Any]:
    async with gate:
        try:
            asked = one if isinstance(one, JobRequest) else parsed(JobRequest, one)
            jobid = await submit(instance, asked, guest)
        except Problem as problem:
            return {"id": None, "status": problem.status, "problem": problem.body(), "number": 0}
    return {"id": fluid.encode(jobid, "f58"), "status": 201, "problem": None, "number": jobid}


@router.post("/{jobid}/resubmit", status_code=201, responses={**_CREATED, **errors(404, 413, 415)})
async def own_resubmit(
    request: Request, instance: Here, jobid: JobId, asked: Resubmit | None = None, key: Key = None
) -> Response:
    """Submit the same job once more, with changes: `{"changes": {"duration": "2h", "nnodes": 2}}`."""
    number, _ = await known(instance, jobid)
    changes = asked or Resubmit.model_validate({})

    async def act() -> Outcome:
        spec = await jobspec_again(instance, number, changes.changes)
        urgency = 16 if changes.urgency is None else changes.urgency
        return await _submitted_one(instance, await submit_spec(instance, spec, urgency, []))

    status, obj, headers = await _answers(request).once(request, instance, act)
    return reply(obj, status, headers)
