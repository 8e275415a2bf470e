# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21, 26, 27, 32: the job manager over the wire, with services that say what a test tells them to."""

from typing import Any, ClassVar

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.rfc.message import Message
from rosin.testing import Instance

from .test_dependencies import DEPENDENCIES

R = {"version": 1, "execution": {"R_lite": [], "starttime": 1_700_000_000.0, "expiration": 0.0}}


class Sched(BrokerModule):
    """A scheduler that keeps what it is asked, and answers when a test says so."""

    name = "sched-script"
    services = ("sched",)
    mode: ClassVar[dict[str, Any]] = {"mode": "unlimited"}

    async def start(self) -> None:
        self.allocs: dict[int, Message] = {}
        self.asked: list[tuple[str, Any]] = []
        assert [job async for job in self.h.rpc("job-manager.sched-hello", {}, flags=2)] == []
        await self.online()

    async def online(self) -> None:
        self.ready = await self.h.rpc("job-manager.sched-ready", self.mode)

    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg: Message) -> Any:
        self.allocs[msg.args["id"]] = msg
        self.asked.append(("alloc", msg.args["id"]))
        return DEFERRED

    def say(self, id: int, type: int, **more: Any) -> None:
        self.respond(self.allocs[id], {"id": id, "type": type, **more})

    def allocate(self, *ids: int) -> None:
        for id in ids:
            self.say(id, 0, R=R)

    @request_handler("sched.free", prefix=False)
    def free(self, msg: Message) -> Any:
        self.asked.append(("free", msg.args["id"]))
        return DEFERRED

    @request_handler("sched.cancel", prefix=False)
    def cancel(self, msg: Message) -> Any:
        self.asked.append(("cancel", msg.args["id"]))
        return DEFERRED

    @request_handler("sched.prioritize", prefix=False)
    def prioritize(self, msg: Message) -> Any:
        self.asked.append(("prioritize", msg.args["jobs"]))
        return DEFERRED

    def take(self) -> list[tuple[str, Any]]:
        asked, self.asked = self.asked, []
        return asked


class Scene:
    """An instance in which a job manager talks to a scripted scheduler and execution service."""

    def __init__(self, inst: Instance, h: Any, world: Any, job: Any) -> None:
        self.inst, self.h, self.world, self.job = inst, h, world, job
        self.sched: Any = inst.broker.modules["sched-script"]
        self.exec: Any = inst.broker.modules["job-exec"]

    async def submit(self, *ids: int, **more: Any) -> None:
        answer = await self.h.rpc("job-manager.submit", {"jobs": [self.job(id, **more) for id in ids]})
        assert answer == {"errors": []}
        await self.inst.settle()

    async def run(self, *ids: int) -> None:
        """Let jobs start."""
        self.sched.allocate(*ids)
        await self.inst.settle()

    async def says(self, id: int, kind: str, **data: Any) -> None:
        """A response to the start of a job."""
        self.exec.respond(self.exec.running[id], {"id": id, "type": kind, "data": data})
        await self.inst.settle()

    async def end(self, id: int, status: int = 0) -> None:
        self.exec.end(id, status)
        await self.inst.settle()

    async def priority(self, id: int, urgency: int) -> None:
        await self.h.rpc("job-manager.urgency", {"id": id, "urgency": urgency})
        await self.inst.settle()

    async def listed(self, id: int) -> dict[str, Any]:
        jobs = (await self.h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
        return next(entry for entry in jobs if entry["id"] == id)

    def names(self, id: int) -> list[str]:
        return self.world.names(id)  # type: ignore[no-any-return]

    def contexts(self, id: int, name: str) -> list[dict[str, Any]]:
        return [entry["context"] for entry in self.world.log(id) if entry["name"] == name]


@pytest.fixture
def scene(world: Any, job: Any) -> Any:
    class Context:
        def __init__(self, **mode: Any) -> None:
            self.mode = mode or {"mode": "unlimited"}

        async def __aenter__(self) -> Scene:
            self.inst = await world.instance(sched=False, hold=True).__aenter__()
            await self.inst.load(type("Script", (Sched,), {"mode": self.mode}))
            return Scene(self.inst, await self.inst.connect(), world, job)

        async def __aexit__(self, *exc: Any) -> None:
            await self.inst.__aexit__(*exc)

    return Context


# -- RFC 27: the scheduler --------------------------------------------------------------------------------


@pytest.mark.rfc(27, "alloc", "annotate", "merge", "volatile", "response-type", "errnum-zero")
@pytest.mark.rfc(30, "default")
async def test_annotations_of_a_request(scene, jobspec):
    async with scene() as s:
        await s.submit(1, 2)
        request = dict(s.sched.allocs[1].args)
        assert request.pop("jobspec") == jobspec()
        assert request == {"id": 1, "priority": 16, "userid": s.h.userid, "t_submit": 1_700_000_000.0}
        for id in (1, 2):
            s.sched.say(id, 1, annotations={"sched": {"reason_pending": "x", "t_estimate": 3.0}})
            s.sched.say(id, 1, annotations={"sched": {"reason_pending": None}, "user": {"a": 1}})
        await s.inst.settle()
        assert (await s.listed(1))["annotations"] == {"sched": {"t_estimate": 3.0}, "user": {"a": 1}}
        s.sched.say(2, 2, note="too large")
        s.sched.say(1, 0, R=R, annotations={"sched": {"resource_summary": "r"}})
        await s.inst.settle()
        (kept,) = s.contexts(1, "alloc")
        assert kept["annotations"]["sched"] == {"t_estimate": 3.0, "resource_summary": "r"}
        assert s.names(2)[-2:] == ["exception", "clean"]
        assert s.contexts(2, "exception")[0]["note"] == "too large"
        await s.submit(3)  # a denial is no error: the service goes on
        assert 3 in s.sched.allocs


@pytest.mark.rfc(27, "ready", "limited", "prioritize", "cancel")
async def test_limited_mode(scene):
    async with scene(mode="limited", limit=2) as s:
        assert s.sched.ready == {"count": 0}
        await s.submit(1, 2, 3, 4)
        assert s.sched.take() == [("alloc", 1), ("alloc", 2)]
        await s.run(1)
        assert s.sched.take() == [("alloc", 3)]
        await s.priority(3, 20)
        assert s.sched.take() == [("cancel", 3), ("prioritize", [[3, 20]])]
        s.sched.say(3, 3)
        await s.inst.settle()
        assert s.sched.take() == [("alloc", 3)]
        await s.priority(4, 25)  # goes before what is asked for already
        assert s.sched.take() == [("cancel", 2)]
        s.sched.say(2, 3)
        await s.inst.settle()
        assert s.sched.take() == [("alloc", 4)]


@pytest.mark.rfc(27, "ready")
@pytest.mark.parametrize("mode", [{}, {"mode": "fast"}, {"mode": "limited"}, {"mode": "limited", "limit": 0}])
async def test_modes_that_there_are_not(world, mode):
    async with world.instance(sched=False) as inst:
        with pytest.raises(OSError):
            await (await inst.connect()).rpc("job-manager.sched-ready", mode)


@pytest.mark.rfc(27, "one-in-flight")
@pytest.mark.rfc(32, "one-in-flight")
async def test_one_request_of_each_kind_is_under_way(scene):
    async with scene() as s:
        await s.submit(1)
        for urgency in (20, 0, 9):
            await s.priority(1, urgency)
        assert [what for what, _ in s.sched.take()].count("alloc") == 1
        s.sched.say(1, 3)
        await s.inst.settle()
        assert s.sched.take() == [("alloc", 1)]
        await s.run(1)
        await s.says(1, "release", ranks="0", final=False)
        assert s.sched.take() == []
        await s.end(1)
        assert s.sched.take() == [("free", 1)]
        assert s.names(1).count("start") == 1


@pytest.mark.rfc(27, "error-ends")
async def test_an_error_ends_the_scheduler_until_it_is_ready_again(scene):
    async with scene() as s:
        await s.submit(1)
        s.sched.respond_error(s.sched.allocs[1], 38, "no")
        await s.inst.settle()
        await s.submit(2)
        assert s.sched.take() == [("alloc", 1)]
        await s.sched.online()
        await s.inst.settle()
        assert s.sched.take() == [("alloc", 1), ("alloc", 2)]


@pytest.mark.rfc(33, "stop-cancels")
async def test_a_stop_takes_the_requests_back(scene):
    async with scene() as s:
        await s.submit(1)
        await s.h.rpc("job-manager.queue-start", {"start": False, "reason": "later", "all": False})
        await s.inst.settle()
        assert s.sched.take() == [("alloc", 1), ("cancel", 1)]


# -- RFC 32: the execution service ------------------------------------------------------------------------


@pytest.mark.rfc(32, "hello", "error-ends", "replace")
async def test_services_come_and_go(scene):
    class Other(BrokerModule):
        name = "other-exec"

        async def start(self) -> None:
            self.starts: list[Any] = []
            self.answer = await self.h.rpc("job-manager.exec-hello", {"service": self.name}).raw()

        @request_handler("start")
        def begin(self, msg: Message) -> Any:
            self.starts.append((msg.args["id"], msg.args["reattach"]))
            return DEFERRED

    async with scene() as s:
        await s.submit(1, 2, 3)
        await s.run(1)
        s.exec.respond_error(s.exec.running[1], 38, "no")
        await s.inst.settle()
        await s.run(2)
        assert 2 not in s.exec.running
        await s.exec.h.rpc("job-manager.exec-hello", {"service": "job-exec"})
        await s.inst.settle()
        assert s.exec.running[1].args["reattach"] is True
        assert s.exec.running[2].args["reattach"] is False
        other: Any = await s.inst.load(Other)
        await s.run(3)
        assert not other.answer
        assert other.starts == [(1, True), (2, True), (3, False)]
        assert 3 not in s.exec.running


@pytest.mark.rfc(32, "response", "release", "exception", "start")
@pytest.mark.rfc(21, "exception-severity", "root-cause", "finish-status", "result")
async def test_what_the_execution_service_says_is_in_the_log(scene):
    async with scene() as s:
        await s.submit(1, 2, flags=4)
        await s.run(1, 2)
        await s.says(1, "exception", severity=1, type="exec", note="odd")
        assert (await s.listed(1))["state"] == 16
        await s.says(1, "exception", severity=0, type="timeout", note="late")
        assert (await s.listed(1))["state"] == 32
        await s.says(1, "exception", severity=0, type="cancel", note="too")
        await s.says(1, "finish", status=36352)
        await s.says(1, "release", ranks="0-2", final=False)
        await s.says(1, "release", ranks="3", final=True)
        contexts = s.contexts(1, "exception")
        assert [(context["severity"], context["note"]) for context in contexts] == [
            (1, "odd"), (0, "late"), (0, "too")
        ]  # fmt: skip
        assert s.contexts(1, "finish") == [{"status": 36352}]
        assert s.contexts(1, "release") == [
            {"ranks": "0-2", "final": False},
            {"ranks": "3", "final": True},
        ]
        await s.end(2, status=512)
        waited = {id: await s.h.rpc("job-manager.wait", {"id": id}) for id in (1, 2)}
        assert [waited[id]["success"] for id in (1, 2)] == [False, False]
        assert "timeout" in waited[1]["errstr"]
        assert "exited with exit code 2" in waited[2]["errstr"]


# -- RFC 21 -----------------------------------------------------------------------------------------------


@pytest.mark.rfc(21, "prolog", "epilog", "driven-by-events")
async def test_prologs_and_epilogs_hold_a_job_up(scene):
    async with scene() as s:

        async def post(name: str, **context: Any) -> None:
            request = {"id": 1, "name": name, "context": {"description": "x", **context}}
            await s.h.rpc("job-manager.post-event.post", request)
            await s.inst.settle()

        await s.submit(1)
        await post("prolog-start")
        await s.run(1)
        assert s.exec.running == {}
        assert (await s.listed(1))["state"] == 16
        await post("prolog-finish", status=0)
        assert list(s.exec.running) == [1]
        await s.says(1, "finish", status=0)
        await post("epilog-start")
        await s.says(1, "release", ranks="all", final=True)
        assert ("free", 1) not in s.sched.take()
        await post("epilog-finish", status=0)
        assert s.sched.take() == [("free", 1)]
        assert s.names(1)[-1] == "clean"


@pytest.mark.rfc(21, "invalidate")
async def test_a_job_that_is_invalid_is_removed(scene, job, jobspec):
    async with scene() as s:
        spec = jobspec(dependencies=[{"scheme": "afterok", "value": "99"}])
        answer = await s.h.rpc("job-manager.submit", {"jobs": [job(5, spec)]})
        assert [id for id, _ in answer["errors"]] == [5]
        await s.inst.settle()
        with pytest.raises(OSError):
            await s.h.rpc("job-manager.getattr", {"id": 5, "attrs": ["jobspec"]})
        assert (await s.h.rpc("job-manager.list", {"max_entries": 0}))["jobs"] == []


# -- RFC 26 -----------------------------------------------------------------------------------------------


@pytest.mark.rfc(26, "matching", "jobid", "after", "afterany", "afterok", "afternotok")
@pytest.mark.rfc(21, "dependency-match")
@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize(("scheme", "how", "runs"), DEPENDENCIES)
async def test_dependencies_on_jobs(scene, job, jobspec, scheme, how, runs, over):
    async with scene() as s:
        await s.submit(1)
        spec = jobspec(dependencies=[{"scheme": scheme, "value": "ƒ2"}])

        async def finish() -> None:
            if how == "canceled":
                await s.h.rpc("job-manager.raise", {"id": 1, "type": "cancel", "severity": 0})
                s.sched.say(1, 3)
                await s.inst.settle()
                return
            await s.run(1)
            if how == "excepted":
                await s.says(1, "exception", severity=0, type="exec", note="")
            await s.end(1, status=0 if how == "ok" else 256)

        if over:
            await finish()
        answer = await s.h.rpc("job-manager.submit", {"jobs": [job(2, spec)]})
        if over and not runs:
            assert "dependency: after" in answer["errors"][0][1]
            return
        assert answer == {"errors": []}
        if not over:
            assert s.names(2)[-2:] == ["dependency-add", "validate"]
            await finish()
        added, removed = s.contexts(2, "dependency-add"), s.contexts(2, "dependency-remove")
        if runs:
            assert added == removed
            assert added[0]["description"].endswith("=ƒ2")
            assert s.names(2)[-1] == "priority"
        else:
            assert removed == []
            assert s.names(2)[-2:] == ["exception", "clean"]
            assert s.contexts(2, "exception")[-1]["type"] == "dependency"
