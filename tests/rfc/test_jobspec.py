# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 and RFC 25: validation of jobspecs and the view of their resources."""

import copy
import json
from pathlib import Path

import pytest

from rosin.errors import FormatError
from rosin.rfc.jobspec import Jobspec, validate

#: The examples and use cases that accompany RFC 14 and RFC 25.
CASES = json.loads((Path(__file__).parent / "data" / "jobspecs.json").read_text())
V1 = [name for name in CASES if name.startswith("25/")]
CANONICAL = [name for name in CASES if name.startswith("14/")]
TYPICAL = {
    "resources": [
        {
            "type": "node",
            "count": 2,
            "exclusive": True,
            "with": [
                {
                    "type": "slot",
                    "count": 3,
                    "label": "task",
                    "with": [{"type": "core", "count": 2}, {"type": "gpu", "count": 1}],
                }
            ],
        }
    ],
    "tasks": [{"command": ["/bin/app", "-x"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {
        "system": {
            "duration": 60,
            "cwd": "/tmp",
            "queue": "debug",
            "environment": {"PATH": "/bin", "TERM": None},
            "shell": {"options": {"mpi": "none"}},
        },
        "user": {"tag": 1},
    },
    "version": 1,
}


def changed(path, value):
    """Return the typical jobspec with one place changed; no value: deleted."""
    obj = copy.deepcopy(TYPICAL)
    *steps, last = path
    node = obj
    for step in steps:
        node = node[step]  # type: ignore[assignment]
    if value is DELETED:
        del node[last]
    else:
        node[last] = value
    return obj


DELETED = object()
NODE = ("resources", 0)
SLOT = (*NODE, "with", 0)
SYSTEM = ("attributes", "system")


@pytest.mark.rfc_vectors(14)
@pytest.mark.rfc(
    14,
    *("top-keys", "resources-list", "vertex-keys", "count-integer", "count-string", "count-object", "unit"),
    *("with", "label", "slot", "tasks-list", "task-command", "task-slot", "task-count", "per-slot", "total"),
    *(
        "per-resource",
        "task-attributes",
        "attributes",
        "duration",
        "environment",
        "dependencies",
        "constraints",
    ),
)
@pytest.mark.parametrize("name", CANONICAL)
def test_use_cases_of_canonical_jobspec(name):
    validate(CASES[name], canonical=True)


ROOT = ("resources", 0)


def altered(name, path, value):
    """Return a use case with one place changed."""
    obj = copy.deepcopy(CASES[name])
    *steps, last = path
    node = obj
    for step in steps:
        node = node[step]
    if value is DELETED:
        del node[last]
    else:
        node[last] = value
    return obj


@pytest.mark.rfc_vectors(14)
@pytest.mark.rfc(14, "count-string", "count-object", "count-max", "count-operator")
@pytest.mark.parametrize(
    "count", ["3", "3-30", {"min": 3, "max": 30}, {"min": 3, "operator": "+", "operand": 2}]
)
def test_counts_that_the_published_schema_refuses(count):
    validate(altered("14/use_case_1.1", (*ROOT, "count"), count), canonical=True)


@pytest.mark.rfc_vectors(14)
@pytest.mark.rfc(
    14, "with", "tasks-list", "attributes", "task-slot", "count-max", "count-power", "count-pair"
)
@pytest.mark.rfc(14, "top-keys", "count-string")
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((*ROOT, "with"), [], "resources[0].with: expected a non-empty array"),
        (("tasks",), [], "tasks: expected a non-empty array"),
        (("attributes",), None, "attributes: expected an object, got null"),
        (("tasks", 0, "slot"), "none", "tasks[0].slot: no slot is labelled 'none'"),
        ((*ROOT, "count"), {"min": 3, "max": 2}, "resources[0].count: max 2 is below min 3"),
        (
            (*ROOT, "count"),
            {"min": 1, "max": 4, "operator": "^", "operand": 2},
            "resources[0].count: min: expected an integer >= 2 for operator ^",
        ),
        (("more",), 1, "unknown key 'more'"),
        ((*ROOT, "count"), "3,2", "resources[0].count: expected an idset or a range"),
        ((*ROOT, "count"), "1,1", "resources[0].count: expected an idset or a range"),
        ((*ROOT, "count"), "", "resources[0].count: expected an integer >= 1, an idset or a range"),
        ((*ROOT, "count"), {"min": 3, "operand": 2}, "resources[0].count: operator and operand need each"),
    ],
)
def test_what_the_text_forbids_and_the_published_schema_lets_through(path, value, text):
    with pytest.raises(FormatError) as info:
        validate(altered("14/use_case_1.1", path, value), canonical=True)
    assert text in str(info.value)


def vertex(kind, *inside, **more):
    return {"type": kind, "count": 1, **({"with": list(inside)} if inside else {}), **more}


CORES, GPUS = vertex("core"), vertex("gpu")
GRAPHS = {
    "slot>core": vertex("slot", CORES, label="task"),
    "node>slot>core": vertex("node", vertex("slot", CORES, label="task")),
    "slot>(core,gpu)": vertex("slot", CORES, GPUS, label="task"),
    "node>slot>(core,gpu)": vertex("node", vertex("slot", CORES, GPUS, label="task")),
    "node, exclusive": vertex("node", vertex("slot", CORES, label="task"), exclusive=True),
}


@pytest.mark.rfc_vectors(25)
@pytest.mark.rfc(25, "graphs", "one-resource", "vertex-keys")
@pytest.mark.parametrize("name", GRAPHS)
def test_the_graphs_of_version_1(name):
    validate({**TYPICAL, "resources": [GRAPHS[name]]})


@pytest.mark.rfc_vectors(25)
@pytest.mark.rfc(25, "graphs", "one-task", "task-keys", "duration")
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("attributes", "system", "duration"), DELETED, "attributes.system: missing key 'duration'"),
        (("attributes",), None, "attributes: expected an object, got null"),
        (("tasks",), [], "tasks: expected a non-empty array"),
        (("tasks", 0, "command"), "app", "tasks[0].command: expected a non-empty array of strings"),
        ((*ROOT, "with"), [GPUS], "resources[0].with: expected a core in the slot"),
        ((*ROOT, "with"), [CORES, CORES], "resources[0].with[1].type: a second core in the slot"),
        (("tasks", 0, "slot"), "none", "tasks[0].slot: no slot is labelled 'none'"),
    ],
)
def test_what_the_published_schema_of_version_1_lets_through(path, value, text):
    with pytest.raises(FormatError) as info:
        validate(altered("25/use_case_2.3", path, value))
    assert str(info.value).startswith(f"jobspec: {text}")


@pytest.mark.rfc_vectors(25)
@pytest.mark.rfc(25, "top-keys", "one-resource", "types", "graphs", "one-task", "task-keys")
@pytest.mark.parametrize("name", V1)
def test_version_1_use_cases(name):
    validate(CASES[name])
    validate(CASES[name], canonical=True)


@pytest.mark.rfc(25, "numbers")
@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("25/use_case_2.4", (4, 16, 16, 16, 16)),
        ("25/use_case_2.1", (4, 4, 4, 0, 5)),
        ("25/use_case_1.1", (4, 4, 4, 0, 4)),
        ("25/use_case_2.2", (0, 10, 20, 0, 10)),
        ("25/use_case_2.3", (0, 10, 20, 10, 10)),
        ("25/example1", (4, 4, 8, 0, 4)),
    ],
)
def test_counts_of_use_cases(name, numbers):
    view = Jobspec.checked(CASES[name])
    assert (view.nnodes, view.nslots, view.ncores, view.ngpus, view.ntasks) == numbers
    assert view.duration == 3600.0


@pytest.mark.rfc(14, "job-name")
def test_view():
    view = Jobspec.decode(json.dumps(TYPICAL))
    assert (view.nnodes, view.slots_per_node, view.nslots) == (2, 3, 6)
    assert (view.cores_per_slot, view.gpus_per_slot, view.ncores, view.ngpus) == (2, 1, 12, 6)
    assert (view.exclusive, view.duration, view.ntasks, view.label) == (True, 60.0, 6, "task")
    assert (view.name, view.queue, view.cwd, view.command) == ("app", "debug", "/tmp", ["/bin/app", "-x"])
    assert view.environment == {"PATH": "/bin", "TERM": None}
    assert view.shell_options == {"mpi": "none"}
    assert view.getattr("shell.options.mpi") == view.getattr("attributes.system.shell.options.mpi") == "none"
    assert view.getattr("user.tag") == 1
    assert view.getattr("duration.x", "no") == "no"
    assert view.per_resource is None
    assert view.task_count(2, 12) == 6
    assert repr(view).startswith("Jobspec({")


def test_per_resource():
    options = {"per-resource": {"type": "node", "count": 3}}
    view = Jobspec.checked(changed((*SYSTEM, "shell"), {"options": options}))
    assert view.per_resource == ("node", 3)
    assert view.task_count(2, 12) == 6
    options["per-resource"] = {"type": "core"}
    assert view.task_count(2, 12) == 12
    for bad in ({}, 3, {"type": "socket"}, {"type": "node", "count": 0}):
        options["per-resource"] = bad  # type: ignore[assignment]
        assert view.per_resource is None


def test_a_billion_tasks_are_only_a_number():
    view = Jobspec.checked(changed((*SLOT, "count"), 10**9))
    assert view.ntasks == 2 * 10**9
