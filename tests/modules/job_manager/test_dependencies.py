# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs that wait for others, for a time, or for their turn."""

import pytest

from .test_scheduling import allocs, finish

DEPENDENCIES = [
    # scheme, what becomes of the antecedent, does the dependent run
    ("afterany", "canceled", True),
    ("afterany", "ok", True),
    ("afterok", "ok", True),
    ("afterok", "failed", False),
    ("afterok", "canceled", False),
    ("afternotok", "failed", True),
    ("afternotok", "ok", False),
    ("afternotok", "canceled", False),
    ("afterexcept", "ok", False),
    ("afterexcept", "excepted", True),
    ("afterstart", "ok", True),
    ("afterstart", "canceled", False),
    ("after", "ok", True),
]


@pytest.mark.parametrize(("scheme", "how", "runs"), DEPENDENCIES)
@pytest.mark.rfc(26, "matching", "jobid", "after", "afterany", "afterok", "afternotok")
def test_dependency_on_a_job_that_ends_later(bench, jobspec, scheme, how, runs):
    bench.online()
    bench.submit()
    id = bench.submit(jobspec(dependencies=[{"scheme": scheme, "value": "1"}]))
    names = bench.names(id)
    assert names[-2:] == ["dependency-add", "validate"]
    assert ("exception" in names) == (scheme == "after")
    finish(bench, 1, how)
    if runs:
        assert bench.names(id)[-3:] == ["dependency-remove", "depend", "priority"]
    else:
        assert bench.names(id)[-2:] == ["exception", "clean"]
        context = bench.events(id)[-2]["context"]
        assert (context["type"], context["severity"]) == ("dependency", 0)
        assert context["note"].startswith("dependency after-")


@pytest.mark.parametrize(("scheme", "how", "runs"), DEPENDENCIES)
@pytest.mark.rfc(26, "matching", "jobid", "after", "afterany", "afterok", "afternotok")
def test_dependency_on_a_job_that_is_over(bench, jobspec, scheme, how, runs):
    bench.online()
    bench.submit()
    finish(bench, 1, how)
    spec = jobspec(dependencies=[{"scheme": scheme, "value": "1"}])
    if not runs:
        with pytest.raises(OSError, match=f"dependency: after|dependency: {scheme}"):
            bench.submit(spec)
        assert list(bench.manager.active) == []
        return
    id = bench.submit(spec)
    assert bench.names(id)[-5:] == [
        "dependency-add",
        "dependency-remove",
        "validate",
        "depend",
        "priority",
    ]


@pytest.mark.parametrize(
    ("dependency", "text"),
    [
        ({"scheme": "afterok", "value": "xx"}, 'dependency: afterok: "xx" is not a valid jobid'),
        ({"scheme": "afterok", "value": "12345"}, "dependency: afterok: id 12345: job not found"),
        ({"scheme": "foo", "value": "x"}, 'dependency scheme "foo" not supported: it takes afterok, '),
        ({"scheme": "begin-time", "value": "xx"}, "Invalid begin-time=xx"),
        ({"scheme": "begin-time", "value": "nan"}, "Invalid begin-time=nan"),
        ({"scheme": "begin-time", "value": "inf"}, "Invalid begin-time=inf"),
        ({"scheme": "begin-time", "value": "1e300"}, "Invalid begin-time=1e300"),
        ({"scheme": "singleton", "value": "x"}, "singleton jobs require a job name"),
        ({"scheme": "afterok"}, "value is missing or not a string"),
        ("afterok:1", "dependency is not an object"),
    ],
)
def test_impossible_dependencies_are_refused(bench, jobspec, dependency, text):
    with pytest.raises(OSError, match=text):
        bench.submit(jobspec(dependencies=[dependency]))


def test_dependency_on_the_job_of_another_user(bench, jobspec):
    bench.submit(userid=7)
    with pytest.raises(OSError, match="Permission denied for job 1"):
        bench.submit(jobspec(dependencies=[{"scheme": "afterok", "value": "1"}]))


@pytest.mark.rfc(26, "begin-time")
def test_begin_time(bench, jobspec):
    when = bench.port.time + 200_000
    id = bench.submit(jobspec(dependencies=[{"scheme": "begin-time", "value": f"{when}"}]))
    bench.port.advance(100_000)
    bench.port.advance(99_999)
    assert bench.names(id)[-1] == "validate"
    bench.port.advance(2)
    assert bench.names(id)[-3:] == ["dependency-remove", "depend", "priority"]
    past = bench.submit(jobspec(dependencies=[{"scheme": "begin-time", "value": "1.5"}]))
    assert bench.events(past)[1]["context"] == {"description": "begin-time=1.500"}
    assert bench.names(past)[-1] == "priority"


def test_singletons_run_one_at_a_time(bench, jobspec):
    spec = jobspec(job={"name": "s"}, dependencies=[{"scheme": "singleton", "value": ""}])
    bench.online()
    ids = [bench.submit(spec) for _ in range(4)]
    assert "dependency-add" not in bench.names(ids[0])
    bench.manager.except_(bench.job(ids[2]), "cancel", 0)
    for id in (ids[0], ids[1], ids[3]):
        assert allocs(bench) == [id]
        bench.run(id)
    plugin = bench.manager.jobtap.find("job.dependency.singleton")[0][0]
    assert (plugin._named, plugin._waiting, plugin._keys) == ({}, {}, {})
