# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, RFC 25: what is no jobspec, and where it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.jobspec import Jobspec, validate

from .test_jobspec import DELETED, NODE, SLOT, SYSTEM, TYPICAL, changed

CORE = (*SLOT, "with", 0)


GPU = (*SLOT, "with", 1)


TASK = ("tasks", 0)


@pytest.mark.rfc(
    25,
    *("top-keys", "one-resource", "vertex-keys", "types", "count", "graphs", "core", "one-task", "task-keys"),
    *("task-count", "system", "duration"),
)
@pytest.mark.rfc(
    14,
    *(
        "top-keys",
        "resources-list",
        "vertex-keys",
        "with",
        "label",
        "slot",
        "exclusive",
        "tasks-list",
        "task-command",
    ),
    *(
        "task-slot",
        "per-slot",
        "total",
        "attributes",
        "duration",
        "environment",
        "cwd",
        "names",
        "dependencies",
    ),
    *("constraints", "shell-options", "files"),
)
@pytest.mark.rfc(26, "object", "array")
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((*NODE, "count"), 0, "resources[0].count: expected an integer >= 1, got 0"),
        ((*GPU, "count"), -3, "resources[0].with[0].with[1].count: expected an integer >= 0, got -3"),
        ((*CORE, "count"), -3, "resources[0].with[0].with[0].count: expected an integer >= 1, got -3"),
        ((*CORE, "count"), 0, "resources[0].with[0].with[0].count: expected an integer >= 1, got 0"),
        ((*CORE, "count"), True, "resources[0].with[0].with[0].count: expected an integer >= 1, got true"),
        ((*CORE, "count"), 1.5, "resources[0].with[0].with[0].count: expected an integer >= 1, got 1.5"),
        ((*CORE, "count"), "1-2", "resources[0].with[0].with[0].count: expected an integer >= 1, got '1-2'"),
        ((*CORE, "count"), 2**31, "resources[0].with[0].with[0].count: expected an integer <= 2147483647"),
        ((*CORE, "count"), DELETED, "resources[0].with[0].with[0]: missing key 'count'"),
        ((*CORE, "cuont"), 1, "resources[0].with[0].with[0]: unknown key 'cuont' (known: count, exclusive"),
        ((*CORE, "type"), "socket", "resources[0].with[0].with[0].type: expected core or gpu inside a slot"),
        ((*CORE, "type"), 7, "resources[0].with[0].with[0].type: expected a string, got 7"),
        ((*CORE, "type"), "gpu", "resources[0].with[0].with[1].type: a second gpu in the slot"),
        (
            (*CORE, "with"),
            [],
            "resources[0].with[0].with[0].with: version 1 allows no resources inside a core",
        ),
        (
            (*SLOT, "with"),
            [{"type": "gpu", "count": 1}],
            "resources[0].with[0].with: expected a core in the slot",
        ),
        ((*SLOT, "with"), {}, "resources[0].with[0].with: expected a non-empty array, got an object"),
        ((*SLOT, "with"), DELETED, "resources[0].with[0]: missing key 'with': a slot needs cores"),
        ((*SLOT, "label"), DELETED, "resources[0].with[0]: missing key 'label'"),
        ((*SLOT, "label"), 3, "resources[0].with[0].label: expected a string, got 3"),
        ((*SLOT, "label"), "", "resources[0].with[0].label: expected a name for the slot, got ''"),
        ((*SLOT, "type"), "core", "resources[0].with[0].type: expected slot inside a node"),
        ((*NODE, "type"), "rack", "resources[0].type: expected node or slot at the top"),
        ((*NODE, "exclusive"), 1, "resources[0].exclusive: expected true or false, got 1"),
        ((*NODE, "with"), [], "resources[0].with: expected a non-empty array, got an array"),
        ((*NODE, "with"), DELETED, "resources[0]: missing key 'with'"),
        (NODE, 3, "resources[0]: expected an object, got 3"),
        (("resources",), [], "resources: expected a non-empty array"),
        (
            ("resources",),
            TYPICAL["resources"] * 2,  # type: ignore[operator]
            "resources[1].with[0].label: the label 'task' is used twice",
        ),
        (("tasks",), TYPICAL["tasks"] * 2, "tasks: expected one element in version 1, got 2"),  # type: ignore[operator]
        (("tasks",), None, "tasks: expected a non-empty array, got null"),
        ((*TASK, "command"), "ls", "tasks[0].command: expected a non-empty array of strings, got 'ls'"),
        ((*TASK, "command"), [], "tasks[0].command: expected a non-empty array of strings, got an array"),
        ((*TASK, "command"), ["a", 1], "tasks[0].command[1]: expected a string, got 1"),
        ((*TASK, "command"), ["a\0"], "tasks[0].command[0]: an argument cannot hold a NUL"),
        ((*TASK, "command"), DELETED, "tasks[0]: missing key 'command'"),
        ((*TASK, "slot"), "other", "tasks[0].slot: no slot is labelled 'other' (labels: task)"),
        ((*TASK, "slot"), DELETED, "tasks[0]: missing key 'slot'"),
        ((*TASK, "count"), {}, "tasks[0].count: expected an object with exactly one of per_slot or total"),
        (
            (*TASK, "count"),
            {"per_slot": 1, "total": 1},
            "tasks[0].count: expected an object with exactly one",
        ),
        ((*TASK, "count"), {"per_slot": 0}, "tasks[0].count.per_slot: expected an integer from 1"),
        (
            (*TASK, "count"),
            {"total": 2**31},
            "tasks[0].count.total: expected an integer from 1 to 2147483647",
        ),
        (
            (*TASK, "count"),
            {"per_resource": {}},
            "tasks[0].count: expected per_slot or total, got 'per_resource'",
        ),
        ((*TASK, "count"), DELETED, "tasks[0]: missing key 'count'"),
        ((*TASK, "distribution"), "x", "tasks[0]: unknown key 'distribution'"),
        (("attributes",), None, "attributes: expected an object, got null"),
        (("attributes",), {}, "attributes: missing key 'system'"),
        (("attributes", "sys"), {}, "attributes: unknown key 'sys' (known: system, user)"),
        (("attributes", "user"), [], "attributes.user: expected an object, got an array"),
        (SYSTEM, [], "attributes.system: expected an object, got an array"),
        ((*SYSTEM, "duration"), DELETED, "attributes.system: missing key 'duration'"),
        ((*SYSTEM, "duration"), -1, "attributes.system.duration: expected a number of seconds >= 0, got -1"),
        (
            (*SYSTEM, "duration"),
            "1h",
            "attributes.system.duration: expected a number of seconds >= 0, got '1h'",
        ),
        ((*SYSTEM, "duration"), 10**400, "attributes.system.duration: expected a number of seconds < 1e+15"),
        (
            (*SYSTEM, "duration"),
            1e15,
            "attributes.system.duration: expected a number of seconds < 1e+15, got 1",
        ),
        ((*SYSTEM, "cwd"), 1, "attributes.system.cwd: expected a string, got 1"),
        (
            (*SYSTEM, "preemptible-after"),
            -1,
            "attributes.system.preemptible-after: expected a number of seconds",
        ),
        ((*SYSTEM, "bank"), 1, "attributes.system.bank: expected a string, got 1"),
        ((*SYSTEM, "project"), 1, "attributes.system.project: expected a string, got 1"),
        (
            (*SYSTEM, "constraints"),
            {"x": []},
            "attributes.system.constraints: unknown constraint operator: x",
        ),
        (
            (*SYSTEM, "dependencies"),
            [{"scheme": "string", "value": "a", "type": "in"}],
            "attributes.system.dependencies[0]: dependency string:a: scope must be one of user, global",
        ),
        ((*NODE, "label"), "task", "resources[0].with[0].label: the label 'task' is used twice"),
        ((*NODE, "unit"), 1, "resources[0].unit: expected a string, got 1"),
        ((*SYSTEM, "queue"), None, "attributes.system.queue: expected a string, got null"),
        ((*SYSTEM, "environment"), {"A": 1}, "attributes.system.environment.'A': expected a string, or null"),
        ((*SYSTEM, "job"), {"name": 1}, "attributes.system.job.name: expected a string, got 1"),
        ((*SYSTEM, "shell"), {"options": 1}, "attributes.system.shell.options: expected an object, got 1"),
        ((*SYSTEM, "files"), [], "attributes.system.files: expected an object, got an array"),
        ((*SYSTEM, "dependencies"), {}, "attributes.system.dependencies: expected an array"),
        (
            (*SYSTEM, "dependencies"),
            [{"scheme": "afterok"}],
            "attributes.system.dependencies[0]: dependency: value is missing or not a string",
        ),
        ((*SYSTEM, "constraints"), [], "attributes.system.constraints: expected an object, got an array"),
        (("version",), 2, "version: expected 1, got 2"),
        (("version",), True, "version: expected 1, got true"),
        (("tasks",), DELETED, "missing key 'tasks'"),
        (("extra",), 1, "unknown key 'extra' (known: resources, tasks, attributes, version)"),
    ],
)
def test_refusals_name_the_place(path, value, text):
    validate(TYPICAL)
    with pytest.raises(FormatError) as info:
        validate(changed(path, value))
    assert str(info.value).startswith(f"jobspec: {text}")
    assert "\n" not in str(info.value)


@pytest.mark.rfc(14, "system-unknown")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*GPU, "count"), 0),
        ((*TASK, "count"), {"per_slot": 7}),
        ((*TASK, "count"), {"total": 1}),
        ((*SLOT, "exclusive"), True),
        ((*SYSTEM, "duration"), 0),
        ((*SYSTEM, "unheard-of"), [1]),
        ((*SYSTEM, "dependencies"), [{"scheme": "afterok", "value": "ƒ1"}]),
    ],
)
def test_liberties_that_flux_core_takes(path, value):
    validate(changed(path, value))


@pytest.mark.rfc(
    14,
    *("count-integer", "count-string", "count-pair", "unit", "id", "slot", "task-count", "per-resource"),
    *("task-attributes", "distribution", "preemptible-after", "job-name"),
)
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ((*SLOT, "id"), 1, "resources[0].with[0].id: expected a string, got 1"),
        ((*SLOT, "unit"), 1, "resources[0].with[0].unit: expected a string, got 1"),
        ((*SLOT, "count"), 0, "resources[0].with[0].count: expected an integer >= 1, got 0"),
        (
            (*SYSTEM, "preemptible-after"),
            "x",
            "attributes.system.preemptible-after: expected a number of seconds",
        ),
        ((*SYSTEM, "job"), {"name": 1}, "attributes.system.job.name: expected a string, got 1"),
        (
            (*SLOT, "count"),
            {"min": 3, "operand": 2},
            "resources[0].with[0].count: operator and operand need each",
        ),
        ((*SLOT, "count"), "3,2", "resources[0].with[0].count: expected an idset or a range"),
        ((*SLOT, "with"), [], "resources[0].with[0].with: expected a non-empty array"),
        ((*SLOT, "with"), DELETED, "resources[0].with[0]: a slot needs the key 'with'"),
        ((*SLOT, "type"), "core", "resources: expected a slot somewhere"),
        ((*TASK, "count"), {"per_resource": 1}, "tasks[0].count.per_resource: expected an object, got 1"),
        (
            (*TASK, "count"),
            {"per_resource": {"type": "core"}},
            "tasks[0].count.per_resource: expected an integer",
        ),
        ((*TASK, "count"), {"per_resource": {"count": 1}}, "tasks[0].count.per_resource: missing key 'type'"),
        ((*TASK, "attributes"), 1, "tasks[0].attributes: expected an object, got 1"),
        ((*TASK, "distribution"), 1, "tasks[0].distribution: expected a string, got 1"),
        (("version",), 0, "version: expected an integer >= 1, got 0"),
    ],
)
def test_canonical_refusals(path, value, text):
    with pytest.raises(FormatError) as info:
        validate(changed(path, value), canonical=True)
    assert str(info.value).startswith(f"jobspec: {text}")


def test_depth_is_limited():
    vertex = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    for _ in range(50_000):
        vertex = {"type": "box", "count": 1, "with": [vertex]}
    with pytest.raises(FormatError, match="nested more than 32 levels"):
        validate(changed(("resources",), [vertex]), canonical=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff", "[" * 100_000])
def test_decode_refuses(text):
    with pytest.raises(FormatError, match=r"^jobspec: "):
        Jobspec.decode(text)


def places(node, path=()):
    yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in pairs:
        yield from places(child, (*path, step))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([path for path in places(TYPICAL) if path]), junk, st.booleans())
def test_any_value_anywhere_is_valid_or_refused(path, value, canonical):
    try:
        validate(changed(path, value), canonical)
    except FormatError as error:
        assert str(error).startswith("jobspec: ")  # noqa: PT017


@given(junk)
def test_any_json_is_refused(obj):
    for canonical in (False, True):
        with pytest.raises(FormatError):
            validate(obj, canonical)
