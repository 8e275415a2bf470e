# SPDX-License-Identifier: LGPL-3.0-or-later
"""What clients ask the job manager for, and what guests may."""

import errno

import pytest

from rosin.constants import FLUX_ROLE_ADMIN, FLUX_ROLE_USER

from .test_service import LIFE, drained


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


@pytest.mark.rfc(12, "further-checks")
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
            ("memo", {"id": 1, "memo": 3}, errno.EPROTO, "expected an object"),
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
            ("jobtap", {"load": ".history"}, errno.EEXIST, ".history already loaded"),
            ("jobtap", {"load": "x.py", "conf": 3}, errno.EINVAL, "plugin conf must be a JSON object"),
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


@pytest.mark.rfc(21, "memo")
async def test_memo_is_logged_unless_volatile(world, job):
    async with world.instance(sched=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await h.rpc("job-manager.memo", {"id": 1, "memo": {"a": 1}})
        await h.rpc("job-manager.memo", {"id": 1, "volatile": True, "memo": {"b": 2}})
        assert world.names(1).count("memo") == 1
        (entry,) = (await h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
        assert entry["annotations"] == {"user": {"a": 1, "b": 2}}
        await h.rpc("job-manager.memo", {"id": 1, "memo": {"a": None, "b": {"c": 3}}})
        (entry,) = (await h.rpc("job-manager.list", {"max_entries": 0}))["jobs"]
        assert entry["annotations"] == {"user": {"b": {"c": 3}}}


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("queue-status", None),
        ("queue-enable", {"enable": True}),
        ("queue-enable", {"enable": False, "reason": "r"}),
        ("queue-enable", {"enable": False}),
        ("queue-start", {"start": False}),
    ],
)
async def test_requests_of_queues_are_complete(world, topic, payload):
    async with world.instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError) as info:
            await h.rpc(f"job-manager.{topic}", payload)
        assert info.value.errno == errno.EPROTO
        assert await h.rpc("job-manager.queue-status", {}) == {"enable": True, "start": True}


@pytest.mark.parametrize("payload", [None, {}, {"name": 1}])
async def test_a_query_of_a_plugin_names_it(world, payload):
    async with world.instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError) as info:
            await h.rpc("job-manager.jobtap-query", payload)
        assert info.value.errno == errno.EINVAL
