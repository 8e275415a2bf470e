# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job is run again as it was asked for: each member of the request comes back."""

from __future__ import annotations

import pytest

from rosin.rest.own.fields import parsed
from rosin.rest.own.making import jobspec_of, prepared
from rosin.rest.own.requested import request_of
from rosin.rest.own.schema.requests import JobRequest

JOBS = "/rosin/v1/jobs"

#: A value for each member of a request but those that exclude others.
EVERY = {
    "command": "cat; echo 'a b'",
    "shell": True,
    "name": "every",
    "ntasks": 5,
    "nnodes": 2,
    "cores_per_task": 3,
    "gpus_per_task": 1,
    "exclusive": True,
    "duration": 90.0,
    "queue": "debug",
    "bank": "physics",
    "dependencies": ["afterok:ƒ2oLkTLb", "string:a b?type=in&scope=user", "singleton:"],
    "begin_time": 1900000000.25,
    "requires": "gpu and not host:n[0-3]",
    "cwd": "/tmp",
    "environment": {"A": "b=c d", "PATH": "/mine"},
    "stdin": "ŧext\n",
    "stdout_path": "out-{{id}}.txt",
    "stderr_path": "err.txt",
    "label_io": True,
    "pty": True,
    "options": {"verbose": 2, "cpu-affinity": "per-task", "x.y": {}},
    "attributes": {"system.project": "p", "user.list": [1, {"a": 2}]},
}


def both_ways(asked):
    return request_of(jobspec_of(prepared(parsed(JobRequest, asked))))


def test_every_member_is_known():
    others = {"script", "args", "jobspec", "shape", "stdin_path", "urgency", "flags", "signed"}
    assert set(JobRequest.model_fields) == set(EVERY) | others


def test_all_at_once_come_back():
    assert both_ways(EVERY) == (EVERY, True)


@pytest.mark.parametrize(
    "member", [name for name in EVERY if name not in ("command", "shell", "exclusive", "label_io")]
)
def test_one_comes_back_and_brings_no_other(member):
    asked = {"command": ["true"], member: EVERY[member]}
    if member == "nnodes":
        asked["ntasks"] = 2
    assert both_ways(asked) == (asked, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"command": ["a", "b c", ""]},
        {"command": ["true"], "nnodes": 2, "ntasks": 2, "exclusive": True},
        {"command": ["true"], "stdin_path": "in.txt"},
        {"command": ["true"], "stderr_path": "err.txt", "label_io": True},
        {"script": "#!/bin/sh\ntrue\n"},
        {
            "script": "#!/bin/sh\n",
            "args": ["a", "b c"],
            "ntasks": 4,
            "nnodes": 2,
            "name": "mine",
            "options": {"a": 1},
        },
        {"command": ["true"], "requires": "a and (b or not c)"},
    ],
)
def test_comes_back(asked):
    assert both_ways(asked) == (asked, True)


def test_what_a_script_says_of_itself_is_as_it_was():
    script = "#!/bin/sh\n# flux: -n4 --job-name=mine\ntrue\n"
    found, exact = both_ways({"script": script, "ntasks": 2})
    assert (found["ntasks"], exact) == (2, True)


def test_what_no_member_says_is_the_jobspec_itself():
    spec = jobspec_of(prepared(parsed(JobRequest, {"command": ["true"]})))
    spec["tasks"][0]["distribution"] = "odd"
    assert request_of(spec, 3) == ({"jobspec": spec, "urgency": 3}, True)


def test_it_is_told_when_something_is_missing():
    spec = jobspec_of(prepared(parsed(JobRequest, {"command": ["true"]})))
    del spec["attributes"]["system"]["environment"]["HOME"]
    assert request_of(spec) == ({"command": ["true"]}, False)


async def test_of_a_job(api):
    asked = {"command": "echo $A", "shell": True, "environment": {"A": "1"}, "urgency": 0}
    jobid = (await api.post(JOBS, json=asked)).json()["id"]
    answer = (await api.get(f"{JOBS}/{jobid}/request")).json()
    assert answer == {"request": asked, "exact": True}
    assert (await api.get(f"{JOBS}/f1234/request")).status_code == 404
