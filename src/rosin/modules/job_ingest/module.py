# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``job-ingest`` service: ``job-ingest.submit`` takes a signed job request and returns the job's id.

Jobspecs are validated in this process, by plugins in files in others. What arrives in one turn of the loop
is one commit and one announcement; there is no timer. The id is returned when job-manager has stored the job.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.broker.module import DEFERRED, BrokerModule, NotNeeded, request_handler
from rosin.errors import FormatError
from rosin.modules.job_ingest.batch import SubmissionBatch, refusals
from rosin.modules.job_ingest.pipeline import Pipeline
from rosin.modules.job_ingest.request import IngestRequest, validate
from rosin.modules.job_ingest.settings import ARGUMENTS, IngestSettings
from rosin.modules.job_ingest.validator import FEASIBILITY, INSTANCE, JOBSPEC, check_constraints
from rosin.modules.job_ingest.worker import PluginProcess, environment
from rosin.rfc import fluid
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message

#: Seconds that stopping the module may wait for what it has sent to the KVS and to job-manager.
_STOP_TIMEOUT = 20.0
#: Jobs of one commit, and of one message to job-manager: others have their turn in between.
_BATCH = 150


def _worker(used: bool, counts: dict[str, int]) -> dict[str, Any]:
    pids = [os.getpid()] if used else []
    return {"running": len(pids), "trash": 0, "backlog": 0, "pids": pids, **counts}


class JobIngest(BrokerModule):
    """Checks, ids, batches."""

    name = "job-ingest"
    arguments = ARGUMENTS
    public_stats = True

    async def start(self) -> None:
        rank = self.h.rank
        self.settings = IngestSettings.parse(self.config, self.arg_values)
        limit = self.settings.max_generator
        if rank > limit:
            raise NotNeeded(f"job-ingest gives no job ids on ranks > {limit}: those above do")
        self._hosts = frozenset(Hostlist(self.attrs.get("hostlist", "")))
        self._batch = SubmissionBatch()
        self._batches: set[asyncio.Task[None]] = set()
        self._checking: set[IngestRequest] = set()
        self._pipeline = Pipeline(self.settings, self)
        self._counts = {"requests": 0, "errors": 0}
        self._generator = fluid.Generator(rank, await self._first_timestamp(rank), self._now_ms())

    async def _first_timestamp(self, rank: int) -> int:
        """Milliseconds since the epoch of this instance's ids, later than those of all ids it has given."""
        try:
            if rank:
                return int((await self.h.rpc("job-ingest.getinfo", {}, 0))["timestamp"])
            return await self._after_last_job()
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            missing = "job-ingest on rank 0" if rank else "job-manager"
            raise OSError(errno.ENOSYS, f"job-ingest: {missing} must be loaded first") from None

    async def _after_last_job(self) -> int:
        """The first timestamp after those of all jobs, whichever rank has given their ids."""
        return fluid.timestamp(int((await self.h.rpc("job-manager.getinfo", {}))["max_jobid"])) + 1

    async def stop(self) -> None:
        await self._pipeline.stop()
        checking, self._checking = self._checking, set()
        for submission in checking:
            self.respond_error(submission.msg, errno.ENOSYS, "job-ingest is shutting down")
        self._flush()
        if self._batches:
            await asyncio.wait(self._batches, timeout=_STOP_TIMEOUT)

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Take the tables alone: arguments that win over them hold until then, as flux-core's do."""
        new = IngestSettings.parse(config)
        self.settings = self.settings._replace(
            policy=new.policy, checks=new.checks, instances=new.instances, crew=new.crew, room=new.room
        )
        before, self._pipeline = self._pipeline, Pipeline(self.settings, self)
        self.create_task(before.retire())

    def stats(self) -> dict[str, Any]:
        """flux-core's shape; what comes with Rosin is done in this process, at once."""
        changed = self._counts["requests"] if self.settings.policy.adds else 0
        frobnicator = _worker(self.settings.policy.adds, {"requests": changed, "errors": 0})
        checked = _worker(bool(self.settings.checks), self._counts)
        own = {"frobnicator": frobnicator, "validator": checked}
        return {"pipeline": {**own, **self._pipeline.stats()}}

    def begin(self, argv: list[str]) -> PluginProcess:
        """Start a process of plugins. Raises OSError."""
        worker = PluginProcess(argv, environment(os.environ, self.attrs.get("local-uri", "")), self.log.error)
        if self.zygote is not None:
            self.zygote.guard(worker.pid)  # it is ended when this broker is killed
        return worker

    def blame(self, text: str) -> None:
        """Log what has become of such a process."""
        self.log.error(text)

    def _now_ms(self) -> int:
        """The clock of job ids: steps of the wall clock must neither use the ids up nor repeat them."""
        return int(self.monotonic() * 1000)

    @request_handler("getinfo")
    async def getinfo(self, _msg: Message) -> dict[str, Any]:
        """Where a rank begins that may have given ids before, by a clock of its own."""
        last = 0 if self.h.rank else await self._after_last_job()
        return {"timestamp": max(last, self._generator.timestamp(self._now_ms()))}

    # -- submission -----------------------------------------------------------------------------------

    @request_handler("submit", allow_guest=True)
    def submit(self, msg: Message) -> Any:
        self._counts["requests"] += 1
        try:
            submission = IngestRequest(msg)
            self._check_root(submission)
            if self._pipeline.apart:
                self.create_task(self._pass(submission, self._pipeline))
                return DEFERRED
            self._check(submission, submission.jobspec)
        except OSError:
            self._counts["errors"] += 1
            raise
        self._ask(submission, self.settings.policy.apply(submission.jobspec))
        return DEFERRED

    def _wanted(self, submission: IngestRequest) -> frozenset[str]:
        return self.settings.checks if submission.validate else frozenset()

    def _check(self, submission: IngestRequest, jobspec: Any) -> None:
        """Check a jobspec in this process. Raises OSError."""
        wanted = self._wanted(submission)
        if JOBSPEC in wanted or INSTANCE in wanted:
            validate(jobspec, self.settings.strict)
            check_constraints(jobspec, self._hosts)
        elif not isinstance(jobspec, dict):
            raise OSError(errno.EINVAL, "jobspec: expected an object")
        self.settings.policy.check_access(jobspec, submission.userid)
        if INSTANCE in wanted and self.settings.instances is not None:
            self.settings.instances.check(jobspec)

    async def _pass(self, submission: IngestRequest, pipeline: Pipeline) -> None:
        """Let plugins in files change the jobspec, check it, and let such plugins check it."""
        self._checking.add(submission)
        try:
            jobspec = await pipeline.change(submission)
            self._check(submission, jobspec)
            if submission.validate:
                await pipeline.check(submission, jobspec)
        except OSError as error:
            self._counts["errors"] += 1
            if submission in self._checking:
                self._checking.discard(submission)
                self.respond_exception(submission.msg, error)
            return
        if submission in self._checking:
            self._checking.discard(submission)
            self._ask(submission, jobspec)

    def _ask(self, submission: IngestRequest, jobspec: dict[str, Any]) -> None:
        """Take the job, if need be when the scheduler has said that it could run."""
        if FEASIBILITY in self._wanted(submission):
            self._checking.add(submission)
            rpc = self.h.rpc("feasibility.check", {"jobspec": jobspec})
            rpc.then(self._checked, submission, jobspec)
        else:
            self._add(submission, jobspec)

    def _check_root(self, submission: IngestRequest) -> None:
        """Refuse jobs of root where somebody else starts them: no process could run as root (flux-core)."""
        if submission.userid == 0 and self.h.userid != 0 and not self.settings.allow_root_jobs:
            raise OSError(errno.EPERM, "submission of jobs as user root not supported")

    def _checked(self, rpc: RPC, submission: IngestRequest, jobspec: dict[str, Any]) -> None:
        """The instance could run the job, or not; without a service that knows, the job is taken."""
        if submission not in self._checking:
            return
        self._checking.discard(submission)
        try:
            try:
                rpc.get()
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
            self._add(submission, jobspec)
        except (OSError, FormatError) as error:
            self._counts["errors"] += 1
            self.respond_exception(submission.msg, error)

    def _add(self, submission: IngestRequest, jobspec: dict[str, Any]) -> None:
        self._batch.add(self._generator.next(self._now_ms()), submission, jobspec, self.now())
        if len(self._batch.submissions) < _BATCH:
            self.call_soon_once(self._flush)
        else:
            self._flush()

    def _flush(self) -> None:
        if self._batch.submissions:
            batch, self._batch = self._batch, SubmissionBatch()
            task = self.create_task(self._send(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _send(self, batch: SubmissionBatch) -> None:
        """Store and announce *batch*, then answer all of its submissions."""
        try:
            await kvs.commit_async(self.h, 0, kvs.PRIMARY, batch.txn)
        except Exception as error:
            self._fail(batch, error, "KVS commit failed")
            return
        try:
            refused = refusals(await self.h.rpc("job-manager.submit", batch.announcement()))
        except Exception as error:
            self._fail(batch, error, "job-manager did not take the job")
            # Cut off from job-manager nobody knows whether it has taken it.
            if not isinstance(error, OSError) or error.errno != errno.EHOSTUNREACH:
                await self._remove(list(batch.submissions))
            return
        for id, submission in batch.submissions.items():
            if id in refused:
                self.respond_error(submission.msg, errno.EINVAL, refused[id])
            else:
                self.respond(submission.msg, {"id": id})
        if refused:
            await self._remove(list(refused))

    def _fail(self, batch: SubmissionBatch, error: Exception, what: str) -> None:
        for submission in batch.submissions.values():
            if isinstance(error, OSError):
                text = f"{what}: {error.strerror}"
                self.respond_error(submission.msg, error.errno or errno.EIO, text)
            else:
                self.respond_exception(submission.msg, error)

    async def _remove(self, ids: list[int]) -> None:
        """Remove what was stored of jobs that do not exist; job-manager would do so at its next start."""
        txn = kvs.KVSTxn(self.h, namespace=kvs.PRIMARY)
        for id in ids:
            txn.unlink(job_key(id))
        try:
            await txn.commit_async()
        except OSError as error:
            self.log.error(f"could not remove {len(ids)} refused jobs from the KVS: {error.strerror}")
