# SPDX-License-Identifier: LGPL-3.0-or-later
"""Licences, as counted pools, through the scheduler's messages."""

import errno

import pytest

from rosin.errors import FormatError
from rosin.job.why import sentences
from rosin.rfc.shape import parse as shape

SUCCESS, DENY = 0, 2
LICENCES = {"writer": "rosin", "pools": {"matlab": 3}}


def asking(text, duration=100.0):
    return {
        "version": 2,
        "resources": shape(text),
        "tasks": [],
        "attributes": {"system": {"duration": duration}},
    }


@pytest.fixture
def licensed(world, make_r):
    """A scheduler of two nodes and three licences."""

    def make(**more):
        return world(R={**make_r(2, 4), "scheduling": LICENCES}, up="0-1", **more)

    return make


async def test_jobs_wait_for_licences(licensed):
    async with licensed() as w:
        w.alloc(1, asking("[slot/core;matlab=2]"))
        first = await w.answer()
        assert first["R"]["scheduling"] == {"writer": "rosin", "pools": {"matlab": 2}}
        assert w.values["job.0000.0000.0000.0001.R"] == first["R"]
        assert (await w.h.rpc("sched.pools"))["pools"] == {"matlab": {"size": 3, "held": 2}}
        status = await w.h.rpc("sched.resource-status")
        assert status["all"]["scheduling"] == LICENCES
        assert status["allocated"]["scheduling"]["pools"] == {"matlab": 2}
        assert "scheduling" not in status["down"]
        w.alloc(2, asking("slot=1-2/[core;matlab=2]"))
        await w.inst.settle()
        assert w.answers.empty()
        w.free(first)
        second = await w.answer()
        assert (second["id"], second["type"]) == (2, SUCCESS)
        assert second["R"]["execution"]["nslots"] == 1, "there are licences for one"


async def test_why_names_the_pool(licensed):
    async with licensed() as w:
        w.alloc(1, asking("[slot/core;matlab=2]"))
        first = await w.answer()
        w.alloc(2, asking("slot=2/[core;matlab]"))
        answer = await w.h.rpc("sched.why", {"id": 2})
        (reason,) = answer["reasons"]
        assert reason == {
            "kind": "pool",
            "pool": "matlab",
            "needed": 2,
            "free": 1,
            "size": 3,
            "held_by": [1],
        }
        assert answer["t_estimate"] == first["R"]["execution"]["expiration"]
        assert sentences({"reasons": [reason]}) == [
            "it needs 2 of matlab, and 1 of 3 is free; they are held by ƒ2"
        ]
        w.alloc(3, asking("[node=2/slot=4/core;matlab=2]"), priority=20)
        answer = await w.h.rpc("sched.why", {"id": 3})
        assert [reason["kind"] for reason in answer["reasons"]] == ["pool", "resources"]


async def test_what_there_is_not_is_refused(licensed):
    async with licensed() as w:
        w.alloc(1, asking("[slot/core;matlab=4]"))
        answer = await w.answer()
        assert answer["type"] == DENY
        assert answer["note"] == "unsatisfiable request: need 4 of 'matlab', there are 3"
        with pytest.raises(OSError, match="need 1 of 'ansys', there are none") as caught:
            await w.h.rpc("feasibility.check", {"jobspec": asking("[slot/core;ansys]")})
        assert caught.value.errno == errno.EOVERFLOW
        await w.h.rpc("feasibility.check", {"jobspec": asking("[slot/core;matlab=3]")})


async def test_a_scheduler_that_comes_later_knows_who_holds_them(licensed, make_r):
    running = [{"id": 1, "priority": 16, "userid": 1, "t_submit": 1.0}]
    held = make_r(1, 2)
    held["execution"]["nodelist"] = ["n0"]
    values = {
        "job.0000.0000.0000.0001.R": {**held, "scheduling": {"writer": "rosin", "pools": {"matlab": 2}}}
    }
    async with licensed(running=running, values=values) as w:
        assert (await w.h.rpc("sched.pools"))["pools"] == {"matlab": {"size": 3, "held": 2}}
        w.alloc(2, asking("[slot/core;matlab=2]"))
        w.alloc(3, asking("[slot/core;matlab]"), priority=20)
        assert (await w.answer())["id"] == 3
        await w.inst.settle()
        assert w.answers.empty()


@pytest.mark.parametrize(("policy", "overtakes"), [("fcfs", []), ("easy", [3, 5]), ("conservative", [3, 5])])
async def test_promises_hold_for_licences(licensed, policy, overtakes):
    """Job 2 gets its licences when job 1 ends; what would hold one longer than that waits."""
    config = {"sched-simple": {"queue-policy": policy}}
    async with licensed(config=config) as w:
        w.alloc(1, asking("[slot/core;matlab=2]"))
        assert (await w.answer())["id"] == 1
        for jobid, text, duration in (
            (2, "[slot/core;matlab=3]", 50.0),
            (3, "[slot/core;matlab]", 99.0),  # over before
            (4, "[slot/core;matlab]", 200.0),
            (5, "slot/core", 200.0),
        ):
            w.alloc(jobid, asking(text, duration))
        await w.inst.settle()
        started = [w.answers.get_nowait()["id"] for _ in range(w.answers.qsize())]
        assert started == overtakes
        answer = await w.h.rpc("sched.why", {"id": 4})
        kinds = [reason["kind"] for reason in answer["reasons"]]
        assert kinds == (["order"] if policy == "fcfs" else ["pool", "reservation"])


async def test_a_key_that_is_no_key_stops_the_start(world, make_r):
    with pytest.raises(FormatError, match=r"R: scheduling\.pools\.matlab: expected a number"):
        async with world(R={**make_r(1, 2), "scheduling": {"pools": {"matlab": "x"}}}):
            pass
