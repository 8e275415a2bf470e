# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is around the job manager and the scheduler in a simulation: services that answer at once.

A key-value store that forgets, resources that are always up, and an execution service whose jobs last as
long as the trace says. It also submits them.
"""

from __future__ import annotations

from errno import ENOENT
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.broker.module import DEFERRED, BrokerModule, event_handler, request_handler
from rosin.rfc.exec_protocol import StartResponse
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rosin.rfc.message import Message
    from rosin.simulate.trace import TraceJob

#: The events that may be awaited are past, and the future is not known.
_FOREVER = 1e12
#: Jobs after which there is a report.
_REPORT = 500


class MockMachine:
    """The resources, by R (RFC 20).

    Attributes:
        R: the object.
        nodes, cores: how many there are.
        node: cores of the largest node.
    """

    def __init__(self, R: dict[str, Any]) -> None:
        """Raises FormatError."""
        rset = ResourceSet.decode(R)
        self.R = R
        self.up = rset.ranks().encode()
        sizes = [cores.bit_count() for _, (cores, _) in rset.items()]
        self.nodes = len(sizes)
        self.cores = sum(sizes)
        self.node = max(sizes, default=0)

    @classmethod
    def of(cls, nodes: int, cores: int) -> MockMachine:
        """So many like nodes with so many cores each."""
        ranks = f"0-{nodes - 1}" if nodes > 1 else "0"
        names = f"node[0-{nodes - 1}]" if nodes > 1 else "node0"
        children = {"core": f"0-{cores - 1}" if cores > 1 else "0"}
        execution = {"R_lite": [{"rank": ranks, "children": children}], "nodelist": [names]}
        return cls({"version": 1, "execution": {**execution, "starttime": 0.0, "expiration": 0.0}})


class Outcome:
    """What became of a job.

    Attributes:
        start, end: seconds since the epoch, -1.0 if it has not started, or not ended.
        cores: how many it got.
    """

    __slots__ = ("cores", "end", "job", "start")

    def __init__(self, job: TraceJob) -> None:
        self.job = job
        self.start = self.end = -1.0
        self.cores = 0


class World(BrokerModule):
    """Submits the jobs, runs them, and notes what becomes of them; a subclass has the trace.

    Attributes:
        outcomes: one for each job of the trace; ids are 1 more than the place.
        left: how many of them are not over.
    """

    name = "sim-world"
    services = ("sim-exec",)
    follows = ("job-manager",)
    jobs: ClassVar[list[TraceJob]]
    machine: ClassVar[MockMachine]
    #: Jobs get whole nodes, as many as it takes for their processors.
    whole = False

    async def start(self) -> None:
        self.outcomes = [Outcome(job) for job in self.jobs]
        self.left = len(self.jobs)
        #: Is told now and then how many are over.
        self.progress: Callable[[int], None] | None = None
        self.began = self.now()
        self.over = self.loop.create_future()
        self._next = 0
        await self.h.rpc("job-manager.exec-hello", {"service": "sim-exec"})

    def begin(self) -> None:
        """Let time begin."""
        if not self.left:
            self.over.set_result(None)
        self._arrive()

    # -- submission ---------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Submit the jobs whose time has come, and wait for the next."""
        elapsed = self.now() - self.began
        batch = []
        while self._next < len(self.jobs) and self.jobs[self._next].submit <= elapsed:
            batch.append(self._submission(self._next))
            self._next += 1
        if batch:
            self.create_task(self._submit(batch))
        if self._next < len(self.jobs):
            self.call_later(self.jobs[self._next].submit - elapsed, self._arrive)

    async def _submit(self, batch: list[dict[str, Any]]) -> None:
        answer = await self.h.rpc("job-manager.submit", {"jobs": batch})
        for _ in answer["errors"]:
            self._gone()

    def _submission(self, place: int) -> dict[str, Any]:
        job = self.jobs[place]
        return {
            "id": place + 1,
            "userid": 1000 + job.user,
            "urgency": 16,
            "t_submit": self.now(),
            "flags": 0,
            "jobspec": jobspec(job, self.machine.node if self.whole else 0),
        }

    # -- execution (RFC 32) -------------------------------------------------------------------------

    @request_handler("sim-exec.start", prefix=False)
    def run_job(self, msg: Message) -> Any:
        """Run a job."""
        outcome = self.outcomes[msg.args["id"] - 1]
        outcome.start = self.now()
        outcome.cores = _cores(msg.args["R"])
        self.respond(msg, StartResponse(msg.args["id"], "start", {}).encode())
        self.call_later(outcome.job.run, lambda: self._end(msg, outcome))
        return DEFERRED

    def _end(self, msg: Message, outcome: Outcome) -> None:
        jobid = msg.args["id"]
        outcome.end = self.now()
        self.respond(msg, StartResponse(jobid, "finish", {"status": 0}).encode())
        self.respond(msg, StartResponse(jobid, "release", {"ranks": "all", "final": True}).encode())
        self._gone()

    @event_handler("job-exception")
    def refused(self, msg: Message) -> None:
        """A job that can never run: the scheduler says so before it starts."""
        if self.outcomes[msg.args["id"] - 1].start < 0:
            self._gone()

    def _gone(self) -> None:
        self.left -= 1
        if self.progress is not None and not self.left % _REPORT:
            self.progress(len(self.jobs) - self.left)
        if not self.left and not self.over.done():
            self.over.set_result(None)


def jobspec(job: TraceJob, node_cores: int = 0) -> dict[str, Any]:
    """Return the jobspec (RFC 25) of a job of a trace: for slots of a core, or for whole nodes of so many."""
    slot: dict[str, Any] = {"type": "slot", "label": "task", "with": [{"type": "core", "count": 1}]}
    if node_cores:
        nodes = -(-job.procs // node_cores)
        resources = [{"type": "node", "count": nodes, "exclusive": True, "with": [{**slot, "count": 1}]}]
    else:
        resources = [{**slot, "count": job.procs}]
    return {
        "version": 1,
        "resources": resources,
        "tasks": [{"command": ["job"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": job.limit}},
    }


def _cores(R: dict[str, Any]) -> int:
    return sum(cores.bit_count() for _, (cores, _) in ResourceSet.decode(R).items())


class MockKvs(BrokerModule):
    """Stores nothing: a simulation is not resumed."""

    name = "kvs"

    @request_handler("lookup")
    def lookup(self, msg: Message) -> Any:
        """There is nothing."""
        raise OSError(ENOENT, "No such file or directory")

    @request_handler("commit")
    def commit(self, msg: Message) -> dict[str, Any]:
        """It is done."""
        return {}


class MockResources(BrokerModule):
    """The machine, all of which is up from the beginning to the end (RFC 28)."""

    name = "resource"
    machine: ClassVar[MockMachine]

    @request_handler("get")
    def get(self, msg: Message) -> dict[str, Any]:
        """Return what there is."""
        return {"R": self.machine.R, "method": "configuration"}

    @request_handler("acquire")
    async def acquire(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        """Return all of it."""
        yield {"resources": self.machine.R, "up": self.machine.up}
        await self.sleep(_FOREVER)
