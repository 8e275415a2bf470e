# SPDX-License-Identifier: LGPL-3.0-or-later
"""Simulations: jobs start when they would have, by the job manager and the scheduler themselves."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.simulate.generate import generate
from rosin.simulate.measures import measure, span, table, wait
from rosin.simulate.plot import svg
from rosin.simulate.run import Setup, simulate
from rosin.simulate.trace import TraceJob
from rosin.simulate.world import MockMachine

EXAMPLES = Path(__file__).parents[2] / "examples"
MACHINE = MockMachine.of(2, 4)


def job(submit, run, procs, limit=None):
    return TraceJob(float(submit), float(run), procs, float(limit or run))


def starts(jobs, machine=MACHINE, scheduler="sched-simple", whole=False, **settings):
    """When each starts, seconds after the beginning; None for those that never do."""
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    run = simulate(jobs, Setup(machine, scheduler, given, whole))
    assert run.log == []
    return [None if one.end < 0 else one.start - run.began for one in run.outcomes]


WAITING = [job(0, 100, 6, 200), job(1, 50, 8), job(2, 150, 2), job(3, 300, 2), job(3, 10, 9)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("fcfs", [0, 100, 150, 150, None]), ("easy", [0, 152, 2, 152 + 50, None])],
)
def test_policies(policy, expected):
    assert starts(WAITING, queue_policy=policy) == expected


def test_whole_nodes():
    jobs = [job(0, 10, 1), job(0, 10, 5), job(0, 10, 4)]
    assert starts(jobs) == [0, 0, 10]
    assert starts(jobs, whole=True) == [0, 10, 20]


def test_a_scheduler_of_ones_own():
    jobs = [job(0, 10, 8), job(1, 10, 8), job(2, 10, 8)]
    assert starts(jobs, scheduler=str(EXAMPLES / "lifo.py")) == [0, 20, 10]


def test_a_scheduler_that_takes_no_settings(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(
        "from rosin.modules.sched import Scheduler\n\nclass Plain(Scheduler):\n    arguments = ()\n"
    )
    assert starts([job(0, 10, 8), job(1, 10, 8)], scheduler=str(path)) == [0, 10]


def test_many_at_once_and_none():
    assert starts([]) == []
    assert starts([job(0, 0, 1)] * 20) == [0] * 20
    assert starts([job(0, 5, 9)]) == [None]


def test_machines():
    machine = MockMachine.of(1, 1)
    assert (machine.nodes, machine.cores, machine.node, machine.up) == (1, 1, 1, "0")
    assert starts([job(0, 5, 1), job(0, 5, 1)], machine) == [0, 5]
    with pytest.raises(FormatError):
        MockMachine({"version": 1})
    with pytest.raises(OSError, match="queue-policy: expected one of fcfs"):
        simulate([job(0, 1, 1)], Setup(MACHINE, settings={"queue-policy": "none"}))
    with pytest.raises(FileNotFoundError):
        simulate([job(0, 1, 1)], Setup(MACHINE, "none.py"))


traces = st.lists(
    st.builds(job, st.integers(0, 30), st.integers(1, 20), st.integers(1, 8), st.just(20)), max_size=10
).map(lambda jobs: sorted(jobs, key=lambda one: one.submit))


@settings(max_examples=15, deadline=None)
@given(traces, st.sampled_from(["fcfs", "easy", "hybrid", "conservative"]))
def test_what_holds_of_all(jobs, policy):
    """Nobody starts before it comes, all run as long as they do, and no core has two jobs."""
    run = simulate(jobs, Setup(MACHINE, settings={"queue-policy": policy}))
    for outcome in run.outcomes:
        assert outcome.start >= run.began + outcome.job.submit
        assert outcome.end == outcome.start + outcome.job.run
        assert outcome.cores == outcome.job.procs
    changes = sorted(
        change for one in run.outcomes for change in ((one.start, 1, one.cores), (one.end, 0, -one.cores))
    )
    used = 0
    for _, _, by in changes:
        used += by
        assert 0 <= used <= 8
    assert run.stats["allocations"] == len(jobs)


def test_measures():
    told = []
    run = simulate(WAITING, Setup(MACHINE, settings={"queue-policy": "fcfs"}), told.append)
    found = measure(run, MACHINE.cores)
    assert (found.jobs, found.refused, found.makespan) == (4, 1, 450.0)
    assert [wait(run, one) for one in run.outcomes[:4]] == [0.0, 99.0, 148.0, 147.0]
    assert (found.wait_mean, found.wait_median, found.wait_max) == (98.5, 123.0, 148.0)
    assert found.slowdown == pytest.approx((1 + 149 / 50 + 298 / 150 + 447 / 300) / 4)
    assert found.utilisation == pytest.approx((600 + 400 + 300 + 600) / (450 * 8))
    header, line = table([("fcfs", found)]).splitlines()
    assert header.split() == [
        "POLICY",
        "JOBS",
        "WAIT",
        "MEDIAN",
        "95%",
        "MAX",
        "SLOWDOWN",
        "MEDIAN",
        "USE",
        "MAKESPAN",
        "TOOK",
    ]
    assert line.split()[:10] == ["fcfs", "4", "98s", "2.0m", "2.5m", "2.5m", "1.9", "1.74", "52.8%", "7.5m"]
    nothing = measure(simulate([], Setup(MACHINE)), 8)
    assert (nothing.jobs, nothing.utilisation, nothing.slowdown) == (0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (119, "119s"), (120, "2.0m"), (7200, "2.0h"), (2e5, "2.3d")]
)
def test_spans(seconds, text):
    assert span(seconds) == text


def test_progress_and_picture():
    made = generate(600, 8, 0.7, 2)
    told = []
    runs = [
        (name, simulate(made.jobs, Setup(MACHINE, settings={"queue-policy": name}), told.append))
        for name in ("fcfs", "easy")
    ]
    assert told == [100, 600] * 2
    picture = svg([("<fcfs>", runs[0][1]), runs[1]], 8)
    assert picture.count("<polyline") == 6
    assert "&lt;fcfs&gt;" in picture
    assert "nan" not in picture
    assert svg([("none", simulate([], Setup(MACHINE)))], 8).count("<polyline") == 3
