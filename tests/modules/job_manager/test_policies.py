# SPDX-License-Identifier: LGPL-3.0-or-later
"""Queues, limits, purging and updates, as the configuration and requests say."""

import pytest

from rosin import _json
from rosin.rfc.jobpath import job_key

from .test_service import LIFE, drained


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
        await h.rpc("job-manager.config-reload", {"job-manager": {"inactive-num-limit": 2}})
        await inst.settle()
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 2
        await h.rpc("job-manager.config-reload", {"job-manager": {"inactive-age-limit": "1h"}})
        await inst.advance(3600.0)
        assert (await h.rpc("job-manager.stats-get"))["inactive_jobs"] == 0


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"job-manager": {"inactive-num-limit": -2}}, "inactive-num-limit"),
        ({"job-manager": {"inactive-age-limit": "1x"}}, "inactive-age-limit"),
        (
            {"job-manager": {"inactive-num-limit": True}},
            "inactive-num-limit: expected an integer",
        ),
        ({"job-manager": {"stop-queues-on-restart": 1}}, "restart: expected true or false, got 1"),
        ({"job-manager": {"plugins": {}}}, "job-manager.plugins: expected an array"),
        (
            {"job-manager": {"inactive-limit": 1}},
            "job-manager.inactive-limit: unknown key",
        ),
        ({"job-manager": 1}, "job-manager: expected a table, got 1"),
        ({"access": {"private-mode": 1}}, "access.private-mode: expected true or false, got 1"),
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


@pytest.mark.rfc(33, "limits")
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


@pytest.mark.rfc(21, "jobspec-update", "resource-update")
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


async def test_updates_that_come_together_are_judged_as_one(world, job, jobspec):
    """A queue with its limit and a duration within it, neither of which could be set after the other."""
    config = {
        "queues": {
            "batch": {"policy": {"limits": {"duration": "8h"}}},
            "debug": {"policy": {"limits": {"duration": "5m"}}},
        }
    }
    async with world.instance(config=config) as inst:
        h = await inst.connect()
        await h.rpc("job-manager.submit", {"jobs": [job(1, jobspec(600.0, queue="batch"))]})

        async def update(**updates):
            request = {f"attributes.system.{name}": value for name, value in updates.items()}
            await h.rpc("job-manager.update", {"id": 1, "updates": request})
            reply = await h.rpc("job-manager.getattr", {"id": 1, "attrs": ["jobspec"]})
            return reply["jobspec"]["attributes"]["system"]

        too_long = r"requested duration \(10m\) exceeds policy limit of 5m for queue debug"
        with pytest.raises(OSError, match=too_long):
            await update(queue="debug")
        both = await update(queue="debug", duration=60.0)
        assert (both["queue"], both["duration"]) == ("debug", 60.0)
        back = await update(duration=7200.0, queue="batch")
        assert (back["queue"], back["duration"]) == ("batch", 7200.0)
        with pytest.raises(OSError, match=r"requested duration \(2h\) exceeds"):
            await update(queue="debug", duration=7200.0)
        assert (await update(duration=90000.0))["duration"] == 90000.0  # alone, it is the owner's to choose
