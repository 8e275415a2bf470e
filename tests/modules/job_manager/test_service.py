# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-manager service among stand-ins for the services around it."""

import asyncio
import errno

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_ROLE_ADMIN, FLUX_ROLE_USER
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key

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


async def test_cancel_of_a_running_job(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.event_subscribe("job-exception")
        await h.event_subscribe("shell-")
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await inst.settle()
        await h.rpc("job-manager.kill", {"id": 1, "signum": 15})
        event = await h.next_event()
        assert (event.topic, event.args) == ("shell-1.kill", {"signum": 15})
        await h.rpc("job-manager.raise", {"id": 1, "severity": 0, "type": "cancel"})
        event = await h.next_event()
        assert event.private
        assert event.args == {"id": 1, "type": "cancel", "severity": 0}
        assert world.log(1)[-1]["context"] == {
            "type": "cancel",
            "severity": 0,
            "note": "",
            "userid": h.userid,
        }
        inst.broker.modules["job-exec"].end(1, status=36608)
        await drained(h)
        assert world.names(1)[6:] == ["exception", "finish", "release", "free", "clean"]
        with pytest.raises(FileNotFoundError, match="job is inactive"):
            await h.rpc("job-manager.raise", {"id": 1, "severity": 0, "type": "cancel"})
        with pytest.raises(OSError, match="job is inactive"):
            await h.rpc("job-manager.kill", {"id": 1, "signum": 15})


async def test_raiseall_and_killall(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1), job(2), job(3, urgency=0)]})
        await inst.settle()
        everyone = {"userid": -1, "dry_run": True}
        assert await h.rpc("job-manager.killall", {**everyone, "signum": 9}) == {"count": 2, "errors": 0}
        request = {**everyone, "states": 8, "severity": 0, "type": "cancel"}
        assert await h.rpc("job-manager.raiseall", request) == {"count": 1, "errors": 0}
        assert await h.rpc("job-manager.raiseall", {**request, "dry_run": False, "states": 62}) == {
            "count": 3,
            "errors": 0,
        }
        assert world.names(3)[-2:] == ["exception", "clean"]


@pytest.mark.rfc(30, "guest")
async def test_guests_act_on_their_own_jobs_only(world, job):
    async with world.instance(sched=False) as inst:
        owner, guest = await inst.connect(), await inst.connect(userid=4242)
        await owner.rpc("job-manager.submit", {"jobs": [job(1), job(2, userid=4242)]})
        for topic, extra in (
            ("urgency", {"urgency": 1}),
            ("raise", {"severity": 0, "type": "cancel"}),
            ("kill", {"signum": 9}),
            ("memo", {"memo": {"a": 1}}),
            ("update", {"updates": {}}),
            ("getattr", {"attrs": ["jobspec"]}),
        ):
            with pytest.raises(PermissionError, match="guests"):
                await guest.rpc(f"job-manager.{topic}", {"id": 1, **extra})
        for topic in ("submit", "list", "wait", "drain", "purge", "events-journal", "queue-enable"):
            with pytest.raises(PermissionError):
                await guest.rpc(f"job-manager.{topic}", {})
        assert await guest.rpc("job-manager.urgency", {"id": 2, "urgency": 3}) == {"old_urgency": 16}
        with pytest.raises(PermissionError, match="guests can only adjust urgency <= default"):
            await guest.rpc("job-manager.urgency", {"id": 2, "urgency": 17})
        await guest.rpc("job-manager.memo", {"id": 2, "memo": {"a": 1}})
        everyone = {"userid": -1, "dry_run": True, "signum": 9}
        with pytest.raises(PermissionError, match="guests can only kill their own jobs"):
            await guest.rpc("job-manager.killall", everyone)
        assert await guest.rpc("job-manager.history.get", {"slice": "[:]"}) == {"jobs": [2]}


async def test_private_mode_hides_other_jobs_from_guests(world, job):
    async with world.instance(sched=False) as inst:
        owner, guest = await inst.connect(), await inst.connect(userid=4242)
        admin = await inst.connect(userid=4243, rolemask=FLUX_ROLE_USER | FLUX_ROLE_ADMIN)
        await owner.rpc("job-manager.submit", {"jobs": [job(1), job(2, userid=4242)]})
        assert await guest.rpc("job-manager.getinfo", {}) == {"max_jobid": 2}
        await owner.rpc("job-manager.config-reload", {"access": {"private-mode": True}})
        for topic, payload in (
            ("getinfo", {}),
            ("stats-get", {}),
            ("getattr", {"id": 1, "attrs": []}),
            ("getattr", {"id": 9, "attrs": []}),
        ):
            with pytest.raises(PermissionError) as info:
                await guest.rpc(f"job-manager.{topic}", payload)
            assert "job" not in (info.value.strerror or "").replace("job-manager", "")
        assert await guest.rpc("job-manager.getattr", {"id": 2, "attrs": ["jobspec"]})
        assert await admin.rpc("job-manager.getinfo", {}) == {"max_jobid": 2}
        assert (await owner.rpc("job-manager.stats-get", {}))["active_jobs"] == 2
        with pytest.raises(OSError, match="private-mode"):
            await owner.rpc("job-manager.config-reload", {"access": {"private-mode": 3}})


async def test_requests_that_are_wrong(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        cases = [
            ("urgency", {"id": 1, "urgency": 32}, errno.EINVAL, "urgency value is out of range"),
            ("urgency", {"id": 9, "urgency": 3}, errno.EINVAL, "unknown job"),
            ("raise", {"id": 9, "severity": 0, "type": "x"}, errno.ENOENT, "unknown job id"),
            ("raise", {"id": 1, "severity": 8, "type": "x"}, errno.EPROTO, "invalid exception severity"),
            ("raise", {"id": 1, "severity": 0, "type": "x y"}, errno.EPROTO, "invalid exception type"),
            ("kill", {"id": 1, "signum": -3}, errno.EINVAL, "Invalid signal number"),
            ("kill", {"id": 1, "signum": 9}, errno.EINVAL, "job is not running"),
            ("kill", {"id": 9, "signum": 9}, errno.EINVAL, "unknown job id"),
            ("memo", {"id": 1, "memo": 3}, errno.EINVAL, "expected an object"),
            ("memo", {"id": 9, "memo": {}}, errno.ENOENT, "unknown job id"),
            ("getattr", {"id": 9, "attrs": []}, errno.EINVAL, "unknown job"),
            ("getattr", {"id": 1, "attrs": ["x"]}, errno.ENOENT, "unknown attr x"),
            ("getattr", {"id": 1, "attrs": ["R"]}, errno.ENOENT, "R is NULL"),
            ("list", {"max_entries": -1}, errno.EPROTO, "max_entries"),
            ("history.get", {"slice": "bogus"}, errno.EINVAL, "python-style slice"),
            ("purge", {"age_limit": -2.0, "num_limit": -1, "batch": 1, "force": True}, 22, "age limit"),
            ("purge", {"age_limit": -1.0, "num_limit": -5, "batch": 1, "force": True}, 22, "num limit"),
            ("purge", {"age_limit": -1.0, "num_limit": -1, "batch": 0, "force": True}, 22, "batch must be"),
            ("purge-id", {"id": 1, "force": 1}, errno.EINVAL, "cannot purge active job"),
            ("purge-id", {"id": 9, "force": 0}, errno.ENOENT, "id not found"),
            ("sched-ready", {"mode": "single"}, errno.EPROTO, "unknown mode"),
            ("sched-ready", {"mode": "limited", "limit": 0}, errno.EPROTO, "limit"),
            ("exec-hello", {}, errno.EPROTO, "service"),
            ("queue-status", {"name": "foo"}, errno.EINVAL, "'foo' is not a valid queue"),
            ("queue-enable", {"enable": False, "all": False}, errno.EINVAL, "reason is required"),
            ("jobtap", {"load": "x.so"}, errno.ENOENT, "No such plugin found"),
            ("jobtap", {"remove": "x"}, errno.ENOENT, "Failed to find plugin to remove"),
            ("jobtap", {"remove": ".history"}, errno.EPERM, "cannot be removed"),
            ("jobtap-query", {"name": "x"}, errno.EINVAL, "x: plugin not found"),
            ("post-event.post", {"id": 9, "name": "x"}, errno.ENOENT, "unknown"),
            ("post-event.post", {"id": 1, "name": "clean"}, errno.EINVAL, "by the job manager only"),
            ("post-event.post", {"id": 1, "name": "priority", "context": {}}, errno.EINVAL, "priority"),
            ("submit", {"jobs": [{}]}, errno.EPROTO, "id"),
            ("submit", {"jobs": [job(1)]}, errno.EPROTO, "job 1 exists"),
            ("set-batch-timeout", {}, errno.EPROTO, "timeout"),
        ]
        for topic, payload, errnum, text in cases:
            with pytest.raises(OSError, match=text) as caught:
                await h.rpc(f"job-manager.{topic}", payload)
            assert caught.value.errno == errnum, topic
        assert world.names(1) == LIFE[:4]


async def test_answers_of_the_simple_requests(world, job, jobspec):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(5), job(6, urgency=0)]})
        await inst.settle()
        assert await h.rpc("job-manager.getinfo", {}) == {"max_jobid": 6}
        plugins = (await h.rpc("job-manager.jobtap", {"query_only": True}))["plugins"]
        assert ".history" in plugins
        assert all(name.startswith(".") for name in plugins)  # builtin, which listings hide
        described = await h.rpc("job-manager.jobtap-query", {"name": ".history"})
        assert described == {"name": ".history", "path": "builtin"}
        assert await h.rpc("job-manager.jobtap", {"remove": "all"}) is None
        assert await h.rpc("job-manager.queue-list", {}) == {"queues": []}
        assert await h.rpc("job-manager.queue-status", {}) == {"enable": True, "start": True}
        assert await h.rpc("job-manager.alloc-query", {}) == {
            "queue_length": 0,
            "alloc_pending": 0,
            "running": 1,
        }
        assert await h.rpc("job-manager.set-batch-timeout", {"timeout": 0.01}) is None
        status = await h.rpc("job-manager.resource-status", {})
        assert status["allocated"]["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0-1"}}]
        stats = await h.rpc("job-manager.stats-get")
        assert stats["active_jobs"] == 2
        assert stats["housekeeping"] == {"running": {}, "config": {"release-after": -1.0, "command": ""}}
        listed = (await h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
        assert [(entry["id"], entry["state"], entry["priority"]) for entry in listed] == [
            (5, 16, 16),
            (6, 8, 0),
        ]
        assert len((await h.rpc("job-manager.list", {"max_entries": 1}))["jobs"]) == 1
        reply = await h.rpc("job-manager.getattr", {"id": 5, "attrs": ["jobspec", "R", "eventlog"]})
        assert reply["jobspec"] == jobspec()
        assert reply["R"]["execution"]["nodelist"] == ["node1"]
        assert [entry["name"] for entry in reply["eventlog"]] == LIFE[:6]
        inst.broker.modules["job-exec"].end(5)
        assert await h.rpc("job-manager.idle", {}) == {"pending": 1}
        again = await h.rpc("job-manager.getattr", {"id": 5, "attrs": ["jobspec", "R", "eventlog"]})
        assert again["jobspec"] == reply["jobspec"]
        assert [entry["name"] for entry in again["eventlog"]] == LIFE


async def test_memo_is_logged_unless_volatile(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await h.rpc("job-manager.memo", {"id": 1, "memo": {"a": 1}})
        await h.rpc("job-manager.memo", {"id": 1, "volatile": True, "memo": {"b": 2}})
        assert world.names(1).count("memo") == 1
        (entry,) = (await h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
        assert entry["annotations"] == {"user": {"a": 1, "b": 2}}


@pytest.mark.rfc(33, "enable", "start", "status")
async def test_queue_states(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.queue-enable", {"enable": False, "reason": "maintenance", "all": False})
        assert await h.rpc("job-manager.queue-status", {}) == {
            "enable": False,
            "start": True,
            "disable_reason": "maintenance",
        }
        reply = await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        assert reply == {"errors": [[1, "job submission is disabled: maintenance"]]}
        assert job_key(1, "eventlog") not in world.data
        await h.rpc("job-manager.queue-enable", {"enable": True, "all": False})
        await h.rpc("job-manager.queue-start", {"start": False, "reason": "later", "all": False})
        assert await h.rpc("job-manager.queue-status", {}) == {
            "enable": True,
            "start": False,
            "stop_reason": "later",
        }
        await h.rpc("job-manager.submit", {"jobs": [job(2)]})
        await inst.settle()
        assert world.names(2) == LIFE[:4]
        saved = _json.loads(world.data["checkpoint.job-manager"])
        assert saved == {
            "version": 1,
            "max_jobid": 0,
            "queue": [{"enable": True, "start": False, "stop_reason": "later"}],
        }
        await h.rpc("job-manager.queue-start", {"start": True, "all": False})
        await drained(h)
        assert world.names(2) == LIFE


async def test_purge(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in range(1, 11)]})
        await drained(h)
        await h.event_subscribe("job-purge-inactive")
        query = {"age_limit": -1.0, "num_limit": 4, "batch": 100, "force": False}
        assert await h.rpc("job-manager.purge", query) == {"count": 6}
        assert await h.rpc("job-manager.purge", {**query, "force": True, "batch": 5}) == {"count": 5}
        event = await h.next_event()
        assert event.args == {"jobs": [1, 2, 3, 4, 5]}
        assert job_key(1, "eventlog") not in world.data
        assert await h.rpc("job-manager.purge-id", {"id": 10, "force": 1}) == {"count": 1}
        assert _json.loads(world.data["checkpoint.job-manager"])["max_jobid"] == 10
        assert await h.rpc("job-manager.history.get", {"slice": "[0:2]"}) == {"jobs": [9, 8]}


async def test_purge_by_configuration(world, job):
    config = {"job-manager": {"inactive-num-limit": 3, "inactive-age-limit": "1h"}}
    async with world.instance(config=config) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in range(1, 11)]})
        await drained(h)
        await inst.advance(6.0)
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 3
        await inst.advance(3600.0)
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 0


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"job-manager": {"inactive-num-limit": -2}}, "inactive-num-limit"),
        ({"job-manager": {"inactive-age-limit": "1x"}}, "inactive-age-limit"),
        ({"policy": {"limits": {"job-size": {"max": {"nnodes": "x"}}}}}, "nnodes"),
        ({"policy": {"limits": {"duration": "1x"}}}, "policy.limits"),
        ({"queues": {"a": {"parent": "a"}}}, "parent queue is itself"),
        ({"queues": {"a": {"parent": "b"}}}, "not configured"),
        ({"queues": {"a": {}, "b": {"parent": "a"}, "c": {"parent": "b"}}}, "itself a virtual queue"),
        ({"queues": {"a": 1}}, "must be a table"),
    ],
)
async def test_wrong_configurations_are_refused(world, config, text):
    async with world.instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=text):
            await h.rpc("job-manager.config-reload", config)
        assert await h.rpc("job-manager.queue-status", {}) == {"enable": True, "start": True}


async def test_limits(world, job, jobspec):
    limits = {"job-size": {"max": {"ncores": 4}, "min": {"nnodes": 0}}, "duration": "1h"}
    async with world.instance(config={"policy": {"limits": limits}}) as inst:
        h = await inst.connect()
        big = jobspec(60.0)
        big["resources"][0]["count"] = 8
        jobs = [job(1, big), job(2, jobspec(7200.0)), job(3, jobspec(0.0)), job(4, jobspec(60.0))]
        reply = await h.rpc("job-manager.submit", {"jobs": jobs})
        assert reply["errors"] == [
            [1, "requested ncores (8) exceeds policy limit of 4"],
            [2, "requested duration (2h) exceeds policy limit of 1h"],
            [3, "requested duration (unlimited) exceeds policy limit of 1h"],
        ]


async def test_update(world, job, jobspec):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1), job(2, jobspec(60.0), urgency=0)]})
        await inst.settle()

        async def update(id, **updates):
            updates = {f"attributes.system.{key}": value for key, value in updates.items()}
            return await h.rpc("job-manager.update", {"id": id, "updates": updates})

        await update(2, duration=120)
        await update(2, **{"job.name": "new"})
        assert world.names(2)[4:] == ["jobspec-update", "priority"] * 2
        reply = await h.rpc("job-manager.getattr", {"id": 2, "attrs": ["jobspec"]})
        assert reply["jobspec"]["attributes"]["system"] == {"duration": 120.0, "job": {"name": "new"}}
        await update(1, duration=600)
        assert [entry["context"] for entry in world.log(1)[6:]] == [
            {"attributes.system.duration": 600.0},
            {"expiration": 1_700_000_600.0},
        ]
        assert inst.broker.modules["sched-fake"].held == [1_700_000_600.0]
        await inst.settle()
        assert inst.broker.modules["job-exec"].expirations == [1_700_000_600.0]
        for updates, text in (
            ({"duration": -1}, "duration must not be negative"),
            ({"duration": 1e-9}, "in the past|starttime"),
            ({"queue": "x"}, "update of queue for running job not supported"),
            ({"environment.X": "y"}, "update of attributes.system.environment.X not supported"),
            ({"job.name": 3}, "expected a string"),
        ):
            await inst.advance(1.0)
            with pytest.raises(OSError, match=text):
                await update(1, **updates)
        with pytest.raises(OSError, match="one or more jobspec updates are invalid"):
            await h.rpc("job-manager.update", {"id": 1, "updates": {"tasks.x": 1}})


@pytest.mark.rfc(27, "hello", "hello-jobs", "disconnect")
async def test_scheduler_reload_keeps_allocations(world, job):
    async with world.instance(hold=True) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(id) for id in (1, 2, 3)]})
        await inst.settle()
        await inst.broker.remove("sched-fake")
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
        await inst.broker.remove("job-exec")
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


QUEUES = {
    "policy": {"limits": {"duration": "1h"}},
    "queues": {
        "batch": {"requires": ["b"], "policy": {"limits": {"duration": "2h"}}},
        "debug": {"policy": {"limits": {"job-size": {"max": {"ncores": 1}}}}},
        "night": {"parent": "batch"},
    },
}


@pytest.mark.rfc(33, "virtual-started", "unknown-queue", "start", "status", "blocked", "status-parent")
async def test_named_queues(world, job, jobspec):
    async with world.instance(config=QUEUES) as inst:
        h = await inst.connect()
        assert await h.rpc("job-manager.queue-list", {}) == {"queues": ["batch", "debug", "night"]}
        for payload, text in (
            ({"start": True, "all": False}, "Use --all"),
            ({"start": True, "all": False, "name": "x"}, "'x' is not a valid queue"),
        ):
            with pytest.raises(OSError, match=text):
                await h.rpc("job-manager.queue-start", payload)
        with pytest.raises(OSError, match="a named queue is required"):
            await h.rpc("job-manager.queue-status", {})
        two = jobspec(60.0, queue="debug")
        two["resources"][0]["count"] = 2
        jobs = [
            job(1, jobspec(60.0)),
            job(2, jobspec(600.0, queue="batch", constraints={"properties": ["b"]})),
            job(3, two),
            job(4, jobspec(7000.0, queue="debug")),
            job(5, jobspec(7000.0, queue="night")),
        ]
        reply = await h.rpc("job-manager.submit", {"jobs": jobs})
        assert reply["errors"] == [
            [1, "a named queue is required"],
            [3, "requested ncores (2) exceeds policy limit of 1 for queue debug"],
            [4, "requested duration (1.94444h) exceeds policy limit of 1h for queue debug"],
        ]
        await h.rpc("job-manager.queue-start", {"start": True, "all": False, "name": "night"})
        assert await h.rpc("job-manager.queue-status", {"name": "night"}) == {
            "enable": True,
            "start": False,
            "blocked": "parent",
            "parent": "batch",
            "stop_reason": "parent queue 'batch' is stopped",
        }
        await inst.settle()
        assert inst.broker.modules["sched-fake"].requests == []
        await h.rpc("job-manager.update", {"id": 2, "updates": {"attributes.system.queue": "debug"}})
        reply = await h.rpc("job-manager.getattr", {"id": 2, "attrs": ["jobspec"]})
        system = reply["jobspec"]["attributes"]["system"]
        assert (system["queue"], system["constraints"]) == ("debug", {})
        await h.rpc("job-manager.queue-start", {"start": True, "all": True})
        await drained(h)
        assert set(inst.broker.modules["sched-fake"].requests) == {2, 5}


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
        await inst.broker.remove("sched-fake")
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
        await inst.broker.remove("job-manager")
        for name, rpc in waiting.items():
            text = "shutting down" if name == "update" else "unloading"
            with pytest.raises(OSError, match=text):
                await rpc
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert world.names(1)[-1] == "start"
