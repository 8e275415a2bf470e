# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16, RFC 21: what a restart makes of the jobs in the KVS."""

import pytest

from rosin import _json
from rosin.errors import FormatError
from rosin.modules.job_manager import restart
from rosin.rfc.jobpath import job_key

R = {"version": 1, "execution": {"R_lite": [], "starttime": 1.0, "expiration": 0.0, "nodelist": []}}
PENDING = ["submit", "validate", "depend", "priority"]


async def populate(world, job, jobs, *, hold=True, sched=True):
    """Run *jobs* in one instance, cut its storage off as ``kill -9`` does, and return."""
    async with world.instance(hold=hold, sched=sched) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": jobs})
        await inst.settle()
        kept = dict(world.data)
    world.data.clear()
    world.data.update(kept)
    for request in jobs:  # what job-ingest and the scheduler store
        world.data[job_key(request["id"], "jobspec")] = _json.dumps(request["jobspec"])
        if "alloc" in world.names(request["id"]):
            world.data[job_key(request["id"], "R")] = _json.dumps(R)


async def test_a_running_job_that_nobody_finds_ends_and_says_why(world, job):
    await populate(world, job, [job(1)])
    assert world.names(1) == [*PENDING, "alloc", "start"]
    async with world.instance(found=False) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.drain", {})
        assert world.names(1)[6:] == ["exception", "finish", "release", "free", "clean"]
        context = world.log(1)[6]["context"]
        assert (context["type"], context["severity"], context["note"]) == ("exec", 0, "lost")
        assert [hello["id"] for hello in inst.broker.modules["sched-fake"].hello] == [1]
        assert not inst.broker.modules["job-exec"].running


async def test_a_running_job_that_is_found_goes_on(world, job):
    await populate(world, job, [job(1)])
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.drain", {})
        assert world.names(1)[6:] == ["finish", "release", "free", "clean"]


async def test_a_running_job_waits_for_the_execution_service(world, job):
    await populate(world, job, [job(1)])
    async with world.instance(exec=False) as inst:
        h = await inst.connect()
        await inst.settle()
        assert world.names(1) == [*PENDING, "alloc", "start"]
        await h.rpc("job-manager.raise", {"id": 1, "type": "cancel", "severity": 0})
        await h.rpc("job-manager.drain", {})
        assert world.names(1)[6:] == ["exception", "free", "clean"]


async def test_pending_jobs_return_to_the_queue(world, job):
    await populate(world, job, [job(3, urgency=20), job(1), job(2, urgency=0)], sched=False)
    async with world.instance() as inst:
        h = await inst.connect()
        await inst.settle()
        assert inst.broker.modules["sched-fake"].requests == [3, 1]
        assert world.names(1)[4:6] == ["flux-restart", "priority"]
        assert world.names(2) == [*PENDING, "flux-restart", "priority"]
        assert await h.rpc("job-manager.urgency", {"id": 2, "urgency": 16}) == {"old_urgency": 0}
        await h.rpc("job-manager.drain", {})


async def test_inactive_jobs_stay_as_they_are(world, job):
    await populate(world, job, [job(1), job(2, flags=4)], hold=False)
    before = dict(world.data)
    async with world.instance() as inst:
        h = await inst.connect()
        reply = await h.rpc("job-manager.getattr", {"id": 1, "attrs": ["eventlog", "R"]})
        assert reply["eventlog"] == world.log(1)
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 2
        assert (await h.rpc("job-manager.wait", {"id": -1}))["id"] == 2
        assert await h.rpc("job-manager.history.get", {"slice": "[:]"}) == {"jobs": [2, 1]}
        rpc = h.rpc("job-manager.events-journal", {"full": True}, flags=2)
        assert (await anext(aiter(rpc)))["events"] == world.log(1)
    assert {key: value for key, value in world.data.items() if key in before} == before


async def test_a_submission_that_was_cut_short_is_removed(world, job, jobspec):
    world.data[job_key(5, "J")] = b"x.y.none"
    world.data[job_key(5, "jobspec")] = _json.dumps(jobspec())
    async with world.instance() as inst:
        h = await inst.connect()
        await inst.settle()
        assert (await h.rpc("job-manager.getinfo", {}))["max_jobid"] == 5
        # Its announcement was on the way while the job manager was loaded again: it is nobody's job.
        answer = await h.rpc("job-manager.submit", {"jobs": [job(5), job(6)]})
        text = "the job manager was started again meanwhile: submit the job once more"
        assert answer == {"errors": [[5, text]]}
        await h.rpc("job-manager.drain", {})
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 1
    assert not [key for key in world.data if key.startswith(job_key(5))]


async def test_damaged_jobs_are_set_aside(world, job):
    await populate(world, job, [job(1), job(2)], hold=False)
    world.data[job_key(1, "eventlog")] = b"not an eventlog\n"
    async with world.instance() as inst:
        h = await inst.connect()
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 1
        assert any("not replayed" in line for line in inst.logged())
    assert "job-lost+found." + job_key(1, "eventlog") in world.data
    assert job_key(1, "eventlog") not in world.data


async def test_queues_and_the_highest_id_come_back(world, job):
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(9)]})
        await h.rpc("job-manager.drain", {})
        await h.rpc("job-manager.queue-start", {"start": False, "reason": "r", "all": False})
        await h.rpc("job-manager.purge-id", {"id": 9, "force": 1})
    async with world.instance() as inst:
        h = await inst.connect()
        assert (await h.rpc("job-manager.getinfo", {}))["max_jobid"] == 9
        assert (await h.rpc("job-manager.queue-status", {}))["stop_reason"] == "r"
    config = {"job-manager": {"stop-queues-on-restart": True}}
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.queue-start", {"start": True, "all": False})
    async with world.instance(config=config) as inst:
        h = await inst.connect()
        status = await h.rpc("job-manager.queue-status", {})
        assert status["stop_reason"] == "Automatically stopped due to restart"


async def test_a_stop_without_checkpoint_is_not_restored(world):
    async with world.instance() as inst:
        h = await inst.connect()
        request = {"start": False, "all": True, "nocheckpoint": True}
        await h.rpc("job-manager.queue-start", request)
        assert (await h.rpc("job-manager.queue-status", {}))["start"] is False
    async with world.instance() as inst:
        h = await inst.connect()
        assert (await h.rpc("job-manager.queue-status", {}))["start"] is True


@pytest.mark.rfc(26, "restart", "begin-time")
async def test_dependencies_come_back(world, job, jobspec):
    def after(scheme, value):
        return jobspec(dependencies=[{"scheme": scheme, "value": value}])

    jobs = [
        job(1, urgency=0),
        job(2, after("afterany", "1")),
        job(3, after("afterok", "1")),
        job(4, after("begin-time", "1700000100")),
        job(5, jobspec(job={"name": "s"}), urgency=0),
        job(6, jobspec(job={"name": "s"}, dependencies=[{"scheme": "singleton", "value": ""}])),
    ]
    await populate(world, job, jobs)
    assert world.names(2) == ["submit", "dependency-add", "validate"]
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.raise", {"id": 1, "severity": 0, "type": "cancel"})
        await h.rpc("job-manager.raise", {"id": 5, "severity": 0, "type": "cancel"})
        await inst.advance(99.0)
        assert world.names(4)[-1] == "validate"
        await inst.advance(2.0)
        await h.rpc("job-manager.drain", {})
        for id in (2, 4, 6):
            names = world.names(id)
            assert names.count("dependency-add") == names.count("dependency-remove") == 1
            assert "finish" in names
        assert world.names(3)[3:] == ["exception", "clean"]


@pytest.mark.parametrize("found", [False, True])
async def test_a_crash_at_every_event_ends_well(world, job, found):
    """Cut the log of a job after each of its events: a restart completes it, and it runs once at most."""
    await populate(world, job, [job(1)], hold=False)
    whole = world.data[job_key(1, "eventlog")]
    lines = whole.splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        world.data[job_key(1, "eventlog")] = b"".join(lines[:count])
        async with world.instance(found=found) as inst:
            h = await inst.connect()
            await h.rpc("job-manager.drain", {})
        names = world.names(1)
        assert names[-1] == "clean", count
        assert names.count("start") <= 1
        assert names.count("alloc") == 1


@pytest.mark.parametrize(
    ("log", "text"),
    [
        (b"", "empty"),
        (b'{"timestamp":1,"name":"validate"}\n', "not submit"),
        (b'{"timestamp":1,"name":"submit"}\n', "userid"),
        (b'{"name":"submit"}\n', "timestamp"),
    ],
)
def test_replay_refuses(log, text):
    with pytest.raises(FormatError, match=text):
        restart.replay(1, log, {}, None)


def test_replay_ignores_half_a_line():
    line = b'{"timestamp":1.0,"name":"submit","context":{"userid":0,"urgency":1,"flags":0,"version":1}}\n'
    job = restart.replay(1, line + b'{"timestamp":2.0,"na', {}, None)
    assert len(job.lines) == 1
