# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs come in through `/rosin/v1`: in each form, checked first, many at once, and never twice."""

from __future__ import annotations

import asyncio

import pytest

from rosin.rest.own.schema.requests import JobRequest

JOBS = "/rosin/v1/jobs"


async def submit(api, **asked):
    answer = await api.post(JOBS, json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def output_of(api, jobid):
    answer = await api.get(f"/jobs/{jobid}/output", params={"format": "text"})
    return answer.text


async def test_a_command(api):
    answer = await api.post(
        JOBS, json={"command": ["sh", "-c", "echo $MINE; pwd"], "environment": {"MINE": "x y"}, "cwd": "/"}
    )
    assert answer.status_code == 201
    jobid = answer.json()["id"]
    about = (await api.get(answer.headers["location"])).json()
    assert about["id"] == jobid
    assert (await api.ended(jobid))["result"] == "COMPLETED"
    assert await output_of(api, jobid) == "x y\n/\n"


async def test_text_for_its_tasks_to_read(api):
    jobid = await submit(api, command=["wc", "-c"], ntasks=2, stdin="ŧext\n", name=None)
    job = await api.ended(jobid)
    assert (job["result"], job["name"]) == ("COMPLETED", "wc")
    assert await output_of(api, jobid) == "6\n6\n"


async def test_a_script_with_directives(api):
    script = "#!/bin/sh\n# flux: -n1 --job-name=mine -t 5 --env=A='b c'\n# flux: --output=none\necho $A\n"
    jobid = await submit(api, script=script, urgency=0)
    job = (await api.get(f"{JOBS}/{jobid}")).json()
    assert (job["name"], job["duration"], job["script"]) == ("mine", 300.0, script)
    assert job["urgency"] == 0
    again = await submit(api, script=script, urgency=0, duration="1h", environment={"B": "1"})
    job = (await api.get(f"{JOBS}/{again}")).json()
    assert job["duration"] == 3600.0
    for each in (jobid, again):
        await api.post(f"{JOBS}/{each}/cancel")


async def test_a_jobspec(api):
    held = await submit(api, command="true", urgency=0)
    spec = (await api.get(f"{JOBS}/{held}")).json()["jobspec"]
    jobid = await submit(api, jobspec=spec)
    assert (await api.ended(jobid))["result"] == "COMPLETED"
    await api.post(f"{JOBS}/{held}/cancel")


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({}, "command", "needed"),
        ({"command": "a", "script": "#!b"}, "script", "exclude"),
        ({"command": ""}, "command", "needed"),
        ({"command": "'"}, "command", "quot"),
        ({"command": ["a\0b"]}, "command", "null"),
        ({"command": "a", "nnodes": 2, "ntasks": 1}, "nnodes", "more than 1"),
        ({"command": "a", "exclusive": True}, "exclusive", "nnodes"),
        ({"command": "a", "duration": "soon"}, "duration", "soon"),
        ({"command": "a", "duration": -1}, "duration", "greater"),
        ({"command": "a", "shape": "slot=="}, "shape", "column"),
        ({"command": "a", "shape": "slot/core", "ntasks": 1}, "shape", "ntasks"),
        ({"command": "a", "dependencies": ["nonsense"]}, "dependencies", "nonsense"),
        ({"command": "a", "requires": "(gpu"}, "requires", "column"),
        ({"command": "a", "environment": {"A=B": "x"}}, "environment", "A=B"),
        ({"command": "a", "urgency": 32}, "urgency", "31"),
        ({"command": "a", "urgency": True}, "urgency", "integer"),
        ({"command": "a", "ntasks": "2"}, "ntasks", "integer"),
        ({"command": "a", "comand": "b"}, "comand", "Extra"),
        ({"command": "a", "options": {"": 1}}, "options", ""),
        ({"command": "a", "args": ["x"]}, "args", "script"),
        ({"script": "echo"}, "script", "#!"),
        ({"script": "#!/bin/sh\n# flux: --setattr=^a=/etc/shadow\n"}, "script", "line 2"),
        ({"script": "#!/bin/sh\n# flux: --env=HOME\n"}, "script", "NAME=VALUE"),
        ({"script": "#!/bin/sh\n# flux: --add-file=/etc/shadow\n"}, "script", "cannot be given"),
        ({"script": "#!/bin/sh\n# flux: -n\n"}, "script", "missing"),
        ({"script": "#!/bin/sh\n# flux: -n x\n"}, "script", "number"),
        ({"script": "#!/bin/sh\n# flux: hello\n"}, "script", "an option"),
        ({"jobspec": {"version": 1}}, "jobspec", ""),
        ({"jobspec": {}, "name": "x"}, "name", "jobspec"),
    ],
)
async def test_wrong_members_are_named_alike_when_checked_and_when_submitted(api, asked, field, words):
    answer = await api.post(JOBS, json=asked)
    assert answer.status_code == 422, answer.text
    fault = answer.json()["errors"][0]
    assert fault["field"] == field
    assert words in fault["detail"]
    checked = await api.post(f"{JOBS}/check", json=asked)
    if checked.status_code == 200:
        assert checked.json()["ok"] is False
        assert checked.json()["errors"][0] == fault
    else:
        assert checked.json()["errors"][0] == fault


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"command": "hostname"}, "rosin submit hostname"),
        (
            {
                "command": ["sh", "-c", "echo $A"],
                "nnodes": 1,
                "ntasks": 2,
                "cores_per_task": 1,
                "duration": 90,
                "environment": {"A": "b c"},
            },
            "rosin submit -N1 -n2 --cores-per-task=1 --time-limit=90s '--env=A=b c' sh -c 'echo $A'",
        ),
        (
            {
                "command": "true",
                "urgency": 0,
                "name": "x",
                "options": {"a.b": "1", "c": 2},
                "label_io": True,
                "flags": ["waitable"],
            },
            "rosin submit --urgency=0 --job-name=x '--setopt=a.b=\"1\"' --setopt=c=2 --label-io "
            "--flags=waitable true",
        ),
        ({"command": ["-x"]}, "rosin submit -- -x"),
        ({"command": "cat", "stdin": "a b"}, "printf %s 'a b' | rosin run cat"),
        ({"script": "#!/bin/sh\n# flux: -n1\n", "args": ["-v"]}, "rosin batch -n1 script.sh -v"),
    ],
)
async def test_the_exact_command(api, asked, line):
    checked = (await api.post(f"{JOBS}/check", json=asked)).json()
    assert checked["command_line"] == line
    assert "resources" in checked["jobspec"]


async def test_what_can_never_run_is_refused_at_the_member(api):
    for asked, field in (
        ({"nnodes": 99}, "nnodes"),
        ({"cores_per_task": 100000}, "cores_per_task"),
        ({"gpus_per_task": 99}, "gpus_per_task"),
        ({"ntasks": 100000}, "ntasks"),
        ({"queue": "none-such"}, "queue"),
        ({"requires": "host:nowhere"}, ""),
    ):
        checked = (await api.post(f"{JOBS}/check", json={"command": "true", **asked})).json()
        assert (checked["ok"], checked["errors"][0]["field"]) == (False, field), checked
    good = (await api.post(f"{JOBS}/check", json={"command": "true", "urgency": 0})).json()
    assert (good["ok"], good["errors"]) == (True, [])
    assert "held" in good["warnings"][0]


async def test_the_same_request_three_times_is_one_job(api):
    before = (await api.get(JOBS, params={"limit": 0})).json()["total"]
    asked, key = {"command": "true", "name": "once"}, {"Idempotency-Key": "0123-4567"}
    answers = await asyncio.gather(*(api.post(JOBS, json=asked, headers=key) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == [
        "",
        "true",
        "true",
    ]
    other = await api.post(JOBS, json={**asked, "name": "other"}, headers=key)
    assert (other.status_code, "one of its own" in other.text) == (422, True)
    assert (await api.post(JOBS, json=asked, headers={"Idempotency-Key": "a\tb"})).status_code == 400
    assert (await api.get(JOBS, params={"limit": 0})).json()["total"] == before + 1
    # what fails may be tried again
    wrong = {"command": "true", "queue": "none-such"}
    for _ in range(2):
        answer = await api.post(JOBS, json=wrong, headers={"Idempotency-Key": "again"})
        assert answer.status_code in (400, 422)
        assert "idempotency-replayed" not in answer.headers


async def test_many(api):
    jobs = [
        {"command": "true", "urgency": 0},
        {"comand": "x"},
        {"command": ["true"], "name": "third", "urgency": 0},
    ]
    answer = (await api.post(f"{JOBS}/bulk", json={"jobs": jobs})).json()
    assert [item["status"] for item in answer["items"]] == [201, 422, 201]
    assert (answer["done"], answer["failed"]) == (2, 1)
    assert answer["items"][1]["problem"]["errors"][0]["field"] == "comand"
    template = {"template": {"command": "echo {cc}", "urgency": 0}, "cc": "3,7"}
    answer = (await api.post(f"{JOBS}/bulk", json=template)).json()
    about = (await api.get(f"{JOBS}/{answer['items'][1]['id']}")).json()
    assert about["command"] == ["echo", "7"]
    for asked, field in (
        ({}, "jobs"),
        ({**template, "cc": "x"}, "cc"),
        ({**template, "cc": "0-99999999"}, "cc"),
    ):
        answer = await api.post(f"{JOBS}/bulk", json=asked)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    await api.post(f"{JOBS}/actions", json={"action": "cancel", "state": "pending"})


async def test_once_more_with_changes(api):
    first = await submit(
        api, command=["sh", "-c", "echo $A"], environment={"A": "one"}, duration="1h", name="it"
    )
    await api.ended(first)
    answer = await api.post(f"{JOBS}/{first}/resubmit")
    assert answer.status_code == 201, answer.text
    second = answer.json()["id"]
    await api.ended(second)
    assert await output_of(api, second) == "one\n"
    changes = {"duration": "2h", "ntasks": 2, "environment": {"A": "two"}}
    third = (await api.post(f"{JOBS}/{first}/resubmit", json={"changes": changes})).json()["id"]
    job = await api.ended(third)
    assert (job["duration"], job["ntasks"], job["name"]) == (7200.0, 2, "it")
    assert await output_of(api, third) == "two\ntwo\n"
    wrong = await api.post(f"{JOBS}/{first}/resubmit", json={"changes": {"script": "x"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "changes.script")
    assert (await api.post(f"{JOBS}/99/resubmit")).status_code == 404


@pytest.mark.parametrize("asked", JobRequest.model_json_schema()["examples"])
async def test_the_examples_of_the_description_can_be_submitted(api, asked):
    checked = (await api.post(f"{JOBS}/check", json=asked)).json()
    assert checked["jobspec"] is not None, checked["errors"]
    answer = await api.post(JOBS, json={**asked, "urgency": 0})
    assert answer.status_code == 201, answer.text
    await api.post(f"{JOBS}/{answer.json()['id']}/cancel")
