# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 25: jobspecs made as flux-core makes them (expected values were read off flux-core 0.88)."""

import math
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.jobspec import Jobspec, build, validate

COMMAND = ["hostname"]
NEST = {"per-resource": {"type": "node"}, "mpi": "none", "exit-timeout": "none"}


def slot(count, cores=1, gpus=0):
    children = [{"type": "core", "count": cores}]
    if gpus:
        children.append({"type": "gpu", "count": gpus})
    return {"type": "slot", "count": count, "with": children, "label": "task"}


def jobspec(resources, system, count=None, command=COMMAND):
    return {
        "resources": [resources],
        "tasks": [{"command": command, "slot": "task", "count": count or {"per_slot": 1}}],
        "attributes": {"system": system},
        "version": 1,
    }


def test_the_least():
    assert build.from_command(COMMAND) == jobspec(slot(1), {"duration": 0})
    assert build.from_command(COMMAND, environment={"A": "b"})["attributes"]["system"]["environment"] == {
        "A": "b"
    }


def test_every_option():
    made = build.from_command(
        COMMAND,
        num_tasks=5,
        num_nodes=4,
        cores_per_task=2,
        gpus_per_task=1,
        exclusive=True,
        duration="5m",
        environment={"A": "b"},
        env_expand={"X": "{{id}}"},
        cwd="/tmp",
        rlimits={"nofile": 12},
        name="n",
        input="in",
        output=PurePath("o"),
        error="e",
        label_io=True,
        unbuffered=True,
        queue="q",
        bank="b",
    )
    stream = {"type": "file", "label": True, "buffer": {"type": "none"}}
    options = {
        "env-expand": {"X": "{{id}}"},
        "rlimit": {"nofile": 12},
        "input": {"stdin": {"type": "file", "path": "in"}, "batch-timeout": 0.0},
        "output": {
            "stdout": {**stream, "path": "o"},
            "stderr": {**stream, "path": "e"},
            "batch-timeout": 0.05,
        },
    }
    system = {
        "duration": 300.0,
        "environment": {"A": "b"},
        "shell": {"options": options},
        "cwd": "/tmp",
        "job": {"name": "n"},
        "queue": "q",
        "bank": "b",
    }
    node = {"type": "node", "count": 4, "exclusive": True, "with": [slot(2, 2, 1)]}
    assert made == jobspec(node, system, {"total": 5})
    validate(made)


def test_even_nodes_and_output_that_stays_in_the_kvs():
    made = build.from_command(
        COMMAND, 4, gpus_per_task=0, num_nodes=2, duration=3, output="none", error="kvs", label_io=True
    )
    assert made == jobspec({"type": "node", "count": 2, "with": [slot(2)]}, {"duration": 3.0})


def test_batch():
    script = "#!/bin/sh\necho hi é\n"
    made = build.from_batch_command(
        script, "job", args=["x"], num_slots=2, num_nodes=2, conf={"a": {"b": 1}}, broker_opts=["-Sx=1"]
    )
    command = ["flux", "broker", "-Sx=1", "-c{{tmpdir}}/conf.json", "{{tmpdir}}/script", "x"]
    system = {
        "duration": 0,
        "job": {"name": "job"},
        "shell": {"options": NEST},
        "files": {
            "conf.json": {"mode": 33152, "data": {"a": {"b": 1}}},
            "script": {"mode": 33216, "data": script, "encoding": "utf-8"},
        },
    }
    assert made == jobspec({"type": "node", "count": 2, "with": [slot(1)]}, system, command=command)
    validate(made)
    with pytest.raises(FormatError, match="job does not appear to start with '#!'"):
        build.from_batch_command("echo\n", "job")


def test_nest():
    made = build.from_nest_command(COMMAND, num_slots=2, name="z")
    system = {"duration": 0, "job": {"name": "z"}, "shell": {"options": NEST}}
    assert made == jobspec(slot(2), system, command=["flux", "broker", "hostname"])
    assert Jobspec.checked(made).task_count(3, 6) == 3


def test_per_resource():
    made = build.per_resource(COMMAND, ncores=4, nnodes=2, per_resource_type="node", per_resource_count=3)
    option = {"per-resource": {"type": "node", "count": 3}}
    assert made == jobspec(
        {"type": "node", "count": 2, "with": [slot(1, 2)]}, {"duration": 0, "shell": {"options": option}}
    )
    assert build.per_resource(COMMAND, ncores=4) == jobspec(slot(4), {"duration": 0})
    assert build.per_resource(COMMAND, nnodes=4, exclusive=True, gpus_per_node=2) == jobspec(
        {"type": "node", "count": 4, "exclusive": True, "with": [slot(1, 1, 2)]}, {"duration": 0}
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_tasks": 0}, "the number of tasks: expected an integer from 1 to 2147483647, got 0"),
        ({"num_tasks": 2.0}, "the number of tasks"),
        ({"num_tasks": True}, "the number of tasks"),
        ({"num_tasks": 10**12}, "the number of tasks"),
        ({"cores_per_task": 0}, "the cores per task"),
        ({"gpus_per_task": -1}, "the gpus per slot: expected an integer from 0"),
        ({"num_nodes": 0}, "the number of nodes"),
        ({"num_nodes": 2}, "2 nodes are more than 1 tasks"),
        ({"exclusive": True}, "exclusive needs a number of nodes"),
        ({"duration": -1}, "duration: expected a finite time"),
        ({"duration": "inf"}, "duration: expected a finite time"),
        ({"duration": math.nan}, "duration: expected a finite time"),
        ({"duration": "x"}, "is not a duration"),
        ({"environment": ["A=b"]}, "environment: expected a mapping, got an array"),
        ({"rlimits": 1}, "rlimits: expected a mapping, got 1"),
        ({"env_expand": "x"}, "env_expand: expected a mapping, got 'x'"),
        ({"cwd": 3}, "cwd: expected a string, got 3"),
        ({"input": 3}, "input.stdin: expected a string, got 3"),
        ({"name": 3}, "name: expected a string, got 3"),
    ],
)
def test_refusals(options, text):
    with pytest.raises(FormatError, match=text):
        build.from_command(COMMAND, **options)


@pytest.mark.parametrize("command", [[], "ls", ["ls", 1]])
def test_refused_commands(command):
    with pytest.raises(FormatError, match="list of one or more strings"):
        build.from_command(command)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "a number of nodes or cores is needed"),
        ({"nnodes": 2}, "a number of nodes needs a number of cores, or exclusive"),
        ({"nnodes": 2, "ncores": 3}, "3 cores cannot be divided evenly among 2 nodes"),
        ({"nnodes": 2, "ncores": 1}, "1 cores cannot be divided evenly among 2 nodes"),
        ({"nnodes": 0, "ncores": 1}, "the number of nodes"),
        ({"ncores": 0}, "the number of cores"),
        ({"ncores": 4, "exclusive": True}, "exclusive needs a number of nodes"),
        ({"ncores": 4, "gpus_per_node": 1}, "gpus per node need a number of nodes"),
        ({"ncores": 4, "per_resource_type": "node"}, "need each other"),
        ({"ncores": 4, "per_resource_count": 1}, "need each other"),
        ({"ncores": 4, "per_resource_type": "rack", "per_resource_count": 1}, "expected node or core"),
        ({"ncores": 4, "per_resource_type": "core", "per_resource_count": 0}, "the tasks per resource"),
    ],
)
def test_per_resource_refusals(options, text):
    with pytest.raises(FormatError, match=text):
        build.per_resource(COMMAND, **options)


def test_set_attribute():
    made = build.from_command(COMMAND)
    build.set_attribute(made, "job.name", "a")
    build.set_attribute(made, "attributes.user.x.y", 1)
    build.set_attribute(made, "system.bank", "b")
    build.set_attribute(made, "user", 2)
    assert made["attributes"] == {
        "system": {"duration": 0, "job": {"name": "a"}, "bank": "b", "user": 2},
        "user": {"x": {"y": 1}},
    }
    with pytest.raises(
        FormatError, match=r"cannot set system\.duration\.x: system\.duration is not an object"
    ):
        build.set_attribute(made, "duration.x", 1)


@given(
    st.integers(1, 10**9),
    st.integers(1, 1000),
    st.integers(0, 8),
    st.none() | st.integers(1, 10**6),
    st.booleans(),
)
def test_what_is_made_is_valid_and_large_enough(tasks, cores, gpus, nodes, exclusive):
    if nodes is None or nodes > tasks:
        nodes, exclusive = None, False
    made = build.from_command(COMMAND, tasks, cores, gpus, nodes, exclusive)
    view = Jobspec.checked(made)
    assert view.ntasks == tasks
    assert view.nslots >= tasks
    assert (view.nnodes, view.cores_per_slot, view.gpus_per_slot) == (nodes or 0, cores, gpus)
    assert view.exclusive is exclusive


@pytest.mark.rfc(26, "no-key")
def test_no_dependencies_no_key():
    assert "dependencies" not in build.from_command(["true"])["attributes"]["system"]
    assert "dependencies" not in build.from_batch_command("#!/bin/sh\n", "name")["attributes"]["system"]
