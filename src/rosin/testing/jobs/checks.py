# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether any job is lost, stuck or told of differently, and any resource is given out twice or kept."""

from __future__ import annotations

from errno import ENODATA
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.kvs import PRIMARY, lookup_async
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.rset import ResourceSet
from rosin.testing.jobs.lawful import JobLife
from rosin.testing.jobs.work import JobWork
from rosin.testing.jobs.world import ANSWER, CORES, HOSTS

if TYPE_CHECKING:
    from rosin.handle.future import Future

_ATTRS = ("id", "userid", "urgency", "priority", "state", "result", "queue", "t_submit", "t_inactive")
#: Severity of lines of the log that must not be there: error and worse.
_ERROR = 3
#: Seconds after which nothing is left to wait for, and how many of them pass at a time, at most.
QUIET, STRIDE = 20_000.0, 500.0


class KnownJob:
    """What has been seen of a job: ``lines``, the events of its log, and the ``life`` they tell of.

    ``stored`` of the lines were in the KVS when somebody looked, ``synced`` when the broker came up.
    """

    __slots__ = ("life", "lines", "over", "stored", "synced")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.life = JobLife()
        self.stored = self.synced = 0
        self.over = False


class JobChecks(JobWork):
    """A world that is looked over."""

    def __init__(self, scheduler: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> None:
        super().__init__(scheduler, plugins)
        self.jobs: dict[int, KnownJob] = {}
        self._read = 0  # lines of the broker's log
        self._drained: set[int] = set()
        self._drains = 0

    # -- at any moment --------------------------------------------------------------------------------

    def check_now(self) -> None:
        """Event logs are lawful, states are theirs, and no core has two jobs."""
        if not self.running("job-manager"):
            return
        core = self.module("job-manager").manager
        for id, job in core.active.items():
            known = self._follow(id, job.lines)
            if known.life.state != job.state or known.life.holds != job.has_resources:
                self.problem(f"job {id}: state {job.state}, the log says {known.life.state}")
        for id in core.inactive:
            if not (id in self.jobs and self.jobs[id].over):
                record = core.inactive[id].record()
                known = self._follow(id, [_json.dumps_to_keep(entry) for entry in record["events"]])
                known.over = True
                if known.life.state != FLUX_JOB_STATE_INACTIVE:
                    self.problem(f"job {id} is over, its log says {known.life.state}")
        self._check_cores([job for job in core.active.values() if job.has_resources])
        self._check_log()

    def _follow(self, id: int, lines: list[bytes]) -> KnownJob:
        """Take what is new of a log."""
        known = self.jobs.setdefault(id, KnownJob())
        if known.lines != lines[: len(known.lines)]:
            self.problem(f"job {id}: its log was changed")
        new = lines[len(known.lines) :]
        try:
            for line in new:
                known.life.take(_json.loads(line))
        except FormatError as error:
            names = " ".join(_json.loads(line)["name"] for line in lines)
            self.problem(f"job {id}: {error}: {names}")
        known.lines += new
        return known

    def _check_cores(self, jobs: list[Any]) -> None:
        taken = [0] * HOSTS
        for job in jobs:
            for rank, (cores, _) in ResourceSet.decode(job.R).items():
                if cores >> CORES or cores & taken[rank]:
                    self.problem(
                        f"job {job.id} has cores {cores:#b} of rank {rank}, {taken[rank]:#b} are taken"
                    )
                taken[rank] |= cores

    def _check_log(self) -> None:
        lines = self.instance.logged()
        for line in lines[self._read :]:
            if int(line[1 : line.index(">")]) >> 3 <= _ERROR or "Traceback" in line:
                self.problem(f"log: {line}")
        self._read = len(lines)

    # -- when nothing is under way --------------------------------------------------------------------

    async def check_rest(self) -> None:
        """All services tell the same, and what was promised is kept."""
        await self.settle()
        self.check_now()
        if self.absent:
            return
        if not self.whole:
            modules = " ".join(self.instance.broker.modules)
            self.problem(f"modules are missing: there are {modules}; {self.tasks} are under way")
            return
        core = self.module("job-manager").manager
        there = {*core.active, *core.inactive}
        for id in self.acked:
            if id not in there and id not in self.purged:
                self.problem(f"job {id} was acknowledged and is lost")
        self._check_pool(core)
        await self._check_stored()
        await self._check_listed(core)
        now = self.instance.clock.monotonic()
        for call in self.calls:
            if not call.waits and now - call.sent > ANSWER:
                self.problem(f"{call.what}: no answer")

    def _check_pool(self, core: Any) -> None:
        """The scheduler knows what the job manager knows; what was drained has got no job."""
        sched = self.module("sched-simple").schedule
        held = {job.id for job in core.active.values() if job.has_resources and not job.bypass}
        if set(sched.resources.pool.jobs) != held or sched.writing:
            self.problem(f"the scheduler holds {set(sched.resources.pool.jobs)}, the job manager {held}")
        drained = {rank for rank in range(HOSTS) if not sched.resources.pool.up >> rank & 1}
        if self._drains == self.drains:
            for id in held:
                known = self.jobs[id]
                fresh = [_json.loads(line)["name"] for line in known.lines[known.stored :]]
                ranks = set(ResourceSet.decode(core.active[id].R).ranks())
                if "alloc" in fresh and ranks & self._drained:
                    self.problem(f"job {id} was given ranks {ranks}, of which {self._drained} are drained")
        self._drained, self._drains = drained, self.drains

    async def answer(self, what: str, future: Future) -> Any:
        """The answer of a service, now."""
        if not future.is_ready():
            await self.instance.settle()
        if not future.is_ready():
            self.problem(f"{what}: no answer")
            return None
        try:
            return future.get()
        except OSError as exc:
            self.problem(f"{what}: {exc}")
            return None

    async def _check_stored(self) -> None:
        """The KVS has the logs."""
        new = [(id, known) for id, known in self.jobs.items() if known.stored < len(known.lines)]
        for _, known in new:
            known.stored = len(known.lines)
        kept = [(id, known) for id, known in new if id not in self.purged]
        lookups = [lookup_async(self.owner, job_key(id, "eventlog"), PRIMARY) for id, _ in kept]
        for (id, known), lookup in zip(kept, lookups, strict=True):
            answer = await self.answer(f"eventlog of {id}", lookup)
            text = b"".join(line + b"\n" for line in known.lines)
            if answer is not None and treeobj.val_data(answer["val"]) != text:
                self.problem(f"job {id}: the KVS has {treeobj.val_data(answer['val'])!r} and not {text!r}")

    async def _check_listed(self, core: Any) -> None:
        """The list of jobs is the job manager's."""
        listed: dict[int, dict[str, Any]] = {}
        request = {"max_entries": 0, "attrs": list(_ATTRS), "constraint": {}, "since": 0.0}
        future = self.owner.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING)
        while (answer := await self._next(future)) is not None:
            listed |= {job["id"]: job for job in answer["jobs"]}
        if listed.keys() != {*core.active, *core.inactive}:
            self.problem(f"listed are {sorted(listed)} and not {sorted({*core.active, *core.inactive})}")
            return
        for id, job in core.active.items():
            found = [listed[id].get(key) for key in ("userid", "urgency", "state", "queue")]
            wanted = [job.userid, job.urgency, job.state, job.queue]
            if job.priority >= 0:
                found.append(listed[id].get("priority"))
                wanted.append(job.priority)
            if found != wanted:
                self.problem(f"job {id} is listed as {found} and not {wanted}")
        for id, over in core.inactive.items():
            found = [listed[id].get(key) for key in ("state", "result", "t_inactive")]
            if found != [FLUX_JOB_STATE_INACTIVE, over.result, over.t_clean]:
                self.problem(f"job {id} is listed as {found} and not {over.result, over.t_clean}")

    async def _next(self, future: Future) -> Any:
        if not future.is_ready():
            await self.instance.settle()
        if not future.is_ready():
            self.problem("job-list.list: no answer")
            return None
        try:
            answer = future.get()
        except OSError as exc:
            if exc.errno != ENODATA:
                self.problem(f"job-list.list: {exc}")
            return None
        future.reset()
        return answer

    # -- other lives ----------------------------------------------------------------------------------

    async def restart(self) -> None:
        """A new broker; what it knows must be what was stored."""
        await self.start()
        self._read = 0
        core = self.module("job-manager").manager
        before, self.jobs = self.jobs, {}
        await self.settle()
        self.check_now()
        for id, known in before.items():
            now = self.jobs.get(id)
            if now is None:
                if known.stored and id not in self.purged:
                    self.problem(f"job {id} was stored and is lost")
            elif now.lines[: known.stored] != known.lines[: known.stored]:
                names = [_json.loads(line)["name"] for line in now.lines]
                self.problem(f"job {id}: {known.stored} events were stored; there are {names}")
        self.known = sorted({*core.active, *core.inactive})
        self._drains = -1
        await self.check_rest()
        self.synced()
        for known in self.jobs.values():
            known.synced = known.stored

    def forget_unsynced(self) -> None:
        """The power is cut: only what an earlier life has left is certain."""
        for known in self.jobs.values():
            known.stored = known.synced
        self.acked = [id for id in self.acked if id in self.jobs and self.jobs[id].synced]

    # -- the end --------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Nothing holds any job back: all end, and nothing is left over."""
        await self.load_absent()
        await self.settle()
        self.queue_enable(True, None)
        self.queue_start(True, None)
        self.undrain(f"0-{HOSTS - 1}")
        await self.settle()
        core = self.module("job-manager").manager
        for id, job in list(core.active.items()):
            test = job.jobspec["attributes"]["system"]["exec"]["test"]
            if test.get("override") or test["run_duration"] == "0s":
                self.ask("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
            elif job.urgency == 0:
                self.ask("job-manager.urgency", {"id": id, "urgency": 16})
        left, stride = QUIET, 1.0
        while core.active and left > 0:
            await self.advance(stride)
            left -= stride
            stride = min(2 * stride, STRIDE)
        await self.check_rest()
        for id, job in core.active.items():
            names = " ".join(_json.loads(line)["name"] for line in job.lines)
            self.problem(f"job {id} is stuck: {names}")
        for call in self.calls:
            self.problem(f"{call.what}: no answer, though all jobs are over")
        answer = await self.answer("namespaces", self.owner.rpc("kvs.namespace-list", {}))
        if not core.active and answer is not None and len(answer["namespaces"]) != 1:
            self.problem(f"namespaces are left: {answer['namespaces']}")
