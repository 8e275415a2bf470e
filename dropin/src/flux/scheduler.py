# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.scheduler: schedulers in Python with flux-core's interface, in a process of their own.

A subclass of :class:`Scheduler` with ``schedule()`` is one; RFC 27 and RFC 28 are here. (Rosin's own are
classes in the broker, :mod:`rosin.modules.sched`.)
"""

from __future__ import annotations

import errno
import heapq
from typing import TYPE_CHECKING, Any, ClassVar

from flux._scheduling import AllocRequest, Passes, PendingJob
from flux.brokermod import BrokerLogger, BrokerModule, request_handler
from flux.kvs import KVSTxn, commit_async, get_key_direct
from flux.resource import InfeasibleRequest
from flux.resource.ResourcePool import ResourcePool, pool_class_of
from flux.resource.ResourcePoolImplementation import ResourcePoolImplementation
from rosin.constants import FLUX_RPC_STREAMING
from rosin.job import JobID, job_raise_async
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.core.handle import Flux

__all__ = ["FLUX_RPC_STREAMING", "AllocRequest", "PendingJob", "ResourcePool", "Scheduler"]

_SUCCESS, _ANNOTATE, _DENY, _CANCEL = range(4)


class Scheduler(BrokerModule):
    """A scheduler: ``schedule()`` answers jobs of ``_queue``, a heap of PendingJob, and takes them out.

    Both it and ``forecast()`` may be generators: others have their turn at each ``yield``. Arguments are
    ``queue-depth``, ``mode``, ``log-level`` and ``pool-class``; a subclass takes its own out of
    ``_pending_args`` in its ``__init__``, and what is left is refused.
    """

    queue_depth: int | str = "unlimited"
    #: Names of flux-core's. Passes begin in the next turn of the reactor here, so they are not used.
    SCHED_DELAY_MAX = 1.0
    SCHED_EWMA_ALPHA = 0.25
    hello_partial_ok = True
    pool_class: type | None = None
    pool_kwargs: ClassVar[dict[str, Any]] = {}

    def __init__(self, h: Flux, *args: str) -> None:
        super().__init__(h, *args)
        self.log.level = "info"
        self.pool_kwargs = dict(self.pool_kwargs)  # type: ignore[misc]
        self._resources: Any = None
        self._queue: list[PendingJob] = []
        self._asked = False
        self._forecast_again = False
        self._timer = h.timer_watcher_create(0.0, self._begin)
        self._schedules = Passes(h, self.schedule, self._request_forecast)
        self._forecasts = Passes(h, self.forecast, self._forecast_over)
        self._pending_args = [arg for arg in args if not self._take(arg)]

    def _take(self, arg: str) -> bool:
        """Whether an argument is one of every scheduler. Raises ValueError for a wrong value."""
        key, _, value = arg.partition("=")
        if arg == "mode=unlimited" or arg.startswith("mode=limited="):
            key, value = "queue-depth", value.removeprefix("limited=")
        if key == "queue-depth":
            if value != "unlimited" and not (value.isascii() and value.isdigit() and int(value)):
                raise ValueError(f"{arg!r} is invalid: expected a positive integer or 'unlimited'")
            self.queue_depth = value if value == "unlimited" else int(value)
        elif key == "log-level":
            if value.lower() not in BrokerLogger.LEVEL_NAMES:
                raise ValueError(f"{arg!r} is invalid: expected {', '.join(BrokerLogger.LEVEL_NAMES)}")
            self.log.level = value
        elif key == "pool-class":
            self.pool_class = pool_class_of(value)
            if self.pool_class is None:
                raise ValueError(f"{arg!r}: could not load pool class")
        else:
            return False
        return True

    def _reject_unknown_args(self) -> None:
        """Raise ValueError if an argument is left that nobody has taken."""
        if self._pending_args:
            known = "queue-depth, log-level, pool-class"
            raise ValueError(f"unknown argument {self._pending_args[0]!r}: built-in options are {known}")

    @property
    def resources(self) -> Any:
        """The resources, and who holds them."""
        return self._resources

    # -- when passes are made -----------------------------------------------------------------------

    def _request_schedule(self) -> None:
        if self._queue:
            self.start_schedule()

    def start_schedule(self) -> None:
        """Begin a pass in the next turn, instead of one that is being made."""
        self._schedules.drop()
        if not self._asked:
            self._asked = True
            self._timer.reset(after=0.0)
            self._timer.start()

    def _begin(self, *_: Any) -> None:
        self._asked = False
        self._schedules.begin()

    def _request_forecast(self) -> None:
        self._forecast_again = self._forecasts.steps is not None
        if self._queue and not self._forecast_again:
            self._forecasts.begin()

    def _forecast_over(self) -> None:
        if self._forecast_again:
            self._request_forecast()

    # -- answers ------------------------------------------------------------------------------------

    def alloc_success(self, msg: Any, R: dict[str, Any], annotations: dict[str, Any] | None = None) -> None:
        """Write R to the KVS, and then answer."""
        txn = KVSTxn(self.handle)
        txn.put(job_key(msg.payload["id"], "R"), R)
        commit_async(self.handle, _kvstxn=txn).then(self._written, (msg, R, annotations))

    def _written(self, future: Any, answer: tuple[Any, dict[str, Any], dict[str, Any] | None]) -> None:
        msg, R, annotations = answer
        try:
            future.get()
        except OSError as exc:
            self.log.error(f"alloc: R cannot be written: {exc}")
            self.stop_error()
            return
        more = {} if annotations is None else {"annotations": annotations}
        self.handle.respond(msg, {"id": msg.payload["id"], "type": _SUCCESS, "R": R, **more})

    def alloc_deny(self, msg: Any, note: str | None = None) -> None:
        """Answer that the job can never run."""
        more = {} if note is None else {"note": note}
        self.handle.respond(msg, {"id": msg.payload["id"], "type": _DENY, **more})

    def alloc_cancel(self, msg: Any) -> None:
        """Answer that the job is not waited for any more."""
        self.handle.respond(msg, {"id": msg.payload["id"], "type": _CANCEL})

    def alloc_annotate(self, msg: Any, annotations: dict[str, Any]) -> None:
        """Tell something of the job."""
        answer = {"id": msg.payload["id"], "type": _ANNOTATE, "annotations": annotations}
        self.handle.respond(msg, answer)

    # -- what a scheduler may do otherwise ------------------------------------------------------------

    def schedule(self) -> Any:
        """Answer those of ``_queue`` that can be, and take them out of it."""

    def forecast(self) -> Any:
        """Annotate those that wait, after each pass."""

    def hello(self, jobid: int, priority: int, userid: int, t_submit: float, R: Any) -> None:
        """A job runs already, on R."""
        self.resources.register_alloc(jobid, R)

    def alloc(
        self,
        request: AllocRequest,
        jobid: int,
        priority: int,
        userid: int,
        t_submit: float,
        jobspec: dict[str, Any],
    ) -> None:
        """A job comes."""
        try:
            wanted = self.resources.parse_resource_request(jobspec)
        except Exception as exc:  # whatever a pool has against what a user wrote denies this job alone
            self.log.error(f"alloc: cannot parse jobspec for {jobid}: {exc}")
            request.deny(f"cannot parse jobspec: {exc}")
            return
        heapq.heappush(self._queue, PendingJob(jobid, priority, t_submit, request, wanted))

    def free(self, jobid: int, R: Any, final: bool = False) -> None:
        """Resources come back."""
        self.resources.free(jobid, R, final)

    def cancel(self, jobid: int) -> None:
        """A job is not to be waited for any more."""
        found = next((job for job in self._queue if job.jobid == jobid), None)
        if found is not None:
            self._queue = [job for job in self._queue if job is not found]
            heapq.heapify(self._queue)
            found.request.cancel()

    def prioritize(self, jobs: list[list[int]]) -> None:
        """Priorities change: pairs of job id and priority."""
        priorities = {pair[0]: pair[1] for pair in jobs}
        for job in self._queue:
            job.priority = priorities.get(job.jobid, job.priority)
        heapq.heapify(self._queue)

    def resource_update(self) -> None:
        """Resources came, went, or end at another time."""

    def expiration(self, msg: Any, jobid: int, expiration: float) -> None:
        """A running job is to end at another time; the request is to be answered."""
        self.handle.respond(msg, None)

    def feasibility_check(self, msg: Any, jobspec: dict[str, Any]) -> None:
        """Whether a job could ever run; the request is to be answered."""
        try:
            self.resources.check_feasibility(self.resources.parse_resource_request(jobspec))
        except InfeasibleRequest as exc:
            self.handle.respond_error(msg, errno.EOVERFLOW, str(exc))
        except Exception as exc:  # as in alloc()
            self.handle.respond_error(msg, getattr(exc, "errno", None) or errno.EINVAL, str(exc))
        else:
            self.handle.respond(msg, None)

    def stats_get(self) -> dict[str, Any]:
        """What ``module stats`` shows."""
        return {
            "sched_passes": self._schedules.passes,
            "sched_yields": self._schedules.yields,
            "forecast_passes": self._forecasts.passes,
            "forecast_yields": self._forecasts.yields,
            "sched_delay": 0.0,
            "sched_duration_ewma": 0.0,
            "sched_interval_ewma": 0.0,
            "pending_jobs": len(self._queue),
        }

    # -- messages (RFC 27) ----------------------------------------------------------------------------

    def _guarded(self, what: str, call: Any, *args: Any, **kwargs: Any) -> None:
        """Call what a subclass may have written; whatever it raises ends the module."""
        try:
            call(*args, **kwargs)
        except Exception as exc:
            self.log.error(f"{what} callback raised: {exc}")
            self.stop_error()
        else:
            self._request_schedule()

    @request_handler("sched.alloc", prefix=False)
    def _on_alloc(self, msg: Any) -> None:
        fields = [msg.payload[key] for key in ("id", "priority", "userid", "t_submit", "jobspec")]
        self._guarded("alloc", self.alloc, AllocRequest(self, msg), *fields)

    @request_handler("sched.free", prefix=False)
    def _on_free(self, msg: Any) -> None:
        body = msg.payload
        self._guarded("free", self.free, body["id"], ResourcePool(body["R"]), final=body.get("final", False))

    @request_handler("sched.cancel", prefix=False)
    def _on_cancel(self, msg: Any) -> None:
        self._guarded("cancel", self.cancel, msg.payload["id"])

    @request_handler("sched.prioritize", prefix=False)
    def _on_prioritize(self, msg: Any) -> None:
        self._guarded("prioritize", self.prioritize, msg.payload.get("jobs", []))

    @request_handler("sched.expiration", prefix=False)
    def _on_expiration(self, msg: Any) -> None:
        jobid, expiration = msg.payload["id"], msg.payload["expiration"]
        if expiration < 0:
            self.handle.respond_error(msg, errno.EINVAL, f"invalid expiration {expiration}")
            return
        self._guarded("expiration", self.expiration, msg, jobid, expiration)

    @request_handler("sched.resource-status", prefix=False)
    def _on_resource_status(self, msg: Any) -> None:
        pool = self.resources
        sets = {"all": pool, "allocated": pool.copy_allocated(), "down": pool.copy_down()}
        self.handle.respond(msg, {name: part.to_dict() for name, part in sets.items()})

    @request_handler("feasibility.check", prefix=False)
    def _on_feasibility(self, msg: Any) -> None:
        self._guarded("feasibility", self.feasibility_check, msg, msg.payload.get("jobspec", {}))

    @request_handler("stats-get")
    def _on_stats(self, msg: Any) -> None:
        self.handle.respond(msg, self.stats_get())

    # -- the start ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Acquire the resources, learn what runs, say that this is ready, and serve. Raises OSError."""
        self._reject_unknown_args()
        for service in ("sched", "feasibility"):
            self.handle.service_register(service).get()
        self.set_running()
        self._acquire()
        self._hello()
        limited = self.queue_depth != "unlimited"
        mode = {"mode": "limited", "limit": self.queue_depth} if limited else {"mode": "unlimited"}
        self.handle.rpc("job-manager.sched-ready", mode).get()
        self.log.info(
            f"ready: queue-depth={self.queue_depth} log-level={self.log.level_name} "
            f"pool-class={self.resources.impl.name} Rv{self.resources.version} {self.resources.dumps()}"
        )
        super().run()

    def _make_pool(self, R: Mapping[str, Any]) -> Any:
        """The pool of R: of the class that was asked for, or that the writer of R names, or the usual one.

        Raises ValueError.
        """
        kind: Any = self.pool_class
        if kind is not None and not issubclass(kind, (ResourcePool, ResourcePoolImplementation)):
            raise ValueError(f"pool_class must be a ResourcePool or its implementation, got {kind!r}")
        if kind is None and R.get("scheduling") is not None:
            kind = pool_class_of(R["scheduling"].get("writer", "fluxion"))
        return (kind or ResourcePool)(R, log=self.log, **self.pool_kwargs)

    def _acquire(self) -> None:
        future = self.handle.rpc("resource.acquire", flags=FLUX_RPC_STREAMING)
        first = future.get()
        self._resources = self._make_pool(first["resources"])
        known: frozenset[str] = getattr(self._resources.impl, "known_options", frozenset())
        for key in [key for key in self.pool_kwargs if key not in known]:
            self.log.warning(f"pool: ignoring unknown option {key!r}")
            del self.pool_kwargs[key]
        self._resources.mark_down("all")
        self._changed(first)
        future.reset()
        future.then(self._news)

    def _news(self, future: Any) -> None:
        try:
            change = future.get()
        except OSError as exc:
            self.log.error(f"exiting due to resource update failure: {exc}")
            self.stop()
            return
        self._changed(change)
        future.reset()

    def _changed(self, change: dict[str, Any]) -> None:
        pool = self._resources
        if "up" in change:
            pool.mark_up(change["up"])
        if "down" in change:
            pool.mark_down(change["down"])
        if change.get("expiration", -1) >= 0:
            pool.expiration = change["expiration"]
        if "shrink" in change:
            pool.remove_ranks(change["shrink"])
        self.resource_update()
        self._request_schedule()

    def _hello(self) -> None:
        request = {"partial-ok": self.hello_partial_ok}
        stream = self.handle.rpc("job-manager.sched-hello", request, flags=FLUX_RPC_STREAMING)
        while True:
            try:
                job = stream.get()
            except OSError as exc:
                if exc.errno != errno.ENODATA:
                    raise
                return
            self._recover(job)
            stream.reset()

    def _recover(self, job: dict[str, Any]) -> None:
        """Tell of a job that runs; one whose R does not fit ends."""
        jobid = JobID(job["id"])
        try:
            R = self._make_pool(get_key_direct(self.handle, job_key(jobid, "R")))
            if job.get("free"):
                R.remove_ranks(job["free"])
            self.hello(jobid, job["priority"], job["userid"], job["t_submit"], R)
        except Exception as exc:  # whatever a subclass has against it
            self.log.error(f"hello: {jobid.f58}: {exc}")
            note = "failed to reallocate R for running job"
            job_raise_async(self.handle, jobid, "scheduler-restart", 0, note).then(self._raised, jobid)

    def _raised(self, future: Any, jobid: JobID) -> None:
        try:
            future.get()
        except OSError as exc:
            self.log.error(f"{jobid.f58}: exception not raised: {exc}")
