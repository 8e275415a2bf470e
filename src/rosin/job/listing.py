# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: listing jobs."""

from __future__ import annotations

import os

from rosin.constants import (
    FLUX_JOB_STATE_INACTIVE,
    FLUX_NODEID_ANY,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from rosin.handle.future import Future, WaitAllFuture
from rosin.handle.rpc import RPC
from rosin.job.info import JobInfo
from rosin.job.jobid import JobID
from rosin.rfc.states.table import RESULT_ROWS, STATE_ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, ClassVar

    from rosin.handle.handle import Handle

_ALL = ("all",)


class JobListRPC(RPC):
    """The answer to a ``job-list.list`` request, sent as a stream."""

    def __init__(
        self,
        handle: Handle,
        topic: str,
        payload: object = None,
        nodeid: int = FLUX_NODEID_ANY,
        flags: int = 0,
    ) -> None:
        super().__init__(handle, topic, payload, nodeid, flags | FLUX_RPC_STREAMING)
        self._jobs: list[dict[str, Any]] | None = None

    def get_jobs(self) -> list[dict[str, Any]]:
        """All jobs, as job-list sends them. Raises OSError."""
        if self._jobs is None:
            jobs: list[dict[str, Any]] = []
            for number, response in enumerate(self):
                jobs += response["jobs"]
                if not number and not response.get("version"):
                    break  # a service that knows no streams has answered once
            self._jobs = jobs
        return self._jobs

    async def jobs(self) -> list[dict[str, Any]]:
        """Like :meth:`get_jobs`, for asyncio code."""
        if self._jobs is None:
            self._jobs = [job async for response in self for job in response["jobs"]]
        return self._jobs

    def get_jobinfos(self) -> Iterator[JobInfo]:
        """Yield all jobs as JobInfo objects."""
        for job in self.get_jobs():
            yield JobInfo(job)


def _conjunction(
    constraint: dict[str, Any] | None,
    userid: int,
    states: int,
    results: int,
    name: str | None,
    queue: str | Iterable[str] | None,
) -> dict[str, Any]:
    """The constraint that all these conditions make together."""
    parts: list[dict[str, Any]] = [] if constraint is None else [constraint]
    if userid != FLUX_USERID_UNKNOWN:
        parts.append({"userid": [userid]})
    if name:
        parts.append({"name": [name]})
    if queue:
        parts.append({"queue": [queue] if isinstance(queue, str) else list(queue)})
    ends: list[dict[str, Any]] = []
    if states:
        ends.append({"states": [states]})
    if results:
        ends.append({"results": [results]})
    parts += [{"or": ends}] if len(ends) == 2 else ends
    return {"and": parts}


def job_list(
    flux_handle: Handle,
    max_entries: int = 1000,
    attrs: Sequence[str] = _ALL,
    userid: int | None = None,
    states: int = 0,
    results: int = 0,
    since: float = 0.0,
    name: str | None = None,
    queue: str | Iterable[str] | None = None,
    constraint: dict[str, Any] | None = None,
) -> JobListRPC:
    """Ask for jobs; ``.get_jobs()`` of the result is the list.

    ``max_entries`` 0 means no limit. ``userid`` defaults to the caller, FLUX_USERID_UNKNOWN means every
    user. ``states`` and ``results`` are masks (0: any); a job passes if its state or its result does.
    ``since`` leaves out jobs that ended before that time. ``constraint`` is an RFC 43 object; all
    conditions must hold.
    """
    payload = {
        "max_entries": int(max_entries),
        "attrs": list(attrs),
        "since": float(since),
        "constraint": _conjunction(
            constraint, os.getuid() if userid is None else userid, states, results, name, queue
        ),
    }
    return JobListRPC(flux_handle, "job-list.list", payload)


def job_list_inactive(
    flux_handle: Handle,
    since: float = 0.0,
    max_entries: int = 1000,
    attrs: Sequence[str] = _ALL,
    name: str | None = None,
    queue: str | Iterable[str] | None = None,
    constraint: dict[str, Any] | None = None,
) -> JobListRPC:
    """:func:`job_list` of the inactive jobs of every user."""
    return job_list(
        flux_handle,
        max_entries,
        attrs,
        FLUX_USERID_UNKNOWN,
        FLUX_JOB_STATE_INACTIVE,
        0,
        since,
        name,
        queue,
        constraint,
    )


class JobListIdRPC(RPC):
    """The answer to a ``job-list.list-id`` request. ``jobid`` is the id as the caller wrote it."""

    jobid: Any = None

    def get_job(self) -> dict[str, Any]:
        """The job as job-list sends it. Raises FileNotFoundError if there is none."""
        return self.get()["job"]  # type: ignore[no-any-return]

    def get_jobinfo(self) -> JobInfo:
        """The job as a JobInfo."""
        return JobInfo(self.get_job())


def job_list_id(flux_handle: Handle, jobid: int | str, attrs: Sequence[str] = _ALL) -> JobListIdRPC:
    """Ask for one job."""
    target = JobID(jobid)
    rpc = JobListIdRPC(flux_handle, "job-list.list-id", {"id": int(target), "attrs": list(attrs)})
    rpc.jobid = target
    return rpc


def get_job(flux_handle: Handle, jobid: int | str) -> dict[str, Any] | None:
    """Everything about one job as a dict (see :meth:`JobInfo.to_dict`), None if there is no such job."""
    try:
        return job_list_id(flux_handle, jobid).get_jobinfo().to_dict(filtered=False)
    except FileNotFoundError:
        return None


class JobListIdsFuture(WaitAllFuture):
    """The answers to several :func:`job_list_id`. ``errors`` has a line for each that failed."""

    def __init__(self, children: Iterable[Future] | None = None, handle: Handle | None = None) -> None:
        super().__init__(children, handle)
        self.errors: list[str] = []

    def get_jobs(self) -> list[dict[str, Any]]:
        """The jobs that exist."""
        self.get()
        jobs = []
        for child in self.children:
            assert isinstance(child, JobListIdRPC)
            try:
                jobs.append(child.get_job())
            except FileNotFoundError:
                self.errors.append(f"JobID {child.jobid.orig} unknown")
            except OSError as exc:
                self.errors.append(f"rpc: {exc.strerror}")
        return jobs

    def get_jobinfos(self) -> list[JobInfo]:
        """The same as JobInfo objects."""
        return [JobInfo(job) for job in self.get_jobs()]


class JobList:
    """A query for jobs, described step by step.

    ``filters``: names of states and results, comma-separated or not. ``ids``: list just these jobs,
    whatever else is said. ``user``: a name, a number, ``"all"``, or None for the caller. Other arguments as
    for :func:`job_list`. ``errors`` collects a line per job that could not be listed.
    """

    #: Filters by state, and their masks.
    STATES: ClassVar = {row[1].lower(): row[0] for row in STATE_ROWS if row[1] != "NEW"}
    #: Filters by result, and their masks.
    RESULTS: ClassVar = {row[1].lower(): row[0] for row in RESULT_ROWS}

    def __init__(
        self,
        flux_handle: Handle,
        attrs: Iterable[str] = _ALL,
        filters: Iterable[str] = (),
        ids: Iterable[int | str] = (),
        user: str | int | None = None,
        max_entries: int = 1000,
        since: float = 0.0,
        name: str | None = None,
        queue: str | Iterable[str] | None = None,
        constraint: dict[str, Any] | None = None,
    ) -> None:
        self.handle = flux_handle
        self.attrs = list(attrs)
        self.states = 0
        self.results = 0
        self.max_entries = max_entries
        self.since = since
        self.name = name
        self.queue = queue
        self.constraint = constraint
        self.ids = [JobID(jobid) for jobid in ids or ()] or None
        self.errors: list[str] = []
        for words in filters:
            for word in words.split(","):
                self.add_filter(word)
        self.set_user(user)

    def set_user(self, user: str | int | None) -> None:
        """List the jobs of this user only. Raises ValueError."""
        if user is None:
            self.userid = os.getuid()
        elif user == "all":
            self.userid = FLUX_USERID_UNKNOWN
        elif isinstance(user, int):
            self.userid = user
        else:
            import pwd

            try:
                self.userid = pwd.getpwnam(user).pw_uid
            except KeyError:
                if not user.isdecimal():
                    raise ValueError(f"Invalid user {user} specified") from None
                self.userid = int(user)

    def add_filter(self, fname: str) -> None:
        """Also list jobs in this state or with this result. Raises ValueError."""
        word = fname.lower()
        if word in self.STATES:
            self.states |= self.STATES[word]
        elif word in self.RESULTS:
            self.results |= self.RESULTS[word]
        else:
            known = ", ".join((*self.STATES, *self.RESULTS))
            raise ValueError(f"Invalid filter specified: {fname}; expected one of {known}")

    def fetch_jobs(self) -> JobListRPC | JobListIdsFuture:
        """Send the query; ``.get_jobs()`` of the result is the list."""
        if self.ids:
            calls = [job_list_id(self.handle, jobid, self.attrs) for jobid in self.ids]
            return JobListIdsFuture(calls, self.handle)
        return job_list(
            self.handle,
            self.max_entries,
            self.attrs,
            self.userid,
            self.states,
            self.results,
            self.since,
            self.name,
            self.queue,
            self.constraint,
        )

    def jobs(self) -> list[JobInfo]:
        """Send the query, wait, and return the jobs."""
        future = self.fetch_jobs()
        jobs = [JobInfo(job) for job in future.get_jobs()]
        if isinstance(future, JobListIdsFuture):
            self.errors = future.errors
        return jobs
