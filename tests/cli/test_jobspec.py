# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin jobspec``: versions, faults, conversions, summaries; ``rosin job taskmap`` without an instance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

V1 = {
    "version": 1,
    "resources": [
        {
            "type": "node",
            "count": 2,
            "with": [
                {
                    "type": "slot",
                    "count": 3,
                    "label": "task",
                    "with": [{"type": "core", "count": 2}, {"type": "gpu", "count": 0}],
                }
            ],
        }
    ],
    "tasks": [{"command": ["app", "a b"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 3600, "queue": "batch", "cwd": "/tmp"}},
}
V2 = {
    **V1,
    "version": 2,
    "resources": [
        {
            "type": "slot",
            "count": {"min": 2},
            "label": "task",
            "with": [{"type": "node", "count": 1}],
        }
    ],
    "attributes": {"system": {"duration": 0}},
}


def test_validate_goes_by_the_version(command):
    for spec in (V1, V2, {**V2, "version": 9999}):
        assert command("jobspec", "validate", stdin=json.dumps(spec)) == (0, "", "")
    result = command("jobspec", "validate", stdin=json.dumps({**V2, "version": 999}))
    assert result == (1, "", "rosin-jobspec: -: jobspec: version: expected one of 1, 2, 9999, got 999\n")
    any_version = ("jobspec", "validate", "--require-version=any")
    assert command(*any_version, stdin=json.dumps({**V2, "version": 999})).code == 0
    assert command(*any_version, stdin=json.dumps({**V2, "version": 1})).code == 1
    result = command("jobspec", "validate", "--require-version", "1", stdin=json.dumps(V2))
    assert "version: expected 1, got 2 ('rosin jobspec lower'" in result.err
    assert command("jobspec", "validate", "--require-version=3").code == 2


def test_validate_prints_a_line_for_each_fault(command, tmp_path: Path):
    bad = {**V1, "tasks": [], "attributes": {"system": {"duration": -1, "queue": 0}}}
    file, other = tmp_path / "bad.json", tmp_path / "not.yaml"
    file.write_text(json.dumps(bad))
    other.write_bytes(b"\xff")
    result = command("jobspec", "validate", str(file), str(tmp_path / "none"), str(other))
    assert result.code == 1
    assert result.err.splitlines() == [
        f"rosin-jobspec: {file}: jobspec: tasks: expected a non-empty array, got an array",
        f"rosin-jobspec: {file}: jobspec: attributes.system.duration: "
        "expected a number of seconds >= 0, got -1",
        f"rosin-jobspec: {file}: jobspec: attributes.system.queue: expected a string, got 0",
        f"rosin-jobspec: {tmp_path / 'none'}: No such file or directory",
        f"rosin-jobspec: {other}: not UTF-8 at byte 0",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [b", "neither JSON nor YAML at line 1: "),
        ("a: 2026-99-99", "neither JSON nor YAML: month must be in 1..12"),
        ("[" * 100_000, "nested too deep"),
        ("a: &a [*a]\nversion: on\n", "jobspec: missing key 'resources'"),
        (
            "- !!python/object:os.system {}\n",
            "neither JSON nor YAML at line 1: could not determine a constructor",
        ),
        ("", "jobspec: expected an object, got null"),
    ],
)
def test_what_is_no_jobspec(command, text: str, message: str):
    result = command("jobspec", "validate", stdin=text)
    assert result.code == 1
    assert result.err.startswith(f"rosin-jobspec: -: {message}")
    assert result.err.count("\n") == 1


def test_show(command, tmp_path: Path):
    file = tmp_path / "spec"
    file.write_text(json.dumps(V1))
    result = command("jobspec", "show", str(file))
    assert [line.split(None, 1) for line in result.out.splitlines()] == [
        ["version", "1"],
        ["shape", "node=2/slot=3{task}/core=2"],
        ["node", "2"],
        ["slot", "6"],
        ["core", "12"],
        ["gpu", "0"],
        ["tasks", "6"],
        ["command", "app 'a b'"],
        ["duration", "1h"],
        ["queue", "batch"],
        ["cwd", "/tmp"],
    ]
    shown = command("jobspec", "show", stdin=json.dumps(V2)).out.split()
    assert shown[:10] == [
        "version",
        "2",
        "shape",
        "slot=2+{task}/node",
        "slot",
        "2+",
        "node",
        "2+",
        "tasks",
        "2+",
    ]
    assert shown[-1] == "unlimited"
    assert command("jobspec", "show", stdin=json.dumps({**V2, "version": 999})).code == 0
    assert (
        command("jobspec", "show", stdin="{}").err == "rosin-jobspec: -: jobspec: missing key 'resources'\n"
    )


def test_lower(command):
    fixed = {**V2, "resources": [{**V2["resources"][0], "count": 2}]}  # type: ignore[index]
    result = command("jobspec", "lower", stdin=json.dumps(fixed))
    low = json.loads(result.out)
    assert (low["version"], low["resources"][0]["type"], low["resources"][0]["count"]) == (1, "node", 2)
    assert command("jobspec", "validate", "--require-version=1", stdin=result.out).code == 0
    result = command("jobspec", "lower", stdin=json.dumps(V2))
    text = "resources[0].count: version 1 has fixed counts only, not 2+"
    assert result == (1, "", f"rosin-jobspec: jobspec: {text}\n")


def test_shape(command, tmp_path: Path):
    result = command("jobspec", "shape", "slot=2+/node{-x}", "--label=a")
    node = {"type": "node", "count": 1, "exclusive": False}
    assert json.loads(result.out) == [{"type": "slot", "count": {"min": 2}, "with": [node], "label": "a"}]
    assert '"2+"' in command("jobspec", "shape", "--range-strings", "slot=2+/node").out
    file = tmp_path / "spec"
    file.write_text(json.dumps(V1))
    assert command("jobspec", "shape", "-f", str(file)).out == "node=2/slot=3{task}/core=2\n"
    assert command("jobspec", "shape", "-f", str(file), "--label=task").out == "node=2/slot=3/core=2\n"
    assert command("jobspec", "shape", "slot").err.endswith(
        "shape: expected '/' and what is in the slot, got the end at column 5\n"
    )
    assert command("jobspec", "shape").err == "rosin-jobspec: shape: give either a SHAPE or --from=FILE\n"


def test_directives(command):
    result = command(
        "jobspec", "directives", stdin="#!/bin/sh\n# flux: -N4 --queue='a b'\n# flux:\n# flux: -x\n"
    )
    assert result == (0, '2: ["-N4","--queue=a b"]\n4: ["-x"]\n', "")
    result = command("jobspec", "directives", stdin="# flux: x\n")
    assert result.code == 1
    assert result.err.startswith("rosin-jobspec: directives: line 1: unknown directive 'x'")


@pytest.mark.parametrize(
    ("option", "result"),
    [
        ("--taskids=1", (0, "2-3\n", "")),
        ("--ntasks=1", (0, "2\n", "")),
        ("--nodeid=3", (0, "1\n", "")),
        ("--to=raw", (0, "0-1;2-3\n", "")),
        ("--to=pmi", (0, "(vector,(0,2,2))\n", "")),
        ("--to=multiline", (0, "0: 0\n1: 0\n2: 1\n3: 1\n", "")),
        ("--taskids=2", (1, "", "rosin-job: No taskids for node 2: No such file or directory\n")),
        (
            "--ntasks=2",
            (1, "", "rosin-job: failed to get task count for node 2: No such file or directory\n"),
        ),
        ("--nodeid=4", (1, "", "rosin-job: failed to get nodeid for task 4: No such file or directory\n")),
        ("--hostname=0", (1, "", "rosin-job: taskmap: can't use --hostname without a jobid\n")),
        ("--to=hosts", (1, "", "rosin-job: taskmap: can't use --to=hosts without a jobid\n")),
        ("--to=x", (1, "", "rosin-job: invalid value --to=x\n")),
    ],
)
def test_taskmap(command, option: str, result: tuple[int, str, str]):
    assert command("job", "taskmap", option, "[[0,2,2,1]]") == result


def test_taskmap_of_text(command):
    assert command("job", "taskmap", "vector,(0,2,2)").out == "[[0,2,2,1]]\n"
    assert command("job", "taskmap", "--to=multiline", "[]").out == ""
    assert command("job", "taskmap", "0;0").err == (
        "rosin-job: error decoding taskmap: duplicate taskid specified: 0 (node 1)\n"
    )


def test_a_lowered_jobspec_runs(rosin):
    slot = {
        "type": "slot",
        "count": "1",
        "label": "a",
        "with": [{"type": "core", "count": {"min": 1, "max": 1}}],
    }
    spec = {
        "version": 9999,
        "resources": [slot],
        "tasks": [{"command": ["true"], "slot": "a", "count": {"per_slot": 1}}],
        "attributes": {},
    }
    code, _, err = rosin("job", "submit", stdin=json.dumps(spec))
    assert code == 1
    assert "jobspec: version: expected 1, got 9999 ('rosin jobspec lower' turns what version 1 can say" in err
    lowered = rosin("jobspec", "lower", stdin=json.dumps(spec))[1]
    jobid = rosin("job", "submit", stdin=lowered)[1].strip()
    assert rosin("job", "status", jobid)[0] == 0
