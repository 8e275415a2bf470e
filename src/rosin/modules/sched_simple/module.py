# SPDX-License-Identifier: LGPL-3.0-or-later
"""``sched-simple``: allocates resources to jobs, in order (RFC 27; RFC 28 as a client).

Events only change the queue or the pool and ask for a pass; one pass is made at the end of a turn of the
loop. What a pass allocates is written to the KVS in one commit before any of it is announced.
"""

from __future__ import annotations

import asyncio
from errno import EINVAL
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.modulelog import ModuleLog
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.modules.sched_simple import options
from rosin.modules.sched_simple.forecast import forecast
from rosin.modules.sched_simple.inventory import Inventory, ranks_of
from rosin.modules.sched_simple.pool import InfeasibleError
from rosin.modules.sched_simple.queue import PendingJob, Queue
from rosin.modules.sched_simple.request import from_jobspec
from rosin.rfc import fluid, treeobj
from rosin.rfc.acquire import Change
from rosin.rfc.idset import Idset
from rosin.rfc.jobpath import job_key
from rosin.rfc.payload import field, id_field
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset_format import MAX_TIME, is_time

if TYPE_CHECKING:
    from rosin.modules.sched_simple.pool import Allocation
    from rosin.rfc.message import Message

    Placed = list[tuple[PendingJob, Allocation]]

SUCCESS, ANNOTATE, DENY, CANCEL = range(4)  # RFC 27 response types

#: Jobs allocated in one pass at most, so that other services of the loop get their turn.
PASS_LIMIT = 512
#: Pending jobs for which a start time is estimated, and seconds between forecasts.
FORECAST_JOBS, FORECAST_PERIOD = 8, 1.0
#: Seconds before another pass after R could not be written, doubled up to the maximum.
RETRY, RETRY_MAX = 1.0, 30.0


class SchedSimple(BrokerModule):
    """The scheduler."""

    name = "sched-simple"
    arguments = options.ARGUMENTS
    public_stats = True
    services = ("sched", "feasibility")
    follows = ("job-manager", "resource")

    async def start(self) -> None:
        """Acquire resources, learn what is in use, announce readiness."""
        self.options = options.parse(self.arg_values, self.config.get("sched-simple", {}))
        self._limit_log()
        self.queue = Queue()
        self.writing: dict[int, PendingJob] = {}  # allocated, R not yet in the KVS
        self.withdrawn: set[int] = set()  # of those, no longer wanted
        self.passes = 0
        self.allocations = 0
        self.retry = 0.0
        self.paused = False
        self.forecasting = False
        await self._acquire()
        await self._hello()
        answer = await self.h.rpc("job-manager.sched-ready", self.options.ready())
        depth = "unlimited" if self.options.depth is None else self.options.depth
        summary = self.resources.summary(self.resources.all())
        self.log.info(f"ready: queue-depth={depth} {summary}, {field(answer, 'count', int, 0)} jobs waiting")

    def _limit_log(self) -> None:
        """Drop what is less severe than the option log-level."""
        write, level = self.log, self.options.log_level
        self.log = ModuleLog(
            lambda severity, _, text: write(severity, text) if severity <= level else None, ""
        )

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Check the table; it takes effect when the module is loaded again."""
        options.parse({}, config.get("sched-simple", {}))

    def stats(self) -> dict[str, Any]:
        """Return counts; the names that flux-core's scheduler has, and more."""
        pool = self.resources.pool
        return {
            "sched_passes": self.passes,
            "allocations": self.allocations,
            "pending_jobs": len(self.queue),
            "running_jobs": len(pool.jobs),
            "up": pool.up.bit_count(),
        }

    # -- resources (RFC 28) --

    async def _acquire(self) -> None:
        self.acquisition = self.h.rpc("resource.acquire", flags=FLUX_RPC_STREAMING)
        stream = aiter(self.acquisition)
        first = await anext(stream)
        self.resources = Inventory(field(first, "resources", dict), self.options.alloc_mode)
        self._update(first)
        self.create_task(self._follow(stream))

    async def _follow(self, stream: Any) -> None:
        try:
            async for change in stream:
                self._update(change)
            text = "the stream ended"
        except (OSError, FormatError) as error:
            text = getattr(error, "strerror", None) or str(error)
        self.log.error(
            f"no more news of resources: {text}; nothing is scheduled until the module is reloaded"
        )
        self.resources.pool.mark_down(self.resources.pool.valid)

    def _update(self, response: dict[str, Any]) -> None:
        """Apply a response of ``resource.acquire``: ``up`` before ``down``, ``shrink`` last."""
        resources, change = self.resources, Change.decode(response)
        resources.pool.mark_up(resources.nodes(change.up))
        resources.pool.mark_down(resources.nodes(change.down))
        if change.shrink:
            resources.pool.shrink(resources.nodes(change.shrink))
        if change.add or change.remove:
            resources.change_properties(change.add, change.remove)
        if change.expiration is not None:
            resources.expiration = change.expiration
        self.call_soon_once(self._schedule)

    # -- what is in use (RFC 27 hello) --

    async def _hello(self) -> None:
        stream = self.h.rpc(
            "job-manager.sched-hello",
            {"partial-ok": "test-hello-nopartial" not in self.arg_values},
            flags=FLUX_RPC_STREAMING,
        )
        jobs = [job async for job in stream]
        await asyncio.gather(*(self._recover(job) for job in jobs))

    async def _recover(self, job: dict[str, Any]) -> None:
        """Mark the resources of a running job; a job whose resources are gone gets a fatal exception."""
        jobid = field(job, "id", int)
        try:
            answer = await self.h.rpc(
                "kvs.lookup", {"key": job_key(jobid, "R"), "namespace": "primary", "flags": 0}
            )
            R = ResourceSet.decode(treeobj.val_data(field(answer, "val", dict)))
            R.remove_ranks(field(job, "free", str, ""))
            self.resources.pool.register(jobid, dict(R.items()), R.expiration)
        except (OSError, ValueError) as error:
            self.log.error(f"hello: {fluid.encode(jobid, 'f58')}: {error}")
            note = "failed to reallocate R for running job"
            body = {"id": jobid, "severity": 0, "type": "scheduler-restart", "note": note}
            self.create_task(self._raise(jobid, body))

    async def _raise(self, jobid: int, body: dict[str, Any]) -> None:
        try:
            await self.h.rpc("job-manager.raise", body)
        except OSError as error:
            self.log.error(f"{fluid.encode(jobid, 'f58')}: exception not raised: {error.strerror}")

    # -- requests of the job manager (RFC 27) --

    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg: Message) -> Any:
        """Queue a job; it is answered by id, any number of times."""
        args = msg.args
        jobid = id_field(args)
        try:
            request = from_jobspec(args.get("jobspec"))
        except FormatError as error:
            self._answer(msg, {"id": jobid, "type": DENY, "note": f"cannot parse jobspec: {error}"})
            return DEFERRED
        priority = field(args, "priority", int)
        self.queue.push(PendingJob(jobid, priority, request, msg))
        self.call_soon_once(self._schedule)
        return DEFERRED

    @request_handler("sched.cancel", prefix=False)
    def cancel(self, msg: Message) -> Any:
        """Take a job out of the queue; one that is not there has been or is about to be answered."""
        jobid = id_field(msg.args)
        job = self.queue.remove(jobid)
        if jobid in self.writing:
            self.withdrawn.add(jobid)
        elif job is not None:
            self._answer(job.reply, {"id": job.id, "type": CANCEL})
            self.call_soon_once(self._schedule)
        return DEFERRED

    @request_handler("sched.disconnect", prefix=False)
    def sched_disconnect(self, msg: Message) -> Any:
        """Forget the requests of a job manager that went away; what its jobs hold stays allocated."""
        sender = msg.sender
        for job in [job for job in self.queue if job.reply.sender == sender]:
            self.queue.remove(job.id)
        return DEFERRED

    @request_handler("sched.free", prefix=False)
    def free(self, msg: Message) -> Any:
        """Take resources back."""
        args = msg.args
        jobid = id_field(args)
        ranks = ranks_of(field(args, "R", dict))
        try:
            wrong = self.resources.pool.free(jobid, ranks, final=field(args, "final", bool, False))
        except KeyError:
            self.log.error(f"free: {fluid.encode(jobid, 'f58')} holds nothing")
            return DEFERRED
        if wrong:
            text = f"R does not match the allocation on ranks {Idset(wrong).encode()}"
            self.log.error(f"free: {fluid.encode(jobid, 'f58')}: {text}")
        if self.queue:
            self.call_soon_once(self._schedule)
        return DEFERRED

    @request_handler("sched.prioritize", prefix=False)
    def prioritize(self, msg: Message) -> Any:
        """Set priorities: ``jobs`` is a list of [id, priority]; unknown ids are ignored."""
        for entry in field(msg.args, "jobs", list):
            if not isinstance(entry, list) or len(entry) != 2 or not all(type(n) is int for n in entry):
                raise FormatError("sched.prioritize: expected [id, priority] pairs")
            jobid, priority = entry
            if not self.queue.prioritize(jobid, priority) and jobid in self.writing:
                self.writing[jobid].priority = priority
        self.call_soon_once(self._schedule)
        return DEFERRED

    @request_handler("sched.expiration", prefix=False)
    def expiration(self, msg: Message) -> None:
        """Note a job's new end time: any is possible, nobody else was promised its resources."""
        jobid, expiration = id_field(msg.args), field(msg.args, "expiration", float)
        if not is_time(expiration):
            raise OSError(EINVAL, f"invalid expiration {expiration}: expected 0 to {MAX_TIME:g}")
        allocation = self.resources.pool.jobs.get(jobid)
        if allocation is not None:
            allocation.expiration = expiration

    @request_handler("sched.resource-status", prefix=False)
    def resource_status(self, msg: Message) -> dict[str, Any]:
        """Return R objects of all, down and allocated resources."""
        resources = self.resources
        return {
            "all": resources.describe(resources.all()),
            "allocated": resources.describe(resources.pool.allocated()),
            "down": resources.describe(resources.down()),
        }

    @request_handler("feasibility.check", prefix=False)
    def feasibility(self, msg: Message) -> None:
        """Succeed when the job could run with all resources up and free; EOVERFLOW when not."""
        try:
            self.resources.pool.check(from_jobspec(msg.args.get("jobspec")))
        except FormatError as error:
            raise OSError(EINVAL, str(error)) from None

    # -- the pass --

    def _schedule(self) -> None:
        """Allocate to the head of the queue until one does not fit."""
        if self.paused or self.stopping:
            return
        self.passes += 1
        pool = self.resources.pool
        placed: Placed = []
        now = self.now()
        while len(placed) < PASS_LIMIT:
            job = self.queue.head()
            if job is None:
                break
            request = job.request
            expiration = now + request.duration if request.duration > 0.0 else self.resources.expiration
            try:
                allocation = pool.alloc(job.id, request, expiration)
            except (InfeasibleError, FormatError) as error:
                note = error.strerror if isinstance(error, InfeasibleError) else str(error)
                self._answer(job.reply, {"id": job.id, "type": DENY, "note": note})
                self.queue.remove(job.id)
                continue
            if allocation is None:
                self._plan_forecast()
                break
            self.queue.remove(job.id)
            self.writing[job.id] = job
            placed.append((job, allocation))
        else:
            self.call_soon_once(self._schedule)
        if placed:
            self.create_task(self._announce(placed, now))

    def _plan_forecast(self) -> None:
        if not self.forecasting:
            self.forecasting = True
            self.call_later(FORECAST_PERIOD, self._forecast)

    def _forecast(self) -> None:
        """Tell the first jobs of the queue when they may start, if that changed by a second or more."""
        self.forecasting = False
        jobs = self.queue.first(FORECAST_JOBS)
        for jobid, start in forecast(self.resources.pool, jobs, self.now()).items():
            job = self.queue.get(jobid)
            if job is None or (start is None and job.estimate is None):
                continue
            if start is None or job.estimate is None or abs(start - job.estimate) >= 1.0:
                job.estimate = start
                annotations = {"sched": {"t_estimate": start}}
                self._answer(job.reply, {"id": jobid, "type": ANNOTATE, "annotations": annotations})

    async def _announce(self, placed: Placed, now: float) -> None:
        """Write the R of each job, then tell the job manager."""
        encode, summary = self.resources.encode, self.resources.summary
        answers = []
        ops = []
        for job, allocation in placed:
            R = encode(allocation, now)
            answers.append((job, R, summary(allocation.nodes)))
            ops.append({"key": job_key(job.id, "R"), "flags": 0, "dirent": treeobj.val(_json.dumps(R))})
        try:
            await self.h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})
        except OSError as error:
            self._postpone(placed, error)
            return
        self.retry = 0.0
        self.allocations += len(answers)
        for job, R, text in answers:
            del self.writing[job.id]
            self.withdrawn.discard(job.id)  # the job manager frees what it no longer wants (RFC 27)
            sched: dict[str, Any] = {"resource_summary": text}
            if job.estimate is not None:
                sched["t_estimate"] = None  # it has started
            annotations = {"sched": sched}
            self._answer(job.reply, {"id": job.id, "type": SUCCESS, "R": R, "annotations": annotations})

    def _postpone(self, placed: Placed, error: OSError) -> None:
        """Put jobs back whose R could not be written; they are tried again after a while."""
        for job, _ in placed:
            del self.writing[job.id]
            self.resources.pool.release(job.id)
            if job.id in self.withdrawn:
                self.withdrawn.discard(job.id)
                self._answer(job.reply, {"id": job.id, "type": CANCEL})
            else:
                self.queue.push(job)
        self.retry = min(max(self.retry * 2, RETRY), RETRY_MAX)
        self.log.error(
            f"cannot write R of {len(placed)} job(s): {error.strerror}; trying again in {self.retry:.0f}s"
        )
        if not self.paused:
            self.paused = True
            self.call_later(self.retry, self._resume)

    def _resume(self) -> None:
        self.paused = False
        self.call_soon_once(self._schedule)

    def _answer(self, request: Message, payload: dict[str, Any]) -> None:
        self.respond(request, payload)
