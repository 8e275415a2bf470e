# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27, and RFC 28 as a client: what every scheduler says and hears; what it decides is its policy's.

Messages only change the schedule and ask for a pass; one pass is made at the end of a turn of the loop. What
a pass allocates is written to the KVS in one commit before any of it is announced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from errno import EEXIST, EINVAL, ENODATA, ENOENT, ENOSYS
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from rosin import _json, kvs
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.modulelog import ModuleLog
from rosin.broker.waiters import Waiter
from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.job.control import job_raise_async
from rosin.modules.sched import settings
from rosin.modules.sched.job import PendingJob
from rosin.modules.sched.policy import Policy
from rosin.modules.sched.schedule import Schedule
from rosin.modules.sched.steps import in_slices
from rosin.modules.sched.why import why
from rosin.resource.allocator import counted
from rosin.resource.allocator.inventory import Inventory
from rosin.resource.allocator.locality import described
from rosin.resource.allocator.request import from_jobspec
from rosin.rfc import alloc_protocol, fluid, treeobj
from rosin.rfc.acquire import Acquired, Change
from rosin.rfc.alloc_protocol import DENY, AllocJob, AllocResponse, Free
from rosin.rfc.jobpath import job_key
from rosin.rfc.payload import field, id_field
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from rosin.broker.arguments import Argument
    from rosin.modules.sched.schedule import Placed
    from rosin.rfc.message import Message

#: Seconds between forecasts.
FORECAST_PERIOD = 1.0
#: Seconds that a pass takes before others get their turn.
SLICE = 0.01
#: Seconds before another pass after R could not be written, doubled up to the maximum.
RETRY, RETRY_MAX = 1.0, 30.0


class Scheduler(BrokerModule):
    """A scheduler. A subclass has a ``name`` and a ``policy``.

    Attributes:
        settings: values of its arguments and of its table of the configuration, by name.
        schedule: who waits and what is free.
    """

    #: What decides.
    policy: ClassVar[type[Policy]] = Policy
    #: Other names of settings.
    aliases: ClassVar[Mapping[str, str]] = {}
    #: Jobs that have lost some of their nodes are taken over when the scheduler starts.
    partial_ok = True
    arguments: ClassVar[tuple[Argument, ...]] = settings.ARGUMENTS
    public_stats = True
    services = ("sched", "feasibility")
    follows = ("job-manager", "resource")

    async def start(self) -> None:
        """Acquire resources, learn what is in use, announce readiness."""
        self.settings = self._parse(self.config)
        self.read_at_start = (self.name,)
        self._limit_log(self.settings["log-level"])
        self.passes = 0
        self.retry = 0.0
        self.paused = False
        self.asked = False
        self.cut_short = False
        self.longest = 0.0
        self.forecasting = False
        self._priorities: deque[Generator[None, None, None]] = deque()  # that are being set
        self._requests: dict[int, Message] = {}  # sched.alloc that is not answered for good
        self._early = self.waiters()  # requests about resources that are not known yet
        self.begun = False
        self._use({"resources": ResourceSet().encode(), "up": ""})
        stream = aiter(self.h.rpc("resource.acquire", flags=FLUX_RPC_STREAMING))
        if await self._known():
            await self._begin(stream)
        else:  # other brokers have to look at their machines first, and wait for this one to start
            self.create_task(self._begin_later(stream))

    async def stop(self) -> None:
        self._early.end(ENOSYS, f"{self.module_name} is unloading")

    async def _known(self) -> bool:
        """Whether the resource service knows the resources, and so answers at once."""
        try:
            await self.h.rpc("resource.get")
        except OSError as error:
            return error.errno != ENOENT
        return True

    async def _begin_later(self, stream: Any) -> None:
        try:
            await self._begin(stream)
        except (OSError, FormatError) as error:
            text = getattr(error, "strerror", None) or str(error)
            self.log.error(f"nothing is scheduled until the module is reloaded: {text}")

    async def _begin(self, stream: Any) -> None:
        """Take the resources, learn what is in use of them, announce readiness."""
        acquired = await anext(stream, None)
        if acquired is None:
            raise OSError(ENODATA, "resource.acquire: the stream has ended")
        self._use(acquired)
        self.create_task(self._follow(stream))
        await self._hello()
        limit = self.settings["queue-depth"]
        answer = await self.h.rpc("job-manager.sched-ready", alloc_protocol.ready(limit))
        waiting = alloc_protocol.queue_depth(answer)
        resources = self.schedule.resources
        summary = resources.summary(resources.all())
        self.log.info(f"ready: queue-depth={limit or 'unlimited'} {summary}, {waiting} jobs waiting")
        self.begun = True
        for waiter in self._early.take():
            self.receive_request(waiter.msg)

    def _parse(self, config: dict[str, Any]) -> Mapping[str, Any]:
        return settings.parse(self.name, self.arguments, self.aliases, config, self.arg_values)

    def _limit_log(self, level: int) -> None:
        """Drop what is less severe."""
        write = self.log
        self.log = ModuleLog(
            lambda severity, _, text: write(severity, text) if severity <= level else None, ""
        )

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Check the table; it takes effect when the module is loaded again."""
        self._parse(config)

    def stats(self) -> dict[str, Any]:
        """Return counts; the names that flux-core's scheduler has, and more."""
        pool = self.schedule.resources.pool
        return {
            "sched_passes": self.passes,
            "longest_slice": self.longest,
            "allocations": self.schedule.allocations,
            "pending_jobs": len(self.schedule.queue),
            "running_jobs": len(pool.jobs),
            "up": pool.up.bit_count(),
        }

    # -- resources (RFC 28) --

    def _use(self, acquired: Any) -> None:
        resources = Acquired(acquired)
        packed = {"alloc-mode": "best-fit"} if described(resources.resources()) else {}  # RFC 49
        policy = self.policy({**packed, **self.settings})
        self.schedule = Schedule(policy, Inventory(resources, policy.place))

    async def _follow(self, stream: Any) -> None:
        resources = self.schedule.resources
        try:
            async for change in stream:
                resources.apply(Change.decode(change))
                self._ask_for_pass()
            text = "the stream ended"
        except (OSError, FormatError) as error:
            text = getattr(error, "strerror", None) or str(error)
        self.log.error(
            f"no more news of resources: {text}; nothing is scheduled until the module is reloaded"
        )
        resources.pool.mark_down(resources.pool.valid)

    # -- what is in use (RFC 27 hello) --

    async def _hello(self) -> None:
        request = {"partial-ok": self.partial_ok}
        stream = self.h.rpc("job-manager.sched-hello", request, flags=FLUX_RPC_STREAMING)
        jobs = [AllocJob.decode_hello(job) async for job in stream]
        await asyncio.gather(*(self._recover(job) for job in jobs))

    async def _recover(self, job: AllocJob) -> None:
        """Mark the resources of a running job; a job whose resources are gone gets a fatal exception.

        Raises OSError when the KVS cannot tell: nobody is to end for that.
        """
        try:
            answer = await kvs.lookup_async(self.h, job_key(job.id, "R"), kvs.PRIMARY)
            R = ResourceSet.decode(treeobj.val_data(field(answer, "val", dict)))
            R.remove_ranks(job.free)
            pool = self.schedule.resources.pool
            pools = counted.decode(R.scheduling)
            pool.register(job.id, dict(R.items()), R.expiration, pools).userid = job.userid
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in (EEXIST, ENOENT):
                name = fluid.encode(job.id, "f58")
                raise OSError(error.errno, f"cannot read R of {name}: {error.strerror}") from None
            self.log.error(f"hello: {fluid.encode(job.id, 'f58')}: {error}")
            note = "failed to reallocate R for running job"
            self.create_task(self._raise(job.id, note))

    async def _raise(self, jobid: int, note: str) -> None:
        try:
            await job_raise_async(self.h, jobid, "scheduler-restart", 0, note)
        except OSError as error:
            self.log.error(f"{fluid.encode(jobid, 'f58')}: exception not raised: {error.strerror}")

    # -- requests of the job manager (RFC 27) --

    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg: Message) -> Any:
        """Queue a job; it is answered by id, any number of times."""
        job = AllocJob.decode_alloc(msg.args)
        self._requests[job.id] = msg
        try:
            request = from_jobspec(job.jobspec)
        except FormatError as error:
            self._answer([AllocResponse(job.id, DENY, note=f"cannot parse jobspec: {error}")])
            return DEFERRED
        self.schedule.add(PendingJob(job.id, job.priority, request, job.userid, job.t_submit))
        self._ask_for_pass()
        return DEFERRED

    @request_handler("sched.cancel", prefix=False)
    def cancel(self, msg: Message) -> Any:
        """Take a job out of the queue; one that is not there has been or is about to be answered."""
        answer = self.schedule.cancel(alloc_protocol.canceled(msg.args))
        if answer is not None:
            self._answer([answer])
            self._ask_for_pass()
        return DEFERRED

    @request_handler("sched.disconnect", prefix=False)
    def sched_disconnect(self, msg: Message) -> Any:
        """Forget the requests of a job manager that went away; what its jobs hold stays allocated."""
        sender = msg.sender
        for jobid in [jobid for jobid, request in self._requests.items() if request.sender == sender]:
            del self._requests[jobid]
            self.schedule.queue.pop(jobid)
        return DEFERRED

    @request_handler("sched.free", prefix=False)
    def free(self, msg: Message) -> Any:
        """Take resources back."""
        complaint = self.schedule.free(Free.decode(msg.args))
        if complaint:
            self.log.error(f"free: {complaint}")
        if self.schedule.queue:
            self._ask_for_pass()
        return DEFERRED

    @request_handler("sched.prioritize", prefix=False)
    def prioritize(self, msg: Message) -> Any:
        """Set priorities; unknown ids are ignored. Passes wait until all are set, however many that are."""
        self._priorities.append(self.schedule.prioritize(alloc_protocol.priorities(msg.args)))
        if len(self._priorities) == 1:
            self._prioritize()
        return DEFERRED

    def _prioritize(self) -> None:
        """Set priorities for as long as others may have to wait, those that came first in front."""
        began = perf_counter()
        while self._priorities:
            for _ in self._priorities[0]:
                if perf_counter() - began >= SLICE:
                    self.loop.call_soon(self._prioritize)
                    return
            self._priorities.popleft()
        self._ask_for_pass()

    @request_handler("sched.expiration", prefix=False)
    def expiration(self, msg: Message) -> None:
        """Note a job's new end time. Fails with EINVAL when it is no time."""
        try:
            self.schedule.expire(*alloc_protocol.expiration(msg.args))
        except FormatError as error:
            raise OSError(EINVAL, str(error)) from None

    @request_handler("sched.resource-status", prefix=False)
    def resource_status(self, msg: Message) -> Any:
        """Return R objects of all, down and allocated resources."""
        if not self.begun:
            return self._later(msg)
        resources = self.schedule.resources
        pool = resources.pool
        return {
            "all": resources.describe(resources.all(), pool.counted.sizes()),
            "allocated": resources.describe(pool.allocated(), pool.counted.held()),
            "down": resources.describe(resources.down(), {}),
        }

    @request_handler("sched.pools", prefix=False, allow_guest=True)
    def pools(self, msg: Message) -> Any:
        """Return the counted pools: name -> ``size`` and how many are ``held``."""
        if not self.begun:
            return self._later(msg)
        pools = self.schedule.resources.pool.counted
        held = pools.held()
        return {"pools": {name: {"size": n, "held": held[name]} for name, n in pools.sizes().items()}}

    @request_handler("sched.why", prefix=False)
    async def why(self, msg: Message) -> dict[str, Any]:
        """Say why a job waits, by facts; ENOENT when it does not wait here (any more)."""
        answer = await in_slices(why(self.schedule, id_field(msg.args), self.now()), SLICE)
        if answer is None:
            raise OSError(ENOENT, "the job does not wait for the scheduler")
        return answer

    @request_handler("feasibility.check", prefix=False)
    def feasibility(self, msg: Message) -> Any:
        """Succeed when the job could run with all resources up and free; EOVERFLOW when not."""
        if not self.begun:
            return self._later(msg)
        try:
            request = from_jobspec(alloc_protocol.feasibility(msg.args))
            self.schedule.resources.pool.check(request)
        except FormatError as error:
            raise OSError(EINVAL, str(error)) from None
        return None

    def _later(self, msg: Message) -> Any:
        self._early.add(Waiter(msg))
        return DEFERRED

    def _answer(self, answers: Iterable[AllocResponse]) -> None:
        """Answer requests, but for those of a job manager that went away."""
        for answer in answers:
            request = self._requests.get(answer.id)
            if request is not None:
                self.respond(request, answer.encode())
                if answer.final:
                    del self._requests[answer.id]

    # -- passes --

    def _ask_for_pass(self) -> None:
        """Have a pass made that knows all that has happened."""
        self.asked = True
        self.call_soon_once(self._pass)

    def _pass(self) -> None:
        """Begin a pass or go on with one, for as long as others may have to wait."""
        if self.paused or self.stopping or self._priorities:
            return
        if not self.cut_short:
            self.asked = False
            self.passes += 1
        began = perf_counter()
        result = self.schedule.make_pass(self.now(), lambda: perf_counter() - began >= SLICE)
        self.longest = max(self.longest, perf_counter() - began)
        self._answer(result.denied)
        self.cut_short = result.more
        if result.more or self.asked:
            self.loop.call_soon(self.call_soon_once, self._pass)
        if result.waiting and not self.forecasting and self.settings["forecast-depth"]:
            self.forecasting = True
            self.call_later(FORECAST_PERIOD, lambda: self.create_task(self._forecast()))
        if result.placed:
            self.create_task(self._store(result.placed))

    async def _forecast(self) -> None:
        self.forecasting = False
        steps = self.schedule.forecast(self.now(), self.settings["forecast-depth"])
        self._answer(await in_slices(steps, SLICE))

    async def _store(self, placed: list[Placed]) -> None:
        """Write the R of each job, then tell the job manager."""
        txn = kvs.KVSTxn(self.h, namespace=kvs.PRIMARY)
        for job, R, _ in placed:
            txn.put(job_key(job.id, "R"), _json.dumps(R), raw=True)
        try:
            await txn.commit_async()
        except OSError as error:
            self._postpone(placed, error)
            return
        self.retry = 0.0
        self._answer(self.schedule.stored(placed))

    def _postpone(self, placed: list[Placed], error: OSError) -> None:
        """Put jobs back whose R could not be written; they are tried again after a while."""
        self._answer(self.schedule.not_stored(placed))
        self.retry = min(max(self.retry * 2, RETRY), RETRY_MAX)
        self.log.error(
            f"cannot write R of {len(placed)} job(s): {error.strerror}; trying again in {self.retry:.0f}s"
        )
        if not self.paused:
            self.paused = True
            self.call_later(self.retry, self._resume)

    def _resume(self) -> None:
        self.paused = False
        self._ask_for_pass()
