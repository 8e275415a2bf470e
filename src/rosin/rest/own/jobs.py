# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/jobs``: listings, and what is known of one job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from rosin.job.table.attributes import POSITION
from rosin.rest.context import Here
from rosin.rest.own import jobpage
from rosin.rest.own.again import original
from rosin.rest.own.detail import TIMELINE_LOGS, detail_of, timeline_of, why_of
from rosin.rest.own.jobrow import Members
from rosin.rest.own.requested import request_of
from rosin.rest.own.route import PREFIX, OwnRoute, errors, fresh, reply, tagged
from rosin.rest.own.schema.base import Model
from rosin.rest.own.schema.jobs import JobAsked, JobDetail, JobPage, JobWhy, Timeline
from rosin.rest.own.where import Where
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["jobs"], default_response_class=Response, route_class=OwnRoute
)

JobId = Annotated[str, Path(description="the job's id in any spelling of RFC 19", max_length=256)]


class ListingQuery(Model):
    """The parameters of a listing: which jobs, of them what, in which order."""

    q: str = Field(
        "", max_length=1024, description="RFC 35: `state:run (user:ann or queue:debug) -name:test*`"
    )
    state: str = Field("", max_length=256, description="states or results: `pending,failed`")
    search: str = Field("", max_length=256, description="text in id, name, user, hosts, queue, exception")
    user: str = Field("", max_length=256, description="names or numbers of users")
    id: str = Field("", max_length=4096, description="ids")
    name: str = Field("", max_length=256, description="names or shell patterns")
    queue: str = Field("", max_length=256)
    project: str = Field("", max_length=256)
    bank: str = Field("", max_length=256)
    cwd: str = Field("", max_length=1024)
    host: str = Field("", max_length=1024, description="a hostlist: jobs that have run there")
    ranks: str = Field("", max_length=1024, description="an idset of brokers")
    exception: str = Field("", max_length=256, description="types of exceptions")
    urgency: str = Field("", max_length=64, description="a number, or a comparison such as `>16`")
    priority: str = Field("", max_length=64)
    ntasks: str = Field("", max_length=64)
    ncores: str = Field("", max_length=64)
    nnodes: str = Field("", max_length=64)
    waitstatus: str = Field("", max_length=64)
    returncode: str = Field("", max_length=64)
    success: str = Field("", max_length=8, description="true or false")
    duration: str = Field("", max_length=64, description="`>1h`")
    runtime: str = Field("", max_length=64)
    expiration: str = Field("", max_length=64)
    t_submit: str = Field("", max_length=64, description="UNIX time, ISO date or how long ago: `>-2h`")
    t_depend: str = Field("", max_length=64)
    t_priority: str = Field("", max_length=64)
    t_sched: str = Field("", max_length=64)
    t_run: str = Field("", max_length=64)
    t_cleanup: str = Field("", max_length=64)
    t_inactive: str = Field("", max_length=64)
    dependency: str = Field("", max_length=256, description="text in its dependencies")
    annotations: str = Field("", max_length=256, description="text in its annotations")
    sort: str = Field("-id", max_length=32, description="a member of jobs, `-` for the other way round")
    fields: str = Field("", max_length=512, description="members to show; all by default")
    limit: int = Field(100, ge=0, le=5000, description="jobs on a page")
    cursor: str = Field("", max_length=16384, description="the `next` of the page before")
    counts: bool = Field(True, description="whether to count by state and result")

    def where(self) -> Where:
        """The filter. Raises Problem."""
        given = self.model_dump(exclude={"q", "state", "sort", "fields", "limit", "cursor", "counts"})
        return Where(self.q, self.state, given)


@router.get("", responses={200: {"model": JobPage}, 304: {"description": "as before"}, **errors()})
async def own_list_jobs(
    request: Request, instance: Here, listing: Annotated[ListingQuery, Query()]
) -> Response:
    """Jobs, newest first unless `sort` says otherwise.

    Each attribute filters by a parameter of its name, or as a term of `q`; all of them hold. `ETag` changes
    when any job does.
    """
    where, order, fields = listing.where(), jobpage.SortedBy(listing.sort), Members(listing.fields)
    mirror = await instance.jobs()
    tag = jobpage.etag(mirror, request.scope["query_string"].decode("latin-1"))
    if fresh(request, tag):
        return Response(None, 304, tagged(tag))
    position = mirror.position  # what happens while the jobs are looked through comes again
    found = await jobpage.page(mirror, where, order, fields, listing.limit, listing.cursor, listing.counts)
    return reply({**found, "position": position}, headers=tagged(tag))


@router.get("/{jobid}", responses={200: {"model": JobDetail}, **errors(404)})
async def own_job(instance: Here, jobid: JobId) -> Response:
    """A job with its jobspec and its resources."""
    number, row = await known(instance, jobid)
    return reply(await detail_of(instance, number, row))


@router.get("/{jobid}/request", responses={200: {"model": JobAsked}, **errors(404, 409)})
async def own_request(instance: Here, jobid: JobId) -> Response:
    """The request that makes a job like this one, to be changed and sent again."""
    number, row = await known(instance, jobid)
    request, exact = request_of(await original(instance, number), row[POSITION["urgency"]])
    return reply({"request": request, "exact": exact})


@router.get("/{jobid}/why", responses={200: {"model": JobWhy}, **errors(404)})
async def own_why(instance: Here, jobid: JobId) -> Response:
    """What a job waits for, as facts and as sentences; nothing when it is over."""
    number, row = await known(instance, jobid)
    return reply(await why_of(instance, number, row))


@router.get("/{jobid}/timeline", responses={200: {"model": Timeline}, **errors(404)})
async def own_timeline(
    instance: Here,
    jobid: JobId,
    logs: Annotated[
        str, Query(max_length=64, description="some of job, exec, input, output; job,exec by default")
    ] = "job,exec",
    limit: Annotated[int, Query(ge=0, le=10_000, description="records of input and output at most")] = 1000,
) -> Response:
    """Event logs of a job, as one: of the job manager, the job shell, what it has read and written.

    Of input and output the context has `stream`, `rank`, `bytes`, and the first 200 of them as `text`.
    """
    wanted = frozenset(word.strip() for word in logs.split(",") if word.strip())
    if wrong := wanted - TIMELINE_LOGS:
        raise Problem(400, f"logs: '{min(wrong)[:40]}' is none of {', '.join(sorted(TIMELINE_LOGS))}")
    number, _ = await known(instance, jobid)
    return reply(await timeline_of(instance, number, wanted, limit))
