# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-list service (RFC 43).

A streaming ``list`` is answered with many jobs per response, one response per turn of the loop, from a
snapshot of immutable rows. Requests that arrive before the journal's history is complete wait for its end.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from rosin import kvs
from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.broker.waiters import Waiter, Waiters
from rosin.constants import (
    FLUX_JOB_STATE_ACTIVE,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_KVS_READDIR,
)
from rosin.errors import FormatError
from rosin.job.journal import events_journal
from rosin.job.table.attributes import ATTRIBUTES, SHAPE, USERID, Projection, Row, kept_row
from rosin.job.table.constraint import Context, JobConstraint, compile_constraint, legacy_constraint
from rosin.job.table.record import ActiveJob
from rosin.job.table.table import JobTable
from rosin.modules.job_list.listings import SLICE, Listings
from rosin.modules.job_list.settings import JobListSettings
from rosin.rfc.jobpath import job_key
from rosin.rfc.message import Message
from rosin.rfc.payload import field, id_field, list_field
from rosin.rfc.role import privileged

#: Seconds between two responses of a streaming job-stats.
STATS_INTERVAL = 0.2


class _Wait(Waiter):
    """A list-id request for a job that is not known yet or has not reached the wanted state."""

    __slots__ = ("projection", "state")

    def __init__(self, msg: Message, jobid: int, projection: Projection, state: int) -> None:
        super().__init__(msg, jobid)
        self.projection = projection
        self.state = state

    def satisfied_by(self, job: ActiveJob) -> bool:
        if job.state in (FLUX_JOB_STATE_NEW, FLUX_JOB_STATE_INACTIVE):
            return job.state == FLUX_JOB_STATE_INACTIVE
        return not self.state or bool(self.state & job.seen)


class JobListModule(BrokerModule):
    """See the module's text."""

    name = "job-list"
    arguments = ()
    follows = ("job-manager",)

    async def start(self) -> None:
        self._table = JobTable()
        self._stopping = False
        self._paused = False
        self._deferred = self.waiters()  # for the history, by handler
        self._waits: Waiters[_Wait] = self.waiters()  # by job id
        self._lookups = 0
        self._watchers = self.waiters()
        self._listings = Listings(self)
        self._stats_timer: Any = None
        self.reconfigure(self.config)
        self._history = self.loop.create_future()
        self._journal = events_journal(self.h, rows=SHAPE)
        self._journal.listen(self._journal_ready)
        await self._history

    async def stop(self) -> None:
        self._stopping = True
        self._journal.abandon()
        self._watchers.end()
        self._waits.end(errno.ECANCELED, "job-list is shutting down")

    def reconfigure(self, config: dict[str, Any]) -> None:
        self.settings = JobListSettings.parse(config, self.arg_values)
        self._context = Context(int(self.attrs.get("size", "1")), dict(self.settings.parents))
        self._table.stats.configure(self.settings.queues)

    def stats(self) -> dict[str, Any]:
        return {
            "jobs": self._table.index.counts(),
            "idsync": {"lookups": self._lookups, "waits": len(self._waits.keys())},
            "stats_watchers": len(self._watchers),
        }

    # -- the journal ------------------------------------------------------------------------------

    @request_handler("job-state-pause")
    def pause(self, _msg: Message) -> None:
        """Take no events until :meth:`unpause`: for who has to see jobs as they have been."""
        self._paused = True

    @request_handler("job-state-unpause")
    def unpause(self, _msg: Message) -> None:
        self._paused = False
        self._journal_ready(self._journal)

    def _journal_ready(self, journal: Any) -> None:
        while journal.is_ready() and not self._paused:
            try:
                response = journal.get()
            except OSError as exc:
                self._journal_ended(exc)
                return
            except FormatError as exc:
                self.log.error(f"journal: {exc}")
                journal.reset()
                continue
            self._process(response)
            journal.reset()

    def _journal_ended(self, exc: OSError) -> None:
        if not self._history.done():
            self._history.set_exception(OSError(exc.errno, f"job-manager.events-journal: {exc.strerror}"))
        elif exc.errno != errno.ENODATA and not self._stopping:
            self.log.error(f"journal: {exc.strerror}; listings stay as they are until job-list is reloaded")

    def _process(self, response: Any) -> None:
        job = None
        try:
            job = self._table.process(response)
        except FormatError as exc:
            self.log.error(f"journal: {exc}")
        if self._waits and self._table.ready:
            self._wake(response.get("id"), job)
        if self._table.stats.changed and self._watchers and self._stats_timer is None:
            self._stats_timer = self.call_later(STATS_INTERVAL, self._publish_stats)
        if self._table.ready and not self._history.done():
            self._history.set_result(None)
            for waiter in self._deferred.take():
                self._resume(waiter.key, waiter.msg)

    def _resume(self, handler: Callable[[Message], Any], msg: Message) -> None:
        try:
            result = handler(msg)
        except Exception as exc:
            self.respond_exception(msg, exc)
        else:
            if result is not DEFERRED:
                self.respond(msg, result)

    def _wake(self, jobid: Any, job: ActiveJob | None) -> None:
        if jobid not in self._waits:
            return
        if job is None:
            known = self._table.index.jobs.get(jobid)
            if known is None:  # the job was found to be invalid
                self._waits.end(errno.ENOENT, key=jobid)
                return
            job = known if isinstance(known, ActiveJob) else None
        if job is not None:
            for wait in self._waits.take(jobid, lambda wait: wait.satisfied_by(job)):
                self._respond_job(wait.msg, wait.projection, job.row())

    @event_handler("job-purge-inactive")
    def _purged(self, msg: Message) -> None:
        count = self._table.purge(field(msg.args, "jobs", list))
        self.log.debug(f"purged {count} inactive jobs")

    @request_handler("rows")
    def rows(self, msg: Message) -> bytes:
        """Private to job-manager: rows of inactive jobs, to be kept; lines, the first one their format."""
        jobs = self._table.index.jobs
        found = [jobs.get(id) for id in list_field(msg.args, "ids", int)]
        return b"\n".join(
            [SHAPE.encode(), *[kept_row(row) if isinstance(row, tuple) else b"" for row in found]]
        )

    # -- access -----------------------------------------------------------------------------------

    def _restricted(self, msg: Message) -> bool:
        return self.settings.private and not privileged(msg.rolemask)

    def _respond_job(self, msg: Message, projection: Projection, row: Row) -> None:
        if self._restricted(msg) and row[USERID] != msg.userid:
            self.respond_error(msg, errno.ENOENT)
        else:
            self.respond(msg, {"job": projection.object(row)})

    # -- list -------------------------------------------------------------------------------------

    @request_handler("list", allow_guest=True)
    def list_jobs(self, msg: Message) -> Any:
        if not self._table.ready:
            self._deferred.add(Waiter(msg, self.list_jobs))
            return DEFERRED
        projection, compiled, arguments = self._query(msg)
        index, step = self._table.index, max(1, SLICE // compiled.weight)
        if len(index.jobs) > step:
            self._listings.search(msg, projection, index.scan(step, *arguments))
            return DEFERRED
        rows = index.select(*arguments)
        if msg.streaming:
            self._listings.stream(msg, projection, rows)
            return DEFERRED
        return {"jobs": projection.objects(rows)}

    def _query(self, msg: Message) -> tuple[Projection, JobConstraint, tuple[Any, ...]]:
        """A request's attributes and constraint, and what the index is to be asked."""
        args = msg.args
        try:
            max_entries = field(args, "max_entries", int)
            attrs = args.get("attrs")
            since = field(args, "since", float, 0.0)
            if "attrs" not in args:
                raise FormatError("payload: missing field 'attrs'")
            if max_entries < 0:
                raise FormatError("max_entries < 0 not allowed")
            if not since >= 0.0:
                raise FormatError("since < 0.0 not allowed")
            if not isinstance(attrs, list):
                raise FormatError("attrs must be an array")
            constraint = args["constraint"] if "constraint" in args else legacy_constraint(args)
            compiled = self._compile(constraint, msg)
        except FormatError as exc:
            raise FormatError(f"invalid payload: {exc}") from None
        projection = Projection(attrs)
        most = limit // compiled.cost if (limit := self.settings.max_comparisons) else 0
        return projection, compiled, (compiled.matches, compiled.may, since, max_entries, most)

    def _compile(self, constraint: Any, msg: Message) -> JobConstraint:
        if self._restricted(msg):
            own = {"userid": [msg.userid]}
            constraint = own if constraint == {} else {"and": [own, constraint]}
        try:
            return compile_constraint(constraint, self._context)
        except FormatError as exc:
            raise FormatError(f"constraint object invalid: {exc}") from None

    # -- list-id ----------------------------------------------------------------------------------

    @request_handler("list-id", allow_guest=True)
    def list_id(self, msg: Message) -> Any:
        if not self._table.ready:
            self._deferred.add(Waiter(msg, self.list_id))
            return DEFERRED
        args = msg.args
        try:
            jobid = id_field(args)
            state = field(args, "state", int, 0)
            attrs = args.get("attrs")
            if not isinstance(attrs, list):
                raise FormatError("attrs must be an array")
            if state & ~(FLUX_JOB_STATE_ACTIVE | FLUX_JOB_STATE_INACTIVE):
                raise FormatError("invalid state specified")
        except FormatError as exc:
            raise FormatError(f"invalid payload: {exc}") from None
        wait = _Wait(msg, jobid, Projection(attrs), state)
        if jobid in self._table.index.jobs:
            self._answer_or_wait(wait)
        else:
            self.create_task(self._look_for(wait))
        return DEFERRED

    def _answer_or_wait(self, wait: _Wait) -> None:
        job = self._table.index.jobs.get(wait.key)
        if isinstance(job, tuple):
            self._respond_job(wait.msg, wait.projection, job)
        elif job is not None and self._restricted(wait.msg) and job.userid != wait.msg.userid:
            self.respond_error(wait.msg, errno.ENOENT)
        elif job is not None and wait.satisfied_by(job):
            self._respond_job(wait.msg, wait.projection, job.row())
        else:
            self._waits.add(wait)

    async def _look_for(self, wait: _Wait) -> None:
        """A job that is in the KVS but not known is on its way through the journal."""
        self._lookups += 1
        try:
            await kvs.lookup_async(self.h, job_key(wait.key), kvs.PRIMARY, FLUX_KVS_READDIR)
        except (FormatError, OSError) as exc:
            errnum = exc.errno if isinstance(exc, OSError) and exc.errno else errno.ENOENT
            self.respond_error(wait.msg, errnum)
        else:
            self._answer_or_wait(wait)
        finally:
            self._lookups -= 1

    @request_handler("list-attrs", allow_guest=True)
    def list_attrs(self, msg: Message) -> dict[str, Any]:
        return {"attrs": [*ATTRIBUTES, "all"]}

    # -- counts -----------------------------------------------------------------------------------

    @request_handler("job-stats", allow_guest=True)
    def job_stats(self, msg: Message) -> Any:
        if not self._table.ready:
            self._deferred.add(Waiter(msg, self.job_stats))
            return DEFERRED
        self._refuse_restricted(msg)
        if not msg.streaming:
            return self._table.stats.encode()
        self._watchers.add(Waiter(msg))
        self.respond(msg, self._table.stats.encode())
        return DEFERRED

    @request_handler("stats-get", allow_guest=True)
    def stats_get(self, msg: Message) -> dict[str, Any]:
        self._refuse_restricted(msg)
        return self.stats()

    def _refuse_restricted(self, msg: Message) -> None:
        if self._restricted(msg):
            raise OSError(errno.EPERM, "private mode: statistics are shown to the instance owner only")

    def _publish_stats(self) -> None:
        self._stats_timer = None
        self._table.stats.changed = False
        if self._watchers:
            self._watchers.respond(self._table.stats.encode())

    @request_handler("job-stats-cancel", allow_guest=True)
    def _cancel_stats(self, msg: Message) -> Any:
        self._watchers.cancel(msg)
        return DEFERRED
