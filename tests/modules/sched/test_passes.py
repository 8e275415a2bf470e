# SPDX-License-Identifier: LGPL-3.0-or-later
"""Policies by configuration, and passes that are made in slices, in a broker."""

import errno

import pytest

from rosin.errors import FormatError
from rosin.modules.sched import base

SUCCESS = 0


async def test_easy_by_configuration(world, spec):
    async with world(config={"sched-simple": {"queue-policy": "easy"}}) as w:
        w.alloc(1, spec(slots=3, duration=100.0))
        w.alloc(2, spec(slots=4, duration=100.0))
        w.alloc(3, spec(slots=1, duration=50.0))
        answers = [await w.answer() for _ in range(2)]
        assert [answer["id"] for answer in answers] == [1, 3]
        assert answers[1]["annotations"]["sched"] == {"resource_summary": "rank0/core3", "backfill": "ƒ3"}
        await w.inst.advance(base.FORECAST_PERIOD)
        annotation = await w.answer()
        expected = answers[0]["R"]["execution"]["expiration"]
        assert annotation["annotations"] == {"sched": {"t_estimate": expected}}


@pytest.mark.parametrize(
    ("table", "overtakes"),
    [
        ({"queue-policy": "hybrid", "reservation-depth": 1}, [3]),
        ({"queue-policy": "hybrid", "reservation-depth": 2}, [4]),
        ({"queue-policy": "hybrid", "reservation-depth": 2, "backfill-depth": 2}, []),
        ({"queue-policy": "easy", "backfill-depth": "unlimited"}, [3]),
    ],
)
async def test_depths_by_configuration(world, spec, table, overtakes):
    """A core is free for 100 s; job 3 would delay job 2, which is second."""
    async with world(config={"sched-simple": table}) as w:
        w.alloc(1, spec(slots=3, duration=100.0))
        await w.answer()
        for jobid, slots, duration in ((2, 3, 10.0), (9, 4, 10.0), (3, 1, 115.0), (4, 1, 90.0)):
            w.alloc(jobid, spec(slots=slots, duration=duration), priority=20 - jobid if jobid < 9 else 18)
        await w.inst.settle()
        started = [w.answers.get_nowait()["id"] for _ in range(w.answers.qsize())]
        assert started == overtakes


@pytest.mark.parametrize(("args", "ranks"), [([], ["0", "0"]), (["alloc-mode=worst-fit"], ["0", "1"])])
async def test_nodes_with_a_topology_are_packed(world, spec, make_r, args, ranks):
    """RFC 49: unless something else is asked for. R has the part of the description that goes with it."""
    topology = {"socket": [{"cores": "0-1"}, {"cores": "2-3"}]}
    scheduling = {"writer": "TreePool", "children": [{"ranks": "0-1", "topo": topology}]}
    async with world(R={**make_r(2, 4), "scheduling": scheduling}, up="0-1", args=args) as w:
        for jobid in (1, 2):
            w.alloc(jobid, spec(cores=2))
        answers = [await w.answer() for _ in range(2)]
        assert [answer["R"]["scheduling"]["children"][0]["ranks"] for answer in answers] == ranks


async def test_a_topology_that_does_not_fit(world, make_r):
    R = {**make_r(2, 4), "scheduling": {"writer": "TreePool", "children": []}}
    with pytest.raises(FormatError, match="rank 0 is not described"):
        async with world(R=R, up="0-1"):
            pass


@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_how_many_starts_are_estimated(world, spec, depth):
    async with world(config={"sched-simple": {"forecast-depth": depth}}) as w:
        for jobid in range(1, 7):
            w.alloc(jobid, spec(slots=4, duration=10.0))
        await w.answer()
        await w.inst.advance(base.FORECAST_PERIOD)
        assert w.answers.qsize() == depth


@pytest.mark.parametrize(("name", "overtakes"), [("sched-fifo", False), ("sched-backfill", True)])
async def test_flux_cores_other_schedulers(world, spec, name, overtakes):
    async with world(module=name) as w:
        w.alloc(1, spec(slots=3, duration=100.0))
        w.alloc(2, spec(slots=4, duration=100.0))
        w.alloc(3, spec(slots=1, duration=50.0))
        await w.inst.settle()
        assert w.answers.qsize() == 1 + overtakes
        assert (await w.h.rpc(f"{name}.stats-get"))["pending_jobs"] == 2 - overtakes


@pytest.mark.parametrize("steps", [1, 2, 7])
async def test_a_pass_in_slices(world, spec, make_r, monkeypatch, steps):
    """Others are answered in between, and what they ask for is taken into account."""
    monkeypatch.setattr(base, "SLICE", 0.0)
    config = {"sched-simple": {"queue-policy": "easy"}}
    async with world(R=make_r(1, 8), config=config) as w:
        w.alloc(1, spec(slots=6, duration=100.0))
        await w.answer()
        w.alloc(2, spec(slots=8, duration=10.0))
        for jobid in range(3, 203):
            w.alloc(jobid, spec(slots=3, duration=50.0))
        w.alloc(300, spec(slots=1, duration=50.0))
        for _ in range(steps):
            await w.h.rpc("sched.resource-status")
        w.alloc(301, spec(slots=1, duration=40.0), priority=31)
        assert [(await w.answer())["id"] for _ in range(2)] == [300, 301]
        await w.inst.settle()
        assert w.answers.empty()
        assert (await w.h.rpc("sched-simple.stats-get"))["longest_slice"] > 0


async def test_the_limit_of_a_pass(world, spec, make_r, monkeypatch):
    monkeypatch.setattr("rosin.modules.sched.schedule.PASS_LIMIT", 3)
    async with world(R=make_r(1, 8)) as w:
        for jobid in range(1, 9):
            w.alloc(jobid, spec())
        assert [(await w.answer())["id"] for _ in range(8)] == list(range(1, 9))
        assert [len(commit) for commit in w.commits] == [3, 3, 2]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            {"queue-policy": "lifo"},
            "sched-simple.queue-policy: expected one of fcfs, easy, hybrid, conservative, got 'lifo'",
        ),
        (
            {"reservation-depth": 0},
            "sched-simple.reservation-depth: expected a number from 1 to 10000, got 0",
        ),
        (
            {"backfill-depth": -1},
            "sched-simple.backfill-depth: expected a number of 1 or more, or unlimited, got -1",
        ),
    ],
)
async def test_wrong_values(world, table, text):
    with pytest.raises(FormatError) as refused:
        async with world(config={"sched-simple": table}):
            pass
    assert str(refused.value) == text
    async with world() as w:
        with pytest.raises(FormatError) as refused:
            w.module.reconfigure({"sched-simple": table})
        assert str(refused.value) == text


async def test_wrong_arguments(world):
    with pytest.raises(OSError, match="queue-policy: expected one of fcfs, easy, hybrid") as info:
        async with world(args=["queue-policy=none"]):
            pass
    assert info.value.errno == errno.EINVAL


async def test_priorities_of_a_long_queue_are_set_in_slices(world, spec, monkeypatch):
    """Others have their turn meanwhile; nothing starts before all are set, and what comes later counts."""
    monkeypatch.setattr(base, "SLICE", 0.0)
    count = 2000
    async with world() as w:
        w.alloc(1, spec(slots=4))
        first = await w.answer()
        for jobid in range(2, count):
            w.alloc(jobid, spec(slots=4))
        await w.inst.settle()
        turns = []
        prioritize = w.module._prioritize
        monkeypatch.setattr(w.module, "_prioritize", lambda: (turns.append(len(w.commits)), prioritize()))
        jobs = [[jobid, 100 + jobid] for jobid in range(1, count)]
        w.h.rpc("sched.prioritize", {"jobs": jobs}, flags=1)
        w.h.rpc("sched.prioritize", {"jobs": [[5, 9999], [count - 1, 20]]}, flags=1)
        w.free(first)
        second = await w.answer()
        assert second["id"] == 5
        assert len(turns) == 4
        assert turns == [1] * 4, "R of nobody was written"
        w.free(second)
        assert (await w.answer())["id"] == count - 2
