# SPDX-License-Identifier: LGPL-3.0-or-later
"""alloc-bypass.so, alloc-check.so, submit-hold.so."""

import pytest

from rosin import _json
from rosin.modules.job_manager import restart
from rosin.modules.job_manager.plugins import load
from rosin.rfc.jobpath import job_key

from .bench import OWNER, R


@pytest.fixture
def plugin(bench):
    """Load one."""
    bench.online()
    return lambda name: load.load(bench.manager.jobtap, name)


def tail(bench, id, count):
    return bench.names(id)[-count:]


# -- alloc-bypass -------------------------------------------------------------------------------------


def test_a_job_that_brings_its_resources_along(bench, plugin, jobspec):
    plugin("alloc-bypass.so")
    bench.manager.housekeeping.settings = bench.manager.housekeeping.settings._replace(command=["clean"])
    id = bench.submit(jobspec(**{"alloc-bypass": {"R": {**R, "scheduling": "opaque"}}}))
    assert bench.names(id) == ["submit", "set-flags", "validate", "depend", "priority", "alloc"]
    assert bench.events(id)[-1]["context"] == {"bypass": True}
    ops = _json.dumps(bench.store().transaction().ops).decode()
    assert f'"{job_key(id, "R")}"' in ops  # in the same commit as the event
    bench.settle()
    assert bench.port.take("sched.alloc") == []
    (request,) = bench.port.take("job-exec.start")
    assert request["R"] == R
    assert bench.manager.drain.resource_status()["allocated"]["execution"]["R_lite"] == []
    assert list(bench.manager.alloc.held()) == []
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    assert tail(bench, id, 2) == ["free", "clean"]
    assert bench.port.take("sched.free") == []
    assert bench.port.streams == []  # no housekeeping


def test_queues_and_holds_do_not_concern_it(bench, plugin, jobspec):
    plugin("alloc-bypass")
    id = bench.submit(jobspec(**{"alloc-bypass": {"R": R}}), urgency=0)
    bench.manager.requeue_all()
    assert tail(bench, id, 1) == ["alloc"]


def test_its_time_can_be_changed_without_the_scheduler(bench, plugin, jobspec):
    from rosin.modules.job_manager import update

    plugin("alloc-bypass.so")
    id = bench.submit(jobspec(**{"alloc-bypass": {"R": R}}))
    changes = {"id": id, "updates": {"attributes.system.duration": 600.0}}
    update.update(bench.manager, bench.request(payload=changes))
    changed = bench.job(id).R["execution"]
    assert changed["expiration"] == changed["starttime"] + 600
    assert [rpc[0] for rpc in bench.port.rpcs] == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"R": {}}, "alloc-bypass: invalid R: "),
        ({"R": {"version": 1, "execution": {"R_lite": [], "nodelist": []}}}, "alloc-bypass: invalid R: "),
        ({"R": "x"}, "invalid system.alloc-bypass.R: expected an object"),
        (3, "invalid system.alloc-bypass.R: expected an object"),
    ],
)
def test_what_is_no_R_is_refused(bench, plugin, jobspec, given, text):
    plugin("alloc-bypass.so")
    with pytest.raises(OSError, match=text):
        bench.submit(jobspec(**{"alloc-bypass": given}))
    assert bench.manager.active == {}


def test_guests_bring_none(bench, plugin, jobspec):
    plugin("alloc-bypass.so")
    with pytest.raises(OSError, match="Guest user cannot use alloc bypass"):
        bench.submit(jobspec(**{"alloc-bypass": {"R": R}}), userid=OWNER + 1)
    bench.run(bench.submit(jobspec(**{"alloc-bypass": {}}), userid=OWNER + 1))


def test_after_a_restart_it_starts_as_it_would_have(bench, plugin, jobspec):
    plugin("alloc-bypass.so")
    spec = jobspec(**{"alloc-bypass": {"R": R}})
    id = bench.submit(spec)
    lines = bench.job(id).lines[:-1]  # but for the alloc event
    bench.__init__()
    job = restart.replay(id, b"".join(line + b"\n" for line in lines), spec, None)
    assert job is not None
    assert job.bypass
    restart.load(bench.manager, job)
    bench.online()
    bench.manager.act(job)
    bench.settle()
    assert bench.port.take("sched.alloc") == []  # it waits for the plugin
    load.load(bench.manager.jobtap, "alloc-bypass.so")
    restart.resume(bench.manager)
    assert tail(bench, id, 3) == ["flux-restart", "priority", "alloc"]


# -- alloc-check --------------------------------------------------------------------------------------


def test_what_is_allocated_twice_ends_a_job(bench, plugin):
    plugin("alloc-check.so")
    first, second, third = (bench.submit() for _ in range(3))
    bench.settle()
    bench.alloc(first)
    bench.alloc(second)
    context = next(event["context"] for event in bench.events(second) if event["name"] == "exception")
    assert (context["type"], context["note"]) == ("alloc-check", "resources already allocated")
    assert tail(bench, second, 1) == ["clean"]
    other = _json.loads(_json.dumps(R))
    other["execution"]["R_lite"][0]["rank"] = "1"
    bench.alloc(third, R=other)
    assert tail(bench, third, 1) == ["alloc"]
    fourth = bench.submit()  # the first one has them still
    bench.settle()
    bench.alloc(fourth)
    assert tail(bench, fourth, 1) == ["clean"]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_freed_may_be_allocated_again(bench, plugin, restarts):
    plugin("alloc-check.so")
    first = bench.submit()
    if restarts:
        bench.settle()
        bench.alloc(first)
        bench.manager.except_(bench.job(first), "scheduler-restart", 0)
    else:
        bench.run(first)
    second = bench.submit()
    bench.settle()
    bench.alloc(second)
    assert tail(bench, second, 1) == ["alloc"]


# -- submit-hold --------------------------------------------------------------------------------------


def test_jobs_are_held_until_somebody_lets_them_go(bench, plugin):
    from rosin.modules.job_manager import control

    plugin("submit-hold.so")
    id = bench.submit()
    bench.settle()
    assert bench.names(id) == ["submit", "validate", "urgency", "depend", "priority"]
    assert bench.job(id).priority == 0
    assert bench.port.take("sched.alloc") == []
    control.urgency(bench.manager, bench.request(payload={"id": id, "urgency": 16}))
    bench.settle()
    assert len(bench.port.take("sched.alloc")) == 1
    held = bench.submit(urgency=0)
    assert "urgency" not in bench.names(held)
