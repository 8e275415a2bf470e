# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-ingest service among stand-ins: what it refuses and why, batches, ids."""

import asyncio
import errno
import os
from typing import ClassVar

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule, request_handler
from rosin.modules.job_ingest.request import without_environment
from rosin.rfc import sign, treeobj
from rosin.rfc.fluid import timestamp
from rosin.testing.instance import Instance


def jobspec(command=("true",), **system):
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": list(command), "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0.0, **system}},
    }


class Kvs(BrokerModule):
    name = "kvs"
    error = None

    async def start(self):
        self.commits, self.gate = [], None

    @request_handler("commit")
    async def commit(self, msg):
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.commits.append({op["key"]: op["dirent"] for op in msg.args["ops"]})
        return {}


class Manager(BrokerModule):
    name = "job-manager"
    max_jobid = 0
    error = None
    refuse: ClassVar[list[str]] = []

    async def start(self):
        self.batches = []

    @request_handler("getinfo")
    def getinfo(self, msg):
        return {"max_jobid": self.max_jobid}

    @request_handler("submit")
    def submit(self, msg):
        if self.error is not None:
            raise self.error
        jobs = msg.args["jobs"]
        self.batches.append(jobs)
        return {
            "errors": [[job["id"], "no"] for job in jobs if job["jobspec"]["tasks"][0]["command"] == ["no"]]
        }


class Feasibility(BrokerModule):
    name = "feasibility"

    @request_handler("check", allow_guest=True)
    def check(self, msg):
        if msg.args["jobspec"]["resources"][0]["count"] > 4:
            raise OSError(errno.EOVERFLOW, "unsatisfiable request")


class Slow(Feasibility):
    @request_handler("check")
    async def check(self, msg):
        await asyncio.Event().wait()


ASK = {"ingest": {"validator": {"plugins": ["jobspec", "feasibility"]}}}


def instance(*more, config=None, manager=Manager):
    return Instance([Kvs, manager, *more, "job-ingest"], config=config)


def request(spec=None, urgency=16, flags=0, userid=None, J=None):
    userid = os.getuid() if userid is None else userid
    J = sign.wrap(_json.dumps(spec or jobspec()), userid) if J is None else J
    return {"J": J, "urgency": urgency, "flags": flags}


async def submit(h, *args, **kwargs):
    return (await h.rpc("job-ingest.submit", request(*args, **kwargs)))["id"]


async def test_a_job_is_stored_and_announced():
    async with instance() as inst:
        h = await inst.connect()
        spec = jobspec(environment={"PATH": "/bin"}, cwd="/tmp")
        id = await submit(h, spec, urgency=20, flags=4)
        (commit,) = inst.broker.modules["kvs"].commits
        path = f"job.{id >> 48:04x}.{id >> 32 & 0xFFFF:04x}.{id >> 16 & 0xFFFF:04x}.{id & 0xFFFF:04x}"
        stored = {key: treeobj.val_data(value) for key, value in commit.items()}
        assert set(stored) == {f"{path}.J", f"{path}.jobspec"}
        assert stored[f"{path}.J"].decode() == request(spec)["J"]
        redacted = jobspec(cwd="/tmp")
        assert _json.loads(stored[f"{path}.jobspec"]) == redacted
        ((job,),) = inst.broker.modules["job-manager"].batches
        assert job == {
            "id": id,
            "userid": h.userid,
            "urgency": 20,
            "t_submit": inst.clock.now(),
            "flags": 4,
            "jobspec": redacted,
        }


async def test_a_turn_of_the_loop_is_one_batch():
    async with instance(Feasibility, config=ASK) as inst:
        h = await inst.connect()
        rpcs = [h.rpc("job-ingest.submit", request()) for _ in range(100)]
        ids = [(await rpc)["id"] for rpc in rpcs]
        assert ids == sorted(set(ids))
        assert len(inst.broker.modules["kvs"].commits) == 1
        assert [[job["id"] for job in jobs] for jobs in inst.broker.modules["job-manager"].batches] == [ids]


async def test_the_id_is_returned_when_the_job_is_stored():
    async with instance() as inst:
        h = await inst.connect()
        gate = inst.broker.modules["kvs"].gate = asyncio.Event()
        rpc = h.rpc("job-ingest.submit", request())
        await inst.settle()
        early = rpc.is_ready(), list(inst.broker.modules["job-manager"].batches)
        gate.set()
        assert (await rpc)["id"] is not None
        assert early == (False, [])


def without(path):
    spec = jobspec()
    del spec[path]
    return spec


def vertex(**fields):
    spec = jobspec()
    spec["resources"][0].update(fields)
    return spec


@pytest.mark.parametrize(
    ("kwargs", "errnum", "text"),
    [
        ({"urgency": 99}, errno.EINVAL, r"urgency range is \[0:31\]"),
        ({"urgency": "x"}, errno.EPROTO, "error decoding job request"),
        ({"flags": 1}, errno.EPROTO, "invalid job flags"),
        ({"flags": 1000}, errno.EPROTO, "invalid job flags"),
        ({"J": "foo"}, errno.EINVAL, "could not unwrap jobspec"),
        ({"J": sign.wrap(b"{", os.getuid())}, errno.EINVAL, "jobspec: invalid JSON"),
        ({"J": sign.wrap(b"[1]", os.getuid())}, errno.EINVAL, "jobspec: expected an object"),
        ({"J": sign.wrap(b"[1]", os.getuid()), "flags": 8}, errno.EINVAL, "jobspec: expected an object"),
        ({"userid": 4242}, errno.EPERM, "signer=4242 != requestor="),
        ({"spec": without("tasks")}, errno.EINVAL, "jobspec: missing key 'tasks'"),
        ({"spec": vertex(count=-1)}, errno.EINVAL, r"jobspec: resources\[0\]\.count"),
        ({"spec": vertex(count=10**30)}, errno.EINVAL, "count"),
        ({"spec": vertex(colour="red")}, errno.EINVAL, "unknown key 'colour'"),
        ({"spec": vertex(count=10**9)}, errno.EOVERFLOW, "unsatisfiable request"),
        ({"spec": jobspec(["x" * 10_000_000])}, errno.EINVAL, "an argument of 10000000 bytes"),
        ({"spec": jobspec(["x" * 100_000] * 100)}, errno.EINVAL, "10000000 bytes are more than"),
        ({"spec": jobspec(["no"])}, errno.EINVAL, "^.Errno 22. no$"),
    ],
)
@pytest.mark.rfc(14, "malformed")
@pytest.mark.rfc(15, "single-user")
@pytest.mark.rfc(30, "range")
async def test_refusals(kwargs, errnum, text):
    async with instance(Feasibility, config=ASK) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=text) as caught:
            await submit(h, **kwargs)
        assert caught.value.errno == errnum
        await submit(h)
        await inst.settle()
        left = {key: value for commit in inst.broker.modules["kvs"].commits for key, value in commit.items()}
        assert sum(value is not None for value in left.values()) == (4 if text.endswith("no$") else 2)


@pytest.mark.parametrize(
    ("kwargs", "errnum", "text"),
    [
        ({"urgency": 17}, errno.EINVAL, "only the instance owner can submit with urgency >16"),
        ({"flags": 4}, errno.EINVAL, "only the instance owner can submit with FLUX_JOB_WAITABLE"),
        ({"flags": 8}, errno.EPERM, "only the instance owner can submit with FLUX_JOB_NOVALIDATE"),
        ({}, errno.EPERM, "only instance owner can use sign-type=none"),
    ],
)
@pytest.mark.rfc(30, "guest")
async def test_guests(kwargs, errnum, text):
    async with instance() as inst:
        h = await inst.connect(userid=4242)
        with pytest.raises(OSError, match=text) as caught:
            await submit(h, userid=4242, **kwargs)
        assert caught.value.errno == errnum


async def test_novalidate_skips_validation_and_feasibility():
    async with instance(Feasibility, config=ASK) as inst:
        h = await inst.connect()
        await submit(h, vertex(count=10**9, colour="red"), flags=8)


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        ({"nosuch": []}, "nosuch"),
        ({"hostlist": ["node[1-3]"]}, "host constraint contains invalid hosts: host 'node3' not found"),
        ({"and": [{"not": [{"hostlist": ["node1", "x"]}]}]}, "host 'x' not found"),
    ],
)
async def test_constraints_that_nothing_can_meet(constraints, text):
    async with Instance([Kvs, Manager, "job-ingest"], attrs={"hostlist": "node[1-2]"}) as inst:
        h = await inst.connect()
        spec = jobspec()
        spec["attributes"]["system"]["constraints"] = {"hostlist": ["node[1-2]"]}
        await submit(h, spec)
        spec["attributes"]["system"]["constraints"] = constraints
        with pytest.raises(OSError, match=text) as caught:
            await submit(h, spec)
        assert caught.value.errno == errno.EINVAL


async def test_feasibility_is_asked_where_the_configuration_wants_it():
    async with instance(Feasibility) as inst:
        h = await inst.connect()
        await submit(h, vertex(count=5))  # taken; the scheduler will say that it cannot run
        await h.rpc("config.load", ASK)
        with pytest.raises(OSError, match="unsatisfiable request"):
            await submit(h, vertex(count=5))
        await h.rpc("config.load", {"ingest": {"validator": {"disable": True}}})
        await submit(h, vertex(colour="red"))
        with pytest.raises(OSError, match=r"ingest\.validator\.plugins: 'taste' is not a check"):
            await h.rpc("config.load", {"ingest": {"validator": {"plugins": ["taste"]}}})


async def test_a_refused_job_leaves_nothing_behind():
    async with instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="no"):
            await submit(h, jobspec(["no"]))
        await inst.settle()
        first, second = inst.broker.modules["kvs"].commits
        assert list(second.values()) == [None]
        assert all(key.startswith(next(iter(second))) for key in first)


async def test_failures_of_others_are_told():
    async with instance() as inst:
        h = await inst.connect()
        inst.broker.modules["kvs"].error = OSError(errno.ENOSPC, "No space left on device")
        with pytest.raises(OSError, match="KVS commit failed: No space left on device") as caught:
            await submit(h)
        assert caught.value.errno == errno.ENOSPC
        inst.broker.modules["kvs"].error = None
        inst.broker.modules["job-manager"].error = OSError(errno.EIO, "broken")
        with pytest.raises(OSError, match="job-manager did not take the job: broken"):
            await submit(h)
        inst.broker.modules["job-manager"].error = None
        await submit(h)


async def test_a_stop_answers_all():
    async with instance(Slow, config=ASK) as inst:
        h = await inst.connect()
        rpc = h.rpc("job-ingest.submit", request())
        await inst.settle()
        await inst.broker.modules.remove("job-ingest")
        with pytest.raises(OSError, match="shutting down"):
            await rpc


async def test_ids_continue_after_a_restart():
    async with instance() as inst:
        h = await inst.connect()
        await inst.advance(5.0)
        first = await submit(h)
        assert timestamp(first) == 5001
        assert (await h.rpc("job-ingest.getinfo", {}))["timestamp"] == 5001
    later = type("Later", (Manager,), {"max_jobid": first})
    async with instance(manager=later) as inst:
        h = await inst.connect()
        second = await submit(h)
        assert second > first
        stats = await h.rpc("job-ingest.stats-get")
        assert stats["pipeline"]["validator"]["requests"] == 1


@pytest.mark.parametrize(
    ("config", "workers"),
    [
        ({}, (0, 1)),
        ({"ingest": {"validator": {"disable": True}}}, (0, 0)),
        ({"policy": {"jobspec": {"defaults": {"system": {"duration": "1h"}}}}}, (1, 1)),
    ],
)
async def test_statistics_name_who_does_the_work(config, workers):
    async with instance(config=config) as inst:
        h = await inst.connect()
        await submit(h)
        pipeline = (await h.rpc("job-ingest.stats-get"))["pipeline"]
        assert tuple(pipeline[name]["running"] for name in ("frobnicator", "validator")) == workers
        for stats in pipeline.values():
            assert stats["pids"] == [os.getpid()] * stats["running"]
        assert pipeline["frobnicator"]["requests"] == workers[0]


async def test_it_needs_job_manager():
    async with Instance([Kvs]) as inst:
        with pytest.raises(OSError, match="job-manager must be loaded first"):
            await inst.load("job-ingest")


async def test_root_has_no_jobs_where_somebody_else_starts_them(monkeypatch):
    async with Instance([Kvs, Manager]) as inst:
        monkeypatch.setattr(inst.broker, "credential", (4321, 5))
        h = await inst.connect(userid=0, rolemask=1)
        await inst.load("job-ingest")
        with pytest.raises(PermissionError, match="user root"):
            await submit(h, userid=0)
        await inst.broker.modules.remove("job-ingest")
        await inst.load("job-ingest", ["allow-root-jobs"])
        await submit(h, userid=0)
        await h.rpc("job-ingest.config-reload", {})
        await submit(h, userid=0)  # an argument that no table has outlives a reload


def test_the_environment_is_left_out_of_a_copy():
    spec = jobspec(environment={"A": "b"})
    assert without_environment(spec) == jobspec()
    assert spec["attributes"]["system"]["environment"] == {"A": "b"}
    assert without_environment({"attributes": None}) == {"attributes": None}


async def test_a_request_that_is_too_large(monkeypatch):
    """It is refused before it is looked at."""
    from rosin.modules.job_ingest import request as requests

    async with instance() as inst:
        h = await inst.connect()
        monkeypatch.setattr(requests, "_SIGNED_MAX", len(request(jobspec())["J"]))
        await submit(h, jobspec())
        with pytest.raises(OSError, match=r"job request of .* bytes is larger than the") as caught:
            await submit(h, jobspec(name="more"))
        assert caught.value.errno == errno.EFBIG
