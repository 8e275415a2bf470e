# SPDX-License-Identifier: LGPL-3.0-or-later
"""What `jobtap query` says of dependencies."""


def named(jobspec, name, *dependencies):
    return jobspec(job={"name": name}, dependencies=[*dependencies])


def test_who_waits_for_whom(bench, jobspec):
    first = bench.submit()
    id = bench.submit(jobspec(dependencies=[{"scheme": "afterok", "value": str(first)}]))
    query = bench.manager.jobtap.query(".dependency-after")
    assert query["dependencies"] == [
        {"id": first, "depid": id, "type": "after-success", "description": f"after-success={first}"}
    ]
    bench.manager.except_(bench.job(id), "cancel", 0)
    assert bench.manager.jobtap.query(".dependency-after")["dependencies"] == []


def test_which_singletons_wait(bench, jobspec):
    singleton = {"scheme": "singleton", "value": ""}
    first, second = (bench.submit(named(jobspec, "a:b", singleton)) for _ in range(2))
    bench.submit(named(jobspec, "x"), userid=77)
    bench.submit()
    query = bench.manager.jobtap.query(".dependency-singleton")
    assert {key: value for key, value in query.items() if key not in ("name", "path")} == {
        "1000:a:b": {"count": 2, "singletons": [second]},
        "77:x": {"count": 1, "singletons": []},
    }
    bench.manager.except_(bench.job(first), "cancel", 0)
    assert bench.manager.jobtap.query(".dependency-singleton")["1000:a:b"] == {"count": 1, "singletons": []}
