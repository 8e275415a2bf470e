# SPDX-License-Identifier: LGPL-3.0-or-later
"""Nothing that the services time or order by themselves follows the wall clock when it is set by years."""

import pytest

from rosin.broker import rctable
from rosin.broker.clock import VirtualClock
from rosin.broker.module import BrokerModule, request_handler
from rosin.job.submission import submit_async
from rosin.rfc.jobspec.build import from_command
from rosin.testing import Instance

YEARS = 40 * 365 * 86400.0
BOTH_WAYS = pytest.mark.parametrize("step", [YEARS, -YEARS])


def step_clock(inst, seconds):
    """Set the wall clock, as an administrator does."""
    assert isinstance(inst.clock, VirtualClock)
    inst.clock.set_wall(seconds)


async def online(inst):
    """A client; the broker is in the group of those that run."""
    h = await inst.connect()
    await h.rpc("groups.join", {"name": "broker.online"})
    await inst.settle()
    return h


async def submit(h, seconds, duration=0.0, **system):
    jobspec = from_command(["mock"])
    jobspec["attributes"]["system"].update({"duration": duration, **system})
    jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": f"{seconds}s"}}
    return (await submit_async(h, jobspec))["id"]


async def states(h):
    attrs = {"max_entries": 0, "attrs": ["state"], "constraint": {}}
    return {job["id"]: job["state"] for job in (await h.rpc("job-list.list", attrs))["jobs"]}


@BOTH_WAYS
async def test_jobs_run_as_long_as_they_would(step):
    async with Instance(rctable.modules()) as inst:
        h = await online(inst)
        id = await submit(h, 60)
        await inst.advance(30)
        step_clock(inst, step)
        await inst.advance(29)
        assert (await states(h))[id] == 16
        await inst.advance(2)
        assert (await states(h))[id] == 64


@BOTH_WAYS
async def test_jobs_are_not_purged_before_their_age(step):
    config = {"job-manager": {"inactive-age-limit": "1h"}}
    async with Instance(rctable.modules(), config=config) as inst:
        h = await online(inst)
        id = await submit(h, 1)
        await inst.advance(100)
        step_clock(inst, step)
        await inst.advance(3000)
        request = {"age_limit": 3600.0, "num_limit": -1, "batch": 10, "force": False}
        assert (await h.rpc("job-manager.purge", request))["count"] == 0
        assert id in await states(h)
        await inst.advance(600)
        assert id not in await states(h)


@BOTH_WAYS
async def test_jobs_go_on_in_the_order_in_which_they_were_submitted(step):
    async with Instance(rctable.modules()) as inst:
        h = await online(inst)
        ncores = (await h.rpc("resource.status"))["R"]["execution"]["R_lite"][0]["children"]["core"]
        for _ in range(64 if "-" in ncores else 1):
            await submit(h, 10)
        ids = []
        for step_now in (0.0, step, -step):
            step_clock(inst, step_now)
            ids.append(await submit(h, 10))
        assert ids == sorted(ids)
        history = (await h.rpc("job-manager.history.get", {"slice": "[0:3]"}))["jobs"]
        assert history == ids[::-1]
        pending = [id for id, state in (await states(h)).items() if state == 8]
        assert pending[-3:] == ids


async def test_a_begin_time_follows_the_clock_that_it_names():
    async with Instance(rctable.modules()) as inst:
        h = await online(inst)
        begin = {"scheme": "begin-time", "value": str(inst.clock.now() + 1000)}
        id = await submit(h, 1000, dependencies=[begin])
        step_clock(inst, -YEARS)
        await inst.advance(1100)
        assert (await states(h))[id] == 2
        step_clock(inst, YEARS)
        await inst.advance(61)
        assert (await states(h))[id] == 16


@BOTH_WAYS
async def test_modules_are_idle_for_as_long_as_they_are(step):
    async with Instance(rctable.modules()) as inst:
        h = await inst.connect()
        step_clock(inst, step)
        await inst.advance(1)
        assert all(0 <= module["idle"] < 60 for module in (await h.rpc("module.list"))["mods"])
        assert 0 <= (await h.rpc("state-machine.get"))["duration"] < 60


class Broken(BrokerModule):
    name = "broken"

    @request_handler("fail")
    def fail(self, msg):
        raise KeyError("no such moon")


@BOTH_WAYS
async def test_complaints_are_heard_again_after_a_minute(step):
    async with Instance([Broken]) as inst:
        h = await inst.connect()
        for seconds, step_now in ((0, 0.0), (1, step), (61, -step)):
            step_clock(inst, step_now)
            await inst.advance(seconds)
            with pytest.raises(OSError, match="internal error"):
                await h.rpc("broken.fail")
        assert sum("Traceback" in line for line in inst.logged()) == 2


@BOTH_WAYS
async def test_a_step_is_no_silence(step):
    async with Instance(attrs={"rank": "1"}) as inst:
        heartbeat = await inst.load("heartbeat")
        step_clock(inst, step)
        await inst.advance(4)
        assert not heartbeat.overdue
        assert not heartbeat.gave_up
