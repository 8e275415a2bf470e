# SPDX-License-Identifier: LGPL-3.0-or-later
"""Listings of `/rosin/v1/jobs`: each filter on all jobs, pages, orders, counts, entity tags."""

from __future__ import annotations

import pytest

from rosin import _json
from rosin.rest.own.jobrow import gpus_of

JOBS = "/rosin/v1/jobs"


@pytest.mark.parametrize(
    ("summary", "gpus"),
    [
        ("rank0/core0", 0),
        ("rank0/core[0-3],gpu1", 1),
        ("rank0/core[1-8],gpu[0-3] rank3/core[4-11],gpu[0-1,3]", 7),
        ("rank[0-3,7]/core[0-1],gpu[0-1]", 10),
        ("rank0/gpu[0-", 0),
        ("rank[3-1]/core0,gpu0", None),
        (5, None),
    ],
)
def test_gpus_are_those_that_the_scheduler_tells_of(summary, gpus):
    assert gpus_of(f'{{"sched": {{"resource_summary": {_json.dumps(summary).decode()}}}}}') == gpus
    assert gpus_of("{}") is None


@pytest.fixture
async def some(api):
    """Ids of three jobs that are over (one has failed) and one that is held, oldest first."""
    ids = []
    for command, more in (
        ("true", {"name": "sim-1"}),
        ("sh -c 'exit 3'", {"name": "sim-2", "runtime": 90}),
        ("true", {"name": "post", "num_tasks": 2}),
        ("true", {"name": "held", "urgency": 0}),
    ):
        ids.append(await api.submit(command, **more))
    for jobid in ids[:3]:
        await api.ended(jobid)
    yield ids
    await api.post(f"/jobs/{ids[3]}/cancel")
    await api.ended(ids[3])


def names(page):
    return [job["name"] for job in page["items"]]


async def listed(api, ids, **parameters):
    answer = await api.get(JOBS, params={"id": ",".join(ids), **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("parameter", "operand", "expected"),
    [
        ("name", "sim-*", ["sim-2", "sim-1"]),
        ("name", "post,held", ["held", "post"]),
        ("state", "pending", ["held"]),
        ("state", "failed", ["sim-2"]),
        ("state", "inactive", ["post", "sim-2", "sim-1"]),
        ("returncode", "3", ["sim-2"]),
        ("returncode", "!=0", ["sim-2"]),
        ("success", "true", ["post", "sim-1"]),
        ("ntasks", ">1", ["post"]),
        ("urgency", "<16", ["held"]),
        ("duration", ">1m", ["sim-2"]),
        ("t_submit", ">-1h", ["held", "post", "sim-2", "sim-1"]),
        ("t_submit", "<2020-01-01", []),
        ("runtime", "<1h", ["post", "sim-2", "sim-1"]),
        ("search", "POS", ["post"]),
        ("ranks", "0", ["post", "sim-2", "sim-1"]),
        ("exception", "cancel", []),
        ("dependency", "afterok", []),
        ("annotations", "core", ["post", "sim-2", "sim-1"]),
        ("queue", "none", []),
    ],
)
async def test_each_attribute_filters_as_parameter_and_as_term(api, some, parameter, operand, expected):
    assert names(await listed(api, some, **{parameter: operand})) == expected
    if parameter != "search":
        assert names(await listed(api, some, q=f"{parameter}:{operand}")) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name:sim-* and not returncode:0", ["sim-2"]),
        ("(state:pending or state:failed) name:sim-*", ["sim-2"]),
        ("-name:sim-*", ["held", "post"]),
        ("rc:3 | is:pending", ["held", "sim-2"]),
        ("held", ["held"]),
    ],
)
async def test_the_query_language(api, some, query, expected):
    assert names(await listed(api, some, q=query)) == expected


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"q": "state:walking"}, ["q: state", "'walking'", "pending"]),
        ({"q": "nmae:x"}, ["'nmae:'", "'name:'"]),
        ({"q": "(name:x"}, ["q:", "column 1"]),
        ({"q": " ".join(["name:a"] * 33)}, ["more than 32"]),
        ({"ntasks": "many"}, ["ntasks", "'many'", ">=4"]),
        ({"ntasks": "9" * 30}, ["ntasks"]),
        ({"t_run": ">soon"}, ["t_run", "-2h"]),
        ({"user": "nobody-at-all"}, ["user", "nobody-at-all"]),
        ({"sort": "nmae"}, ["sort", "'name'"]),
        ({"fields": "id,nmae"}, ["fields", "'name'"]),
        ({"cursor": "abc"}, ["cursor"]),
        ({"cursor": "W1siYSJdXQ"}, ["cursor"]),
        ({"host": "[[["}, ["host"]),
        ({"id": "xyz"}, ["id"]),
        ({"stat": "run"}, ["'stat'", "'state'"]),
    ],
)
async def test_what_makes_no_sense_is_named(api, parameters, words):
    answer = await api.get(JOBS, params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    for word in words:
        assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    "sort", ["-id", "id", "name", "-name", "returncode", "-t_run", "status", "user", "success"]
)
async def test_pages_hold_each_job_once_in_every_order(api, some, sort):
    whole = names(await listed(api, some, sort=sort))
    found, cursor = [], ""
    while cursor is not None:
        page = await listed(api, some, sort=sort, limit=1, cursor=cursor, fields="name")
        assert page["total"] == 4
        assert set(page["items"][0]) == {"id", "name"}
        found += names(page)
        cursor = page["next"]
    assert found == whole
    assert sorted(found) == ["held", "post", "sim-1", "sim-2"]


async def test_a_cursor_of_another_order_is_refused(api, some):
    cursor = (await listed(api, some, sort="name", limit=1))["next"]
    answer = await api.get(JOBS, params={"cursor": cursor, "sort": "-name"})
    assert (answer.status_code, "same `sort`" in answer.text) == (400, True)


async def test_counts_are_of_all_but_the_state(api, some):
    page = await listed(api, some, state="failed")
    assert page["total"] == 1
    counts = page["counts"]
    assert (counts["total"], counts["inactive"], counts["failed"], counts["completed"]) == (4, 3, 1, 2)
    assert (await listed(api, some, counts="false"))["counts"] is None
    everything = (await api.get(JOBS, params={"limit": 0})).json()
    assert everything["items"] == []
    assert everything["total"] == everything["counts"]["total"] >= 4
    assert everything["next"] is None


async def test_an_entity_tag_holds_until_a_job_changes(api, some):
    first = await api.get(JOBS)
    tag = first.headers["etag"]
    again = await api.get(JOBS, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await api.get(JOBS, params={"limit": 3}, headers={"If-None-Match": tag})).status_code == 200
    await api.post(f"/jobs/{some[3]}/cancel")
    await api.ended(some[3])
    assert (await api.get(JOBS, headers={"If-None-Match": tag})).status_code == 200


async def test_media_types(api):
    for accept, status in (
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
        ("text/*;q=0.5, */*;q=0.1", 200),
    ):
        answer = await api.get(JOBS, headers={"Accept": accept})
        assert answer.status_code == status, accept
        assert "Accept" in answer.headers["vary"]


async def test_a_job_and_its_timeline(api, some):
    job = (await api.get(f"{JOBS}/{some[1]}")).json()
    assert (job["command"], job["returncode"], job["ending"]) == (["sh", "-c", "exit 3"], 3, "Exit 3")
    assert (job["id_dec"], job["duration"], job["gpus"]) == (some[1], 90.0, 0)
    assert job["R"]["version"] == 1
    events = (await api.get(f"{JOBS}/{some[1]}/timeline")).json()["items"]
    assert {event["log"] for event in events} == {"job", "exec"}
    found = [event["name"] for event in events]
    assert found[0] == "submit"
    assert found.index("shell.init") < found.index("finish") < found.index("clean")
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)


async def test_why_a_job_waits(api, some):
    why = (await api.get(f"{JOBS}/{some[3]}/why")).json()
    assert why["sentences"] == ["it is held: its urgency is 0"]
    over = (await api.get(f"{JOBS}/{some[0]}/why")).json()
    assert (over["state"], over["sentences"]) == ("INACTIVE", [])
    assert (await api.get(f"{JOBS}/99/why")).status_code == 404
