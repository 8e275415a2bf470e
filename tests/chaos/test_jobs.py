# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs to which anything is done; ``python -m benchmarks.machine`` takes a hundred thousand steps."""

import pytest
from benchmarks import machine

from rosin.errors import FormatError
from rosin.rfc.states.table import EVENT_ROWS
from rosin.testing.jobs import RELOADED, JobChecks
from rosin.testing.jobs.lawful import ALLOWED, live

CONTEXT = {
    "submit": {"userid": 1, "urgency": 16, "flags": 0, "version": 1},
    "priority": {"priority": 16},
    "finish": {"status": 0},
    "release": {"ranks": "all", "final": True},
    "exception": {"type": "cancel", "severity": 0},
    "prolog-start": {"description": "p"},
    "prolog-finish": {"description": "p", "status": 0},
    "dependency-add": {"description": "d"},
    "dependency-remove": {"description": "d"},
    "resource-update": {"expiration": 1.0},
    "urgency": {"urgency": 1, "userid": 1},
}
PENDING = "submit validate depend priority"


def log(text, times=None):
    """An eventlog of these events."""
    names = text.split()
    stamps = times or range(1, len(names) + 1)
    return [
        {"timestamp": float(time), "name": name, "context": CONTEXT.get(name, {})}
        for name, time in zip(names, stamps, strict=True)
    ]


def test_any_sequence():
    """As many steps as a suite has time for."""
    assert not machine.run(1, 150, 50)


def test_each_service_is_replaced():
    """One after the other, with a job that runs and one that waits."""
    assert set(RELOADED) == {"kvs", "kvs-watch", "resource", *(name for name in RELOADED if "-" in name)}
    steps = machine.JobMachine()
    steps.begin(scheduler=(), plugins=())
    steps.world.submit(seconds=50)
    steps.world.submit(slots=6, seconds=1)
    for name in RELOADED:
        steps.reload(name, machine.ALL)
        steps.nothing_is_lost()
    steps.teardown()


@pytest.mark.parametrize(
    "text",
    [
        f"{PENDING} alloc start finish release free clean",
        f"{PENDING} alloc prolog-start prolog-finish start exception finish release free clean",
        f"{PENDING} flux-restart priority exception clean",
        "submit dependency-add validate dependency-remove depend priority urgency priority alloc memo"
        " exception finish release free clean",
        f"{PENDING} alloc start resource-update",
    ],
)
def test_a_lawful_log(text):
    assert live(log(text)).count["submit"] == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("validate", "submit is not the first"),
        (f"{PENDING} submit", "submit is not the first event, or not the only"),
        ("submit validate depend alloc", "alloc in PRIORITY"),
        (f"{PENDING} alloc alloc", "alloc in RUN"),
        (f"{PENDING} alloc start start", "start twice"),
        (f"{PENDING} exception free clean", "free without alloc"),
        (f"{PENDING} alloc finish", "neither started nor failed"),
        (f"{PENDING} alloc exception clean", "the resources were not freed"),
        (f"{PENDING} alloc start finish release free clean memo", "memo in INACTIVE"),
        ("submit dependency-add validate depend", "depend, but"),
        ("submit validate dependency-remove", "without dependency-add"),
        (f"{PENDING} alloc prolog-finish", "without prolog-start"),
    ],
)
def test_an_unlawful_log(text, why):
    with pytest.raises(FormatError, match=why):
        live(log(text))


def test_time_does_not_go_back():
    with pytest.raises(FormatError, match="older than the event before"):
        live(log("submit validate", [2, 1]))


def test_each_event_of_the_table_has_its_states():
    """Those that may come at any time are the ones of which the table knows no states."""
    free = {"set-flags", "jobspec-update", "exception", "memo"}
    assert {row[0] for row in EVENT_ROWS} == ALLOWED.keys() | free
    for name, _, _, moves, _ in EVENT_ROWS:
        assert all(ALLOWED.get(name, state) & state for state in moves), name


@pytest.fixture
async def world():
    """One in which a job runs, one waits and one is over."""
    world = JobChecks()
    await world.start()
    world.queue_start(True, None)
    world.submit(seconds=0.01)
    await world.advance(1.0)
    world.submit(seconds=5000)
    world.submit(urgency=0)
    await world.check_rest()
    assert world.problems == []
    yield world
    await world.close()


def lose(world, core):
    del core.active[world.known[1]]


def give_twice(world, core):
    core.active[world.known[2]].R, core.active[world.known[2]].has_resources = (
        core.active[world.known[1]].R,
        True,
    )


def forge(world, core):
    core.active[world.known[1]].lines[1] = b'{"timestamp":1.0,"name":"memo"}'


def move(world, core):
    core.active[world.known[2]].state = 2


def keep(world, core):
    world.module("sched-simple").schedule.resources.pool.release(world.known[1])


def hide(world, core):
    core.active[world.known[1]].urgency = 3


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lose, "was acknowledged and is lost"),
        (give_twice, "are taken"),
        (forge, "its log was changed"),
        (move, "state 2, the log says"),
        (keep, "the scheduler holds"),
        (hide, "is listed as"),
    ],
)
async def test_harm_is_noticed(world, harm, text):
    core = world.module("job-manager").manager
    kept = {id: (job.urgency, job.state) for id, job in core.active.items()}
    harm(world, core)
    await world.check_rest()
    assert any(text in problem for problem in world.problems), world.problems
    for id, job in core.active.items():
        job.urgency, job.state = kept[id]


async def test_what_does_not_end_is_noticed(world):
    job = world.module("job-manager").manager.active[world.known[2]]
    job.priority = job.urgency = 5
    job.alloc_queued = True  # but it is not
    world.ask("job-manager.drain", {}, waits=True)
    await world.quiet()
    texts = [problem.partition(":")[0] for problem in world.problems]
    assert f"job {world.known[2]} is stuck" in texts
    assert "job-manager.drain" in texts


async def test_what_was_stored_is_missed(world):
    """A job that is not there any more after a restart, though its events were seen in the KVS."""
    id = world.known[1]
    await world.stop()
    world.jobs[id].lines.append(b"more")
    world.jobs[id].stored += 1
    world.jobs[1] = world.jobs[id]
    await world.restart()
    assert any("events were stored; there are" in problem for problem in world.problems)
    assert "job 1 was stored and is lost" in world.problems
