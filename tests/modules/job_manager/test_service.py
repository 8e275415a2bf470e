# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-manager service among stand-ins for the services around it."""

import asyncio
import errno

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule, request_handler
from rosin.rfc import treeobj

R = {"version": 1, "execution": {"R_lite": [], "starttime": 1_700_000_000.0, "nodelist": []}}
LIFE = [
    "submit",
    "validate",
    "depend",
    "priority",
    "alloc",
    "start",
    "finish",
    "release",
    "free",
    "clean",
]


async def drained(h):
    await h.rpc("job-manager.drain", {})


@pytest.mark.rfc(27, "by-id")
@pytest.mark.rfc(32, "by-id")
async def test_a_job_from_submit_to_clean(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        assert await h.rpc("job-manager.submit", {"jobs": [job(1, flags=2)]}) == {"errors": []}
        await drained(h)
        names = [name for name in world.names(1) if not name.startswith("debug.")]
        assert names == LIFE
        assert [name for name in world.names(1) if name.startswith("debug.")] == [
            "debug.alloc-request",
            "debug.start-request",
        ]
        log = {entry["name"]: entry for entry in world.log(1)}
        assert log["submit"]["timestamp"] == 1_700_000_000.0
        assert log["submit"]["context"] == {"userid": h.userid, "urgency": 16, "flags": 2, "version": 1}
        assert log["alloc"]["context"] == {"annotations": {"sched": {"resource_summary": "rank0/core[0-1]"}}}
        assert "context" not in log["start"]
        assert log["release"]["context"] == {"ranks": "all", "final": True}
        modules = inst.broker.modules
        assert modules["sched-fake"].tags == modules["job-exec"].tags == {0}  # ids tell what belongs together
        assert [(freed["id"], freed["final"]) for freed in inst.broker.modules["sched-fake"].freed] == [
            (1, True)
        ]


async def test_the_answer_follows_the_commit(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        gate = inst.broker.modules["kvs"].gate = asyncio.Event()
        rpc = h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await inst.settle()
        assert not rpc.is_ready()
        assert not inst.broker.modules["job-exec"].running
        gate.set()
        await rpc
        assert world.names(1)[0] == "submit"


async def test_events_of_a_turn_are_one_commit(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in range(1, 101)]})
        commits = [ops for ops in world.kvs.commits if ops]
        assert len(commits) == 1
        assert len(commits[0]) == 100
        assert all(world.names(id) == LIFE[:4] for id in range(1, 101))


async def test_commits_merge_while_one_runs(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        gate = inst.broker.modules["kvs"].gate = asyncio.Event()
        rpcs = []
        for id in range(1, 6):
            rpcs.append(h.rpc("job-manager.submit", {"jobs": [job(id)]}))
            await inst.settle()
        gate.set()
        for rpc in rpcs:
            await rpc
        assert len(world.kvs.commits) == 2


async def test_a_failed_commit_is_told_and_nothing_is_lost(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        kvs = inst.broker.modules["kvs"]
        kvs.error = OSError(errno.ENOSPC, "No space left on device")
        with pytest.raises(OSError, match="could not store jobs") as caught:
            await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        assert caught.value.errno == errno.ENOSPC
        assert not inst.broker.modules["job-exec"].running
        kvs.error = None
        await inst.advance(60.0)
        await drained(h)
        assert "start" not in world.names(1)  # its submitter was told that it does not exist
        assert world.names(1)[-1] == "clean"
        await h.rpc("job-manager.submit", {"jobs": [job(2)]})
        await drained(h)
        assert world.names(2) == LIFE


async def journal(h, count, **args):
    """Read *count* responses of a new journal stream."""
    got = []
    rpc = h.rpc("job-manager.events-journal", args, flags=2)
    async for response in rpc:
        got.append(response)
        if len(got) == count:
            break
    rpc.cancel("job-manager.events-journal-cancel")
    return got


async def test_journal_follows_jobs(world, job, jobspec):
    async with world.instance() as inst:
        h = await inst.connect()
        rpc = h.rpc("job-manager.events-journal", {}, flags=2)
        stream = aiter(rpc)
        assert await anext(stream) == {"id": -1, "events": []}
        await h.rpc("job-manager.submit", {"jobs": [job(7)]})
        names, responses = [], []
        while "clean" not in names:
            responses.append(await anext(stream))
            names += [entry["name"] for entry in responses[-1]["events"]]
        assert [name for name in names if name != "annotations"] == LIFE
        assert responses[0]["jobspec"] == jobspec()
        assert any("R" in response for response in responses)
        rpc.cancel("job-manager.events-journal-cancel")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert (await h.rpc("job-manager.stats-get"))["journal"]["listeners"] == 0


async def test_journal_backlog_of_active_and_inactive_jobs(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1), job(2)]})
        await inst.settle()
        inst.broker.modules["job-exec"].end(1)
        await inst.settle()
        short = await journal(h, 2)
        assert [response["id"] for response in short] == [2, -1]
        full = await journal(h, 3, full=True)
        assert [response["id"] for response in full] == [1, 2, -1]
        assert [entry["name"] for entry in full[0]["events"]] == LIFE
        assert full[0]["jobspec"]["version"] == 1
        assert full[0]["R"]["version"] == 1
        (filtered, *_) = await journal(h, 3, full=True, allow={"submit": 1, "clean": 1}, deny={"clean": 1})
        assert [entry["name"] for entry in filtered["events"]] == ["submit"]


async def test_a_long_backlog_misses_nothing(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        for first in range(1, 1001, 200):
            await h.rpc("job-manager.submit", {"jobs": [job(id) for id in range(first, first + 200)]})
        await drained(h)
        rpc = h.rpc("job-manager.events-journal", {"full": True}, flags=2)
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in range(2001, 2051)]})
        seen = {}
        sentinel = False
        async for response in rpc:
            if response["id"] == -1:
                sentinel = True
                continue
            names = [entry["name"] for entry in response["events"] if entry["name"] != "annotations"]
            seen.setdefault(response["id"], []).extend(names)
            if sentinel and len(seen) == 1050 and all(names == LIFE for names in seen.values()):
                break


@pytest.mark.parametrize("args", [{"allow": [1]}, {"deny": "x"}])
async def test_journal_filter_must_be_an_object(world, args):
    async with world.instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="should be an object"):
            await journal(h, 1, **args)
        with pytest.raises(OSError, match="requires streaming"):
            await h.rpc("job-manager.events-journal", {})


async def test_wait_for_waitable_jobs(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        exec = inst.broker.modules["job-exec"]
        with pytest.raises(ChildProcessError, match="there are no more waitable jobs"):
            await h.rpc("job-manager.wait", {"id": -1})
        await h.rpc(
            "job-manager.submit", {"jobs": [job(1, flags=4), job(2, flags=4), job(3), job(4, flags=4)]}
        )
        await inst.settle()
        one, any_ = h.rpc("job-manager.wait", {"id": 1}), h.rpc("job-manager.wait", {"id": -1})
        with pytest.raises(ChildProcessError, match="already has a waiter"):
            await h.rpc("job-manager.wait", {"id": 1})
        with pytest.raises(ChildProcessError, match="not submitted with FLUX_JOB_WAITABLE"):
            await h.rpc("job-manager.wait", {"id": 3})
        with pytest.raises(ChildProcessError, match="invalid job id"):
            await h.rpc("job-manager.wait", {"id": 99})
        exec.end(1)
        exec.end(2, status=256)
        assert await one == {"id": 1, "success": True, "errstr": ""}
        assert await any_ == {
            "id": 2,
            "success": False,
            "errstr": "task(s) exited with exit code 1",
        }
        exec.end(4, status=137 << 8)
        assert (await h.rpc("job-manager.wait", {"id": 4}))["errstr"] == "task(s) Killed"
        with pytest.raises(ChildProcessError):
            await h.rpc("job-manager.wait", {"id": 4})


async def test_a_job_whose_status_is_no_end(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1, flags=4)]})
        await inst.settle()
        inst.broker.modules["job-exec"].end(1, status=4991)
        answer = await h.rpc("job-manager.wait", {"id": 1})
        assert answer == {"id": 1, "success": False, "errstr": "unexpected wait(2) status 4991"}


async def test_a_waiter_that_leaves_is_forgotten(world, job):
    async with world.instance(hold=True) as inst:
        h, other = await inst.connect(), await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1, flags=4)]})
        other.rpc("job-manager.wait", {"id": 1})
        other.rpc("job-manager.drain", {})
        other.rpc("job-manager.events-journal", {}, flags=2)
        await inst.settle()
        await other.close()
        await inst.settle()
        inst.broker.modules["job-exec"].end(1)
        assert (await h.rpc("job-manager.wait", {"id": 1}))["success"] is True
        assert (await h.rpc("job-manager.stats-get"))["journal"]["listeners"] == 0


@pytest.mark.rfc(27, "hello", "hello-jobs", "disconnect")
async def test_scheduler_reload_keeps_allocations(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in (1, 2, 3)]})
        await inst.settle()
        await inst.broker.modules.remove("sched-fake")
        await inst.settle()
        status = await h.rpc("job-manager.queue-status", {})
        assert status == {
            "enable": True,
            "start": False,
            "blocked": "scheduler",
            "stop_reason": "Scheduler is offline",
        }
        await h.rpc("job-manager.submit", {"jobs": [job(4)]})
        inst.broker.modules["job-exec"].end(3)
        await inst.settle()
        sched = await inst.load(world.sched)
        assert [entry["id"] for entry in sched.hello] == [1, 2]
        assert set(sched.hello[0]) == {"id", "priority", "userid", "t_submit"}
        assert sched.ready == {"count": 1}
        await inst.settle()
        assert sched.requests == [4]


@pytest.mark.rfc(32, "reissue", "one-start")
async def test_exec_reload_reattaches(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await inst.settle()
        assert inst.broker.modules["job-exec"].running[1].args["reattach"] is False
        await inst.broker.modules.remove("job-exec")
        await inst.settle()
        again = await inst.load(world.exec)
        await inst.settle()
        assert again.running[1].args["reattach"] is True
        again.end(1)
        await drained(h)
        assert world.names(1) == LIFE


class Watch(BrokerModule):
    """Tells of one R after another, as the KVS watch service does."""

    name = "kvs-watch"

    async def start(self):
        self.values = asyncio.Queue()

    @request_handler("lookup")
    async def lookup(self, msg):
        while True:
            expiration = await self.values.get()
            R = {"version": 1, "execution": {"R_lite": [], "expiration": expiration}}
            yield {"val": treeobj.val(_json.dumps(R))}


async def test_jobs_end_with_the_instance(world, job, jobspec):
    async with world.instance(manager=False, sched=False, exec=False) as inst:
        watch = await inst.load(Watch)
        for module in ("job-manager", world.sched, type("Exec", (world.exec,), {"hold": True})):
            await inst.load(module)
        h = await inst.connect()
        watch.values.put_nowait(inst.clock.now() + 100)
        await inst.settle()
        jobs = [job(1, jobspec(101.0)), job(2, jobspec(99.0)), job(3)]
        reply = await h.rpc("job-manager.submit", {"jobs": jobs})
        text = "job duration (1.68333m) exceeds remaining instance lifetime (1.66667m)"
        assert reply["errors"] == [[1, text]]
        await inst.settle()
        manager = inst.broker.modules["job-manager"].manager
        for id in (2, 3):  # what a scheduler that knows of the end gives
            manager.active[id].R = {**R, "execution": {**R["execution"], "expiration": 1e9}}  # type: ignore[dict-item]
        watch.values.put_nowait(inst.clock.now() + 200)
        await inst.settle()
        assert world.names(2)[-1] == "start"
        assert world.log(3)[-1]["name"] == "resource-update"
        assert world.log(3)[-1]["context"] == {"expiration": inst.clock.now() + 200}


class Slow(BrokerModule):
    """A scheduler that never answers."""

    name = "sched"

    @request_handler("expiration")
    async def expiration(self, msg):
        await asyncio.Event().wait()


async def test_a_stop_answers_all_that_wait(world, job):
    async with world.instance(sched=True, hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1, flags=4)]})
        await inst.settle()
        await inst.broker.modules.remove("sched-fake")
        await inst.load(Slow)
        updates = {"attributes.system.duration": 60.0}
        waiting = {
            "wait": h.rpc("job-manager.wait", {"id": 1}),
            "drain": h.rpc("job-manager.drain", {}),
            "idle": h.rpc("job-manager.idle", {}),
            "update": h.rpc("job-manager.update", {"id": 1, "updates": updates}),
        }
        stream = aiter(h.rpc("job-manager.events-journal", {}, flags=2))
        while (await anext(stream))["id"] != -1:
            pass
        await inst.broker.modules.remove("job-manager")
        for name, rpc in waiting.items():
            text = "shutting down" if name == "update" else "unloading"
            with pytest.raises(OSError, match=text):
                await rpc
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert world.names(1)[-1] == "start"
