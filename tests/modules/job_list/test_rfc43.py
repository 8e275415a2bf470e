# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: its examples, and each kind of attribute in its encoding."""

import json

import pytest

from rosin.job.table.attributes import ATTRIBUTES
from rosin.job.table.constraint import Context, compile_constraint
from rosin.job.table.table import JobTable

SUBMIT = {
    "id": 120762400768,
    "userid": 42,
    "name": "foo.sh",
    "queue": "batch",
    "state": 16,
    "t_submit": 946713601.0,
    "t_run": 946713602.0,
}
#: Attributes by their encoding; ``real`` also holds what JSON writes without a fraction.
ENCODINGS = {
    int: "id userid urgency priority state ntasks ncores nnodes result waitstatus exception_severity",
    float: "t_submit t_depend t_priority t_sched t_run t_cleanup t_inactive duration expiration",
    str: "name cwd queue project bank ranks nodelist exception_type exception_note",
    bool: "success exception_occurred",
    dict: "annotations",
    list: "dependencies",
}


def row(**changes):
    job = SUBMIT | changes
    return tuple(job.get(name) for name in ("id", *ATTRIBUTES))


@pytest.mark.rfc_vectors(43)
@pytest.mark.parametrize(
    ("constraint", "matching", "other"),
    [
        ({"userid": [42, 43]}, {"userid": 43}, {"userid": 44}),
        ({"not": [{"queue": ["foobar"]}]}, {"queue": None}, {"queue": "foobar"}),
        ({"states": ["depend", "priority", "sched"]}, {"state": 4}, {"state": 16}),
        (
            {"and": [{"userid": [42]}, {"t_submit": [">946713600.0"]}]},
            {"t_submit": 946713600.5},
            {"t_submit": 946713600.0},
        ),
        ({"and": [{"queue": ["foobar"]}, {"userid": [42]}]}, {"queue": "foobar"}, {"queue": "batch"}),
        ({"and": [{"userid": [42]}, {"queue": ["foobar"]}]}, {"queue": "foobar"}, {"userid": 7}),
    ],
)
def test_examples_of_constraints(constraint, matching, other):
    compiled = compile_constraint(constraint, Context())
    assert compiled.matches(row(**matching))
    assert not compiled.matches(row(**other))


def event(event_name, t, **context):
    return {"timestamp": t, "name": event_name, "context": context}


def everything():
    """Jobs that together have every attribute."""
    system = {"cwd": "/", "queue": "q", "project": "p", "bank": "b", "duration": 10, "job": {"name": "n"}}
    jobspec = {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system},
    }
    R = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0", "children": {"core": "0"}}],
            "nodelist": ["n0"],
            "starttime": 5,
            "expiration": 15,
        },
    }
    events = [
        event("submit", 1.0, userid=42, urgency=16, flags=0, version=1),
        event("validate", 2.0),
        event("dependency-add", 2.5, description="begin-time=1"),
        event("memo", 2.6, note="x"),
        event("depend", 3.0),
        event("priority", 4.0, priority=16),
    ]
    ended = [
        event("alloc", 5.0),
        event("start", 5.0),
        event("exception", 6.0, type="cancel", severity=0, note="enough"),
        event("finish", 7.0, status=15),
        event("clean", 8.0),
    ]
    table = JobTable()
    table.process({"id": 1, "events": events + ended, "jobspec": jobspec, "R": R})
    table.process({"id": -1, "events": []})
    return table


@pytest.mark.rfc(43, "attributes")
def test_every_attribute_has_its_encoding():
    from rosin.job.table.attributes import Projection

    table = everything()
    job = Projection(["all"]).object(table.index.row(1))
    job = json.loads(json.dumps(job))
    kinds = {name: kind for kind, names in ENCODINGS.items() for name in names.split()}
    assert set(kinds) == {"id", *ATTRIBUTES}
    assert {name: type(job[name]) for name in kinds} == kinds


@pytest.mark.rfc_vectors(43)
async def test_example_of_a_list():
    from .test_service import event as entry
    from .test_service import more, setup, submit

    history = []
    for jobid, name, start in ((120762400768, "foo.sh", 9.0), (61488496640, "bar.sh", 8.0), (5, "old", 7.0)):
        job = submit(jobid, userid=42)
        job["jobspec"]["attributes"]["system"]["job"] = {"name": name}
        pending = [entry("validate"), entry("depend"), entry("priority", priority=16)]
        history.append(more(jobid, *job["events"], *pending, jobspec=job["jobspec"]))
        history.append(more(jobid, entry("alloc", start), R={}))
    async with setup([*history, {"id": -1, "events": []}]) as s:
        h = await s.inst.connect()
        request = {"max_entries": 2, "attrs": ["userid", "name"], "constraint": {"states": ["run"]}}
        assert await h.rpc("job-list.list", request) == {
            "jobs": [
                {"id": 120762400768, "userid": 42, "name": "foo.sh"},
                {"id": 61488496640, "userid": 42, "name": "bar.sh"},
            ]
        }
