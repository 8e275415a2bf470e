# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobspec objects."""

import datetime
import json
import os
import pathlib

import pytest

from rosin.job import Jobspec, JobspecV1, validate_counts, validate_jobspec


@pytest.fixture(autouse=True)
def small_environment(monkeypatch):
    monkeypatch.setattr("rosin.job.spec_v1.os.environ", {"A": "1", "B": "\udcff"})


def test_from_command_is_flux_cores():
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    assert json.loads(JobspecV1.from_command(["a", "b"]).dumps()) == {
        "resources": [{"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "task"}],
        "tasks": [{"command": ["a", "b"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, "environment": {"A": "1"}}},
        "version": 1,
    }


def test_none_stands_for_the_default():
    spec = JobspecV1.from_command(["x"], num_tasks=None, cores_per_task=None, gpus_per_task=0, num_nodes=None)
    assert spec.resource_counts() == {"slot": 1, "core": 1}
    nest = JobspecV1.from_nest_command(["x"], num_slots=2, num_nodes=2, conf={"a": 1}, queue=None, bank=None)
    assert nest.tasks[0]["command"] == ["flux", "broker", "-c{{tmpdir}}/conf.json", "x"]
    batch = JobspecV1.from_batch_command("#!/bin/sh\n", "name", num_nodes=1, exclusive=True)
    assert batch.getattr("job.name") == "name"
    each = JobspecV1.per_resource(
        ["x"], nnodes=2, exclusive=True, per_resource_type="node", per_resource_count=3
    )
    assert each.getattr("shell.options.per-resource") == {"type": "node", "count": 3}


def test_properties():
    spec = JobspecV1.from_command(["x"])
    assert (spec.cwd, spec.queue, spec.stdin, spec.output, spec.unbuffered) == (None, None, None, None, False)
    spec.stdout, spec.stderr, spec.stdin = "x{{id}}", pathlib.Path("/e"), "i"
    spec.cwd, spec.environment, spec.queue, spec.unbuffered = pathlib.Path("/c"), {"B": "2"}, "q", True
    assert (spec.stdout, spec.output, spec.error, spec.input) == ("x{{id}}", "x{{id}}", "/e", "i")
    assert (spec.cwd, spec.environment, spec.queue, spec.unbuffered) == ("/c", {"B": "2"}, "q", True)
    assert spec.getattr("shell.options.output") == {
        "stdout": {"type": "file", "path": "x{{id}}", "buffer": {"type": "none"}},
        "stderr": {"type": "file", "path": "/e", "buffer": {"type": "none"}},
        "batch-timeout": 0.05,
    }
    spec.unbuffered = False
    assert spec.getattr("shell.options.output.stdout") == {"type": "file", "path": "x{{id}}"}
    assert spec.getattr("shell.options.input") == {"stdin": {"type": "file", "path": "i"}}
    spec.cpus_per_task = 5  # type: ignore[attr-defined]  # programs leave notes on it
    for value, seconds in (("2m", 120.0), (5, 5.0), (datetime.timedelta(seconds=3), 3.0), (0, 0.0)):
        spec.duration = value
        assert spec.duration == seconds


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("duration", -1, ValueError),
        ("duration", float("nan"), ValueError),
        ("duration", float("inf"), ValueError),
        ("duration", "x", ValueError),
        ("duration", None, TypeError),
        ("duration", True, TypeError),
        ("stdout", 5, TypeError),
        ("stdin", None, TypeError),
        ("cwd", 5, ValueError),
        ("environment", 5, ValueError),
        ("queue", 5, TypeError),
    ],
)
def test_bad_values(name, value, error):
    spec = JobspecV1.from_command(["x"])
    with pytest.raises(error):
        setattr(spec, name, value)


def test_attributes_by_path():
    spec = JobspecV1.from_command(["x"])
    spec.setattr("user.x.y", 3)
    spec.setattr("foo", 4)
    spec.setattr("system.bar", 1)
    spec.setattr("attributes.system.baz", 2)
    spec.setattr_shell_option("a.b", 5)
    assert spec.getattr("attributes.user.x.y") == 3
    assert [spec.getattr(key) for key in ("foo", "system.bar", "baz", "shell.options.a.b")] == [4, 1, 2, 5]
    spec.setattr_shell_option("a.b", None)
    spec.setattr("no.such.path", None)
    for key in ("nope", "system.nope", "shell.options.a.b", "user.x.z"):
        with pytest.raises(KeyError):
            spec.getattr(key)


def test_files(tmp_path):
    text, binary = tmp_path / "t", tmp_path / "b"
    text.write_text("hi")
    binary.write_bytes(b"\xff\x00")
    binary.chmod(0o755)
    spec = JobspecV1.from_command(["x"])
    spec.add_file("a", {"k": 1})
    spec.add_file("b", "x\ny", perms=0o700)
    spec.add_file("c", "eA==", encoding="base64")
    spec.add_file("d", str(text))
    spec.add_file("e", str(binary))
    files = spec.getattr("files")
    assert files["a"] == {"mode": 0o100600, "data": {"k": 1}}
    assert files["b"] == {"mode": 0o100700, "data": "x\ny", "encoding": "utf-8"}
    assert files["c"]["encoding"] == "base64"
    assert (files["d"]["data"], files["d"]["size"], files["d"]["encoding"]) == ("hi", 2, "utf-8")
    assert (files["e"]["data"], files["e"]["mode"], files["e"]["encoding"]) == ("/wA=", 0o100755, "base64")
    with pytest.raises(FileNotFoundError):
        spec.add_file("f", "/no/such/file")
    with pytest.raises(ValueError, match="encoding"):
        spec.add_file("f", "x", encoding="rot13")
    with pytest.raises(TypeError):
        spec.add_file("f", 5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"command": "ls"}, TypeError),
        ({"command": []}, TypeError),
        ({"command": None}, TypeError),
        ({"command": [1]}, TypeError),
        ({"command": ["x"], "num_tasks": 0}, ValueError),
        ({"command": ["x"], "num_tasks": "x"}, ValueError),
        ({"command": ["x"], "cores_per_task": 0}, ValueError),
        ({"command": ["x"], "gpus_per_task": -1}, ValueError),
        ({"command": ["x"], "num_nodes": 2}, ValueError),
        ({"command": ["x"], "cwd": 5}, TypeError),
        ({"command": ["x"], "no_such_option": 5}, TypeError),
    ],
)
def test_bad_arguments(arguments, error):
    with pytest.raises(error):
        JobspecV1.from_command(**arguments)


def parts(**changes):
    spec = JobspecV1.from_command(["x"], num_tasks=4, num_nodes=2, cores_per_task=3).jobspec
    return {**json.loads(json.dumps(spec)), **changes}


def test_constructor_and_validation():
    spec = JobspecV1(**parts())
    assert spec.resource_counts() == {"node": 2, "slot": 4, "core": 12}
    assert [resource["type"] for resource in spec] == ["node", "slot", "core"]
    assert [(parent or {}).get("type") for parent, _, _ in spec.resource_walk()] == [None, "node", "slot"]
    for name, value, error in (
        ("resources", "x", TypeError),
        ("tasks", {}, TypeError),
        ("attributes", [], TypeError),
        ("version", "1", TypeError),
        ("resources", [{}], ValueError),
        ("attributes", {}, ValueError),
        ("version", 0, ValueError),
    ):
        with pytest.raises(error):
            JobspecV1(**parts(**{name: value}))


def test_validate_jobspec():
    for given in (JobspecV1(**parts()), json.dumps(parts()), json.dumps(parts()).encode(), parts()):
        valid, spec = validate_jobspec(given)
        assert valid
        assert isinstance(spec, JobspecV1)
    for bad in ("[]", "{}", "nope", json.dumps({**parts(), "extra": 1})):
        with pytest.raises(ValueError):
            validate_jobspec(bad)
    ranged = parts(version=1)
    ranged["resources"][0]["count"] = {"min": 2, "max": 4, "operator": "+", "operand": 1}
    assert Jobspec(**{**ranged, "version": 999}).resource_counts()["node"] == 2
    with pytest.raises(ValueError, match="must be an integer"):
        validate_counts(ranged["resources"])
    validate_counts(parts()["resources"])


def test_yaml(tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_text(json.dumps(parts()))
    assert JobspecV1.from_yaml_file(file).jobspec == parts()
    assert JobspecV1.from_yaml_stream("{}\n" and json.dumps(parts())).version == 1
    with pytest.raises(ValueError, match="mapping"):
        JobspecV1.from_yaml_stream("- 1")
