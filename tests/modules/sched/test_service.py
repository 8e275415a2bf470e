# SPDX-License-Identifier: LGPL-3.0-or-later
"""The scheduler's half of RFC 27, between stand-ins for its neighbours."""

import asyncio
import errno

import pytest

from rosin.errors import FormatError

SUCCESS, ANNOTATE, DENY, CANCEL = range(4)


async def fails(errnum, awaitable):
    with pytest.raises(OSError) as info:
        await awaitable
    assert info.value.errno == errnum
    return info.value.strerror


@pytest.mark.rfc(27, "commit-first")
async def test_success_after_r_is_stored(world, spec):
    async with world() as w:
        assert w.ready == {"mode": "unlimited"}
        w.alloc(7, spec(slots=2, duration=60.0))
        answer = await w.answer()
        assert (answer["id"], answer["type"]) == (7, SUCCESS)
        assert answer["annotations"] == {"sched": {"resource_summary": "rank0/core[0-1]"}}
        execution = answer["R"]["execution"]
        assert execution["nslots"] == 2
        assert execution["expiration"] == execution["starttime"] + 60.0
        assert w.values["job.0000.0000.0000.0007.R"] == answer["R"]


async def test_one_commit_for_a_turn(world, spec):
    async with world() as w:
        for jobid in range(1, 5):
            w.alloc(jobid, spec())
        answers = [await w.answer() for _ in range(4)]
        assert [answer["id"] for answer in answers] == [1, 2, 3, 4]
        assert len(w.commits) == 1
        assert len({answer["annotations"]["sched"]["resource_summary"] for answer in answers}) == 4


async def test_order_and_blocking(world, spec):
    async with world() as w:
        w.alloc(1, spec(slots=3))
        first = await w.answer()
        w.alloc(2, spec(slots=2), t_submit=2.0)
        w.alloc(3, spec(slots=1), t_submit=3.0)  # would fit, but waits its turn
        w.alloc(4, spec(slots=2), t_submit=4.0, priority=20)
        await w.inst.settle()
        assert w.answers.empty()
        w.h.rpc("sched.prioritize", {"jobs": [[3, 30], [99, 1]]}, flags=1)
        assert (await w.answer())["id"] == 3
        w.free(first)
        assert (await w.answer())["id"] == 4
        await w.inst.settle()
        assert w.answers.empty()  # 1 core left, job 2 wants 2


@pytest.mark.rfc(27, "cancel")
async def test_cancel(world, spec):
    async with world() as w:
        w.alloc(1, spec(slots=4))
        await w.answer()
        w.alloc(2, spec(slots=4), t_submit=2.0)
        w.alloc(3, spec(), t_submit=3.0)
        w.h.rpc("sched.cancel", {"id": 2}, flags=1)
        w.h.rpc("sched.cancel", {"id": 77}, flags=1)
        assert await w.answer() == {"id": 2, "type": CANCEL}
        assert len(w.module.schedule.queue) == 1


@pytest.mark.rfc(27, "deny")
async def test_denials(world, spec):
    async with world() as w:
        w.alloc(1, spec(slots=5))
        answer = await w.answer()
        assert answer["type"] == DENY
        only = "only 4 such slot(s) available (total cores: 4)"
        assert answer["note"] == f"unsatisfiable request: need 5 slot(s) of 1 core(s), {only}"
        w.alloc(2, {"resources": []})
        assert (await w.answer())["note"] == "cannot parse jobspec: jobspec has no resources"
        w.alloc(3, spec(constraints={"nonsense": []}))
        assert "nonsense" in (await w.answer())["note"]
        assert len(w.module.schedule.queue) == 0


@pytest.mark.rfc(27, "feasibility")
async def test_feasibility(world, spec):
    async with world(up="") as w:
        assert await w.h.rpc("feasibility.check", {"jobspec": spec(slots=4)}) is None
        text = await fails(errno.EOVERFLOW, w.h.rpc("feasibility.check", {"jobspec": spec(nodes=2)}))
        assert text == "unsatisfiable request: need 2 node(s) with 1 cores each, only 1 eligible"
        await fails(errno.EINVAL, w.h.rpc("feasibility.check", {"jobspec": {}}))
        await fails(errno.EINVAL, w.h.rpc("feasibility.check", {}))


@pytest.mark.rfc(28, "only-up", "no-exception", "shrink-precedence")
async def test_resources_come_and_go(world, spec, make_r):
    async with world(R=make_r(2, 2), up="") as w:
        w.alloc(1, spec(nodes=2))
        await w.inst.settle()
        assert w.answers.empty()
        w.changes.put_nowait({"up": "0-1"})
        first = await w.answer()
        w.changes.put_nowait({"expiration": 9e9})
        w.changes.put_nowait({"down": "1"})
        status = await w.h.rpc("sched.resource-status")
        assert status["down"]["execution"]["nodelist"] == ["n1"]
        assert status["allocated"]["execution"]["R_lite"] == [{"rank": "0-1", "children": {"core": "0"}}]
        w.free(first)
        w.alloc(2, spec(slots=2))
        answer = await w.answer()
        assert answer["annotations"]["sched"]["resource_summary"] == "rank0/core[0-1]"
        assert answer["R"]["execution"]["expiration"] == 9e9
        w.alloc(3, spec(nodes=2), t_submit=5.0)
        await w.inst.settle()
        w.changes.put_nowait({"down": "1", "shrink": "1"})
        assert (await w.answer())["type"] == DENY


@pytest.mark.rfc(28, "properties")
async def test_property_add_makes_a_job_feasible(world, spec, make_r):
    async with world(R=make_r(2, 2), up="0-1") as w:
        constrained = spec(constraints={"properties": ["ssd"]})
        await fails(errno.EOVERFLOW, w.h.rpc("feasibility.check", {"jobspec": constrained}))
        w.changes.put_nowait({"property-add": {"ssd": "1", "+q": "0-1"}})
        await w.inst.settle()
        w.alloc(1, constrained)
        answer = await w.answer()
        assert answer["R"]["execution"]["nodelist"] == ["n1"]
        assert answer["R"]["execution"]["properties"] == {"ssd": "1"}
        w.changes.put_nowait({"property-remove": {"ssd": "1"}})
        await w.inst.settle()
        await fails(errno.EOVERFLOW, w.h.rpc("feasibility.check", {"jobspec": constrained}))


@pytest.mark.rfc(27, "hello-allocated")
async def test_hello_after_restart(world, spec, make_r):
    R = make_r(2, 2)
    jobs = [
        {"id": 1, "priority": 16, "userid": 1, "t_submit": 1.0, "free": "1"},  # rank 1 is back already
        {"id": 2, "priority": 16, "userid": 1, "t_submit": 2.0},  # its R is lost
    ]
    values = {"job.0000.0000.0000.0001.R": R}
    async with world(R=R, up="0-1", running=jobs, values=values) as w:
        w.alloc(3, spec(nodes=1, slots=2))
        answer = await w.answer()
        assert answer["annotations"]["sched"]["resource_summary"] == "rank1/core[0-1]"
        assert w.raised == [(2, "scheduler-restart")]


async def test_nobody_ends_because_the_kvs_cannot_tell(world, make_r):
    """R of a running job may be there: the scheduler does not start, and the job goes on."""
    jobs = [{"id": 1, "priority": 16, "userid": 1, "t_submit": 1.0}]
    w = world(R=make_r(1, 2), running=jobs)
    w.silent = True
    with pytest.raises(OSError, match=r"cannot read R of .*: Function not implemented") as caught:
        async with w:
            pass
    assert caught.value.errno == errno.ENOSYS
    assert w.raised == []


@pytest.mark.rfc(27, "free")
async def test_partial_free(world, spec, make_r):
    async with world(R=make_r(2, 2), up="0-1") as w:
        w.alloc(1, spec(nodes=2, slots=2))
        whole = await w.answer()
        w.alloc(2, spec(nodes=1, slots=2), t_submit=2.0)
        part = {"version": 1, "execution": {"R_lite": [{"rank": "1", "children": {"core": "0-1"}}]}}
        w.free({"id": 1, "R": part}, final=False)
        answer = await w.answer()
        assert answer["annotations"]["sched"]["resource_summary"] == "rank1/core[0-1]"
        w.free(whole)  # names rank 1, which job 1 no longer holds: nothing of job 2 may be freed
        await w.inst.settle()
        assert any("does not match the allocation on ranks 1" in line for line in w.inst.logged())
        assert list(w.module.schedule.resources.pool.jobs) == [2]


async def test_r_that_cannot_be_written_is_tried_again(world, spec):
    async with world() as w:
        w.fail = (errno.ENOSPC, "No space left on device")
        w.alloc(1, spec())
        w.alloc(2, spec())
        await w.inst.advance(3.0)
        assert w.answers.empty()
        assert w.module.schedule.resources.pool.jobs == {}
        w.h.rpc("sched.cancel", {"id": 2}, flags=1)
        assert await w.answer() == {"id": 2, "type": CANCEL}
        w.fail = None
        await w.inst.advance(30.0)
        assert (await w.answer())["id"] == 1


async def test_writing_r_is_tried_again_later_each_time(world, spec):
    """After 1, 2, 4, ... and at most 30 seconds, not at every change meanwhile; after a success from 1."""

    async def passes_after(w, seconds):
        before = w.module.passes
        w.changes.put_nowait({"up": "0"})  # asks for a pass
        await w.inst.advance(seconds)
        return w.module.passes - before

    async with world() as w:
        w.fail = (errno.ENOSPC, "No space left on device")
        w.alloc(1, spec())
        await w.inst.settle()
        for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
            assert await passes_after(w, pause - 0.5) == 0
            assert await passes_after(w, 0.5) == 1
        w.fail = None
        await w.inst.advance(30.0)
        assert (await w.answer())["id"] == 1
        w.fail = (errno.ENOSPC, "No space left on device")
        w.alloc(2, spec())
        await w.inst.settle()
        assert await passes_after(w, 0.5) == 0
        assert await passes_after(w, 0.5) == 1


async def test_cancel_while_r_is_written(world, spec):
    async with world() as w:
        w.hold = asyncio.Event()
        w.alloc(1, spec())
        await w.inst.settle()
        w.h.rpc("sched.cancel", {"id": 1}, flags=1)
        await w.inst.settle()
        assert w.answers.empty()
        w.fail = (errno.EIO, "broken")
        w.hold.set()
        assert await w.answer() == {"id": 1, "type": CANCEL}
        assert w.module.schedule.resources.pool.jobs == {}
        assert len(w.module.schedule.queue) == 0


@pytest.mark.rfc(27, "expiration")
async def test_expiration(world, spec):
    async with world() as w:
        w.alloc(1, spec(duration=10.0))
        await w.answer()
        assert await w.h.rpc("sched.expiration", {"id": 1, "expiration": 12345.0}) is None
        assert w.module.schedule.resources.pool.jobs[1].expiration == 12345.0
        await fails(errno.EINVAL, w.h.rpc("sched.expiration", {"id": 1, "expiration": -1.0}))


@pytest.mark.rfc(28, "error")
@pytest.mark.parametrize("news", [None, {"up": 3}, {"down": "x"}])
async def test_no_more_news_of_resources_stops_scheduling(world, spec, news):
    async with world() as w:
        w.changes.put_nowait(news)
        await w.inst.settle()
        w.alloc(1, spec())
        await w.inst.settle()
        assert w.answers.empty()
        assert any("no more news of resources" in line for line in w.inst.logged())


@pytest.mark.parametrize(
    ("args", "ready"),
    [
        (["queue-depth=3"], {"mode": "limited", "limit": 3}),
        (["queue-depth=1"], {"mode": "limited", "limit": 1}),
        (["mode=limited=5"], {"mode": "limited", "limit": 5}),
        (["mode=unlimited", "alloc-mode=best-fit"], {"mode": "unlimited"}),
    ],
)
async def test_arguments(world, args, ready):
    async with world(args=args) as w:
        assert w.ready == ready


@pytest.mark.parametrize(
    "arg",
    [
        "queue-depth=0",
        "queue-depth=x",
        "mode=limited",
        "mode=unlimited=3",
        "alloc-mode=any",
        "depth=1",
        "log-level=loud",
    ],
)
async def test_bad_arguments(world, arg):
    with pytest.raises(OSError, match=r"sched-simple: .*(expected|did you mean)") as info:
        async with world(args=[arg]):
            pass
    assert info.value.errno == errno.EINVAL


@pytest.mark.parametrize(("level", "heard"), [("info", True), ("DEBUG", True), ("err", False)])
async def test_log_level(world, level, heard):
    async with world(args=[f"log-level={level}"]) as w:
        assert any("ready: queue-depth" in line for line in w.inst.logged()) is heard


async def test_configuration_table(world):
    table = {"queue-depth": 9, "alloc-mode": "best-fit"}
    async with world(config={"sched-simple": table}) as w:
        assert w.ready == {"mode": "limited", "limit": 9}
        assert w.module.settings["alloc-mode"] == "best-fit"
        with pytest.raises(FormatError, match=r"sched-simple\.x: unknown key; known: mode, queue-depth"):
            w.module.reconfigure({"sched-simple": {"x": 1}})
        with pytest.raises(FormatError, match="did you mean queue-depth"):
            w.module.reconfigure({"sched-simple": {"queue-dept": 1}})


async def test_many_jobs_in_slices(world, spec, make_r):
    async with world(R=make_r(100, 10), up="0-99") as w:
        for jobid in range(1000):
            w.alloc(jobid, spec())
        answers = [await w.answer() for _ in range(1000)]
        assert len({answer["annotations"]["sched"]["resource_summary"] for answer in answers}) == 1000
        assert len(w.commits) < 10
        for answer in answers:
            w.free(answer)
        await w.h.rpc("sched-simple.stats-get")
        assert w.module.schedule.resources.pool.jobs == {}


async def test_estimated_start(world, spec):
    async with world() as w:
        w.alloc(1, spec(slots=4, duration=100.0))
        first = await w.answer()
        end = first["R"]["execution"]["expiration"]
        w.alloc(2, spec(slots=2, duration=50.0), t_submit=2.0)
        w.alloc(3, spec(slots=4), t_submit=3.0)
        w.alloc(4, spec(slots=1), t_submit=4.0)  # behind a job without a limit: unknown
        await w.inst.advance(2.0)
        answers = [await w.answer() for _ in range(2)]
        assert [(a["id"], a["type"], a["annotations"]["sched"]) for a in answers] == [
            (2, ANNOTATE, {"t_estimate": end}),
            (3, ANNOTATE, {"t_estimate": end + 50.0}),
        ]
        await w.inst.advance(5.0)
        assert w.answers.empty()  # nothing changed
        w.free(first)
        answer = await w.answer()
        assert answer["annotations"]["sched"] == {"resource_summary": "rank0/core[0-1]", "t_estimate": None}


async def test_job_manager_goes_away(world, spec):
    async with world() as w:
        w.alloc(1, spec(slots=4))
        await w.answer()
        w.alloc(2, spec(slots=4), t_submit=2.0)
        await w.inst.settle()
        assert len(w.module.schedule.queue) == 1
        await w.h.close()
        await w.inst.settle()
        assert len(w.module.schedule.queue) == 0
        assert list(w.module.schedule.resources.pool.jobs) == [1]


@pytest.mark.parametrize(("args", "partial"), [([], True), (["test-hello-nopartial"], False)])
async def test_partial_release_is_understood(world, args, partial):
    async with world(args=args) as w:
        assert w.greeting == {"partial-ok": partial}


async def test_job_that_is_gone_before_its_exception_is_raised(world):
    job = {"id": 2, "priority": 16, "userid": 1, "t_submit": 2.0}
    w = world(running=[job])
    w.refuse_raise = True
    async with w:
        await w.inst.settle()
        assert any("exception not raised: unknown job" in line for line in w.inst.logged())


async def test_job_manager_that_goes_away_while_r_is_written(world, spec):
    async with world() as w:
        w.hold = asyncio.Event()
        w.alloc(1, spec())
        await w.inst.settle()
        await w.h.close()
        w.hold.set()
        await w.inst.settle()
        assert list(w.module.schedule.resources.pool.jobs) == [1]
        assert w.module.schedule.writing == {}
