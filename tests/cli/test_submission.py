# SPDX-License-Identifier: LGPL-3.0-or-later
"""From options to jobspecs."""

from __future__ import annotations

import json
import os

import pytest

from rosin.cli import run, submission, submit
from rosin.cli.submission import Builder
from rosin.rfc.jobspec import validate


def build(line, *command):
    args = run.parser("rosin-run").parse_command([*line.split(), *(command or ("true",))])
    obj = Builder().build(args)
    validate(obj)
    return obj


def shape(obj):
    """The resources as nested tuples."""

    def one(vertex):
        inner = tuple(one(child) for child in vertex.get("with", ()))
        exclusive = ("x",) if vertex.get("exclusive") else ()
        return (vertex["type"], vertex["count"], *exclusive, *inner)

    return one(obj["resources"][0])


def options(obj):
    return obj["attributes"]["system"]["shell"]["options"]


CORE = ("core", 1)


@pytest.mark.parametrize(
    ("line", "resources", "count"),
    [
        ("", ("slot", 1, CORE), {"per_slot": 1}),
        ("-n4", ("slot", 4, CORE), {"per_slot": 1}),
        ("-n0", ("slot", 1, CORE), {"per_slot": 1}),
        ("-n2 -c3 -g1", ("slot", 2, ("core", 3), ("gpu", 1)), {"per_slot": 1}),
        ("-N2", ("node", 2, "x", ("slot", 1, CORE)), {"per_slot": 1}),
        ("-N2 -n4", ("node", 2, ("slot", 2, CORE)), {"per_slot": 1}),
        ("-N2 -n4 -x", ("node", 2, "x", ("slot", 2, CORE)), {"per_slot": 1}),
        ("-N2 -n3", ("node", 2, ("slot", 2, CORE)), {"total": 3}),
        ("-N2 --tasks-per-node=3", ("node", 2, "x", ("slot", 1, CORE)), {"per_slot": 1}),
        ("--cores=4 --tasks-per-core=2", ("slot", 4, CORE), {"per_slot": 1}),
        (
            "-N2 --cores=4 --gpus-per-node=1",
            ("node", 2, ("slot", 1, ("core", 2), ("gpu", 1))),
            {"per_slot": 1},
        ),
    ],
)
def test_resources(line, resources, count):
    obj = build(line)
    assert shape(obj) == resources
    assert obj["tasks"][0]["count"] == count


def test_tasks_per_resource():
    assert options(build("-N2 --tasks-per-node=3"))["per-resource"] == {"type": "node", "count": 3}
    assert options(build("--cores=4 --tasks-per-core=2"))["per-resource"] == {"type": "core", "count": 2}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-n x", "--ntasks: invalid int value 'x'"),
        ("--tasks-per-node=x", "--tasks-per-node: invalid int value 'x'"),
        ("-N2 -n1", "node count must not be greater than task count"),
        ("-n-1", "task count must be a integer >= 1"),
        ("-x", "exclusive can only be set with a node count"),
        (
            "--tasks-per-node=1 --tasks-per-core=1",
            "Do not specify both the number of tasks per node and per core",
        ),
        ("--tasks-per-node=-1", "--tasks-per-node must be >= 1"),
        ("--gpus-per-node=1", "--gpus-per-node requires --nodes"),
        ("--cores=2 -n2", "Per-resource options can't be used with per-task options."),
        ("--cores=3 -N2", "number of cores must be evenly divisible by node count"),
        ("-t foo", "invalid Flux standard duration"),
        ("--signal=foo", "--signal=foo: signal 'foo' is invalid"),
        ("--signal=0", "--signal=0: signal must be > 0"),
        ("--signal=@x", "--signal=@x: invalid Flux standard duration"),
        ("--dependency=::", 'Invalid dependency URI "::"'),
        ("--taskmap=::", 'Invalid taskmap URI "::"'),
        ("--requires=(a", r"--requires='\(a': "),
        ("--add-file=/nonexistent", "--add-file=/nonexistent: .*No such file"),
        ("-S a=1 -S a.b=2", "--setattr: cannot set system.a.b: system.a is not an object"),
    ],
)
def test_bad_options(line, text):
    with pytest.raises(ValueError, match=text):
        build(line)


def test_a_command_is_needed():
    with pytest.raises(ValueError, match="job command and arguments are missing"):
        Builder().build(run.parser("x").parse_command(["-n2"]))


@pytest.mark.parametrize(
    ("argv", "ntasks", "command"),
    [
        (["-n4", "ls", "-n2"], "4", ["ls", "-n2"]),
        (["-n", "4", "--", "-x"], "4", ["-x"]),
        (["-xln", "4", "ls"], "4", ["ls"]),
        (["--ntasks=4", "ls", "--", "a"], "4", ["ls", "--", "a"]),
        (["ls", "--help"], None, ["ls", "--help"]),
        (["-"], None, ["-"]),
    ],
)
def test_options_end_at_the_command(argv, ntasks, command):
    args = run.parser("rosin-run").parse_command(argv)
    assert (args.ntasks, args.command) == (ntasks, command)


def test_shell_options_and_attributes(tmp_path):
    path = tmp_path / "value.json"
    path.write_text('{"x": [1, 2]}')
    obj = build(f"-o foo -o bar=2 -o a.b=x -o ^big={path} -S user.foo=bar -S .user.x=1 -S y=2 -S system.z=[]")
    found = options(obj)
    assert (found["foo"], found["bar"], found["a"], found["big"]) == (1, 2, {"b": "x"}, {"x": [1, 2]})
    attributes = obj["attributes"]
    assert attributes["user"] == {"foo": "bar", "x": 1}
    assert (attributes["system"]["y"], attributes["system"]["z"]) == (2, [])


def test_files(tmp_path):
    script = tmp_path / "script"
    script.write_bytes(b"\xff\n")
    script.chmod(0o755)
    files = build(f"--add-file={script} --add-file=b=a\\nb --add-file=c:700=x\\n")["attributes"]["system"][
        "files"
    ]
    assert files["script"] == {"mode": 0o100755, "size": 2, "data": "/wo=", "encoding": "base64"}
    assert files["b"] == {"mode": 0o100600, "data": "a\nb", "encoding": "utf-8"}
    assert files["c"]["mode"] == 0o100700


def test_other_options():
    obj = build(
        "-t 2 -q batch -B bank --job-name=n --cwd=/x --output=o --input=f -l -u --taskmap=cyclic:2 "
        "--signal=TERM@2m --dependency=afterok:f1?x=2 --dependency=singleton --requires=a,b --requires=host:c"
    )
    system = obj["attributes"]["system"]
    assert system["duration"] == 120.0
    assert (system["queue"], system["bank"], system["cwd"], system["job"]) == (
        "batch",
        "bank",
        "/x",
        {"name": "n"},
    )
    assert system["dependencies"] == [
        {"scheme": "afterok", "value": "f1", "x": 2},
        {"scheme": "singleton", "value": ""},
    ]
    assert system["constraints"] == {"and": [{"properties": ["a", "b"]}, {"hostlist": ["c"]}]}
    found = options(obj)
    assert found["signal"] == {"signum": 15, "timeleft": 120.0}
    assert found["taskmap"] == {"scheme": "cyclic", "value": "2"}
    assert found["output"]["stdout"] == {
        "type": "file",
        "path": "o",
        "label": True,
        "buffer": {"type": "none"},
    }
    assert found["input"]["stdin"] == {"type": "file", "path": "f"}


def test_input_for_some_tasks_is_no_file():
    assert "input" not in options(build("--input=0-3"))


def test_begin_time_is_a_dependency():
    (entry,) = build("--begin-time=2030-01-01T00:00:00+00:00")["attributes"]["system"]["dependencies"]
    assert (entry["scheme"], float(entry["value"])) == ("begin-time", 1893456000.0)


def test_environment_rules_keep_their_order(monkeypatch):
    monkeypatch.setattr(os, "environ", {"A": "1", "B": "2"})
    obj = build("--env-remove=* --env=X=1 --env=Z={{id}} --env=A", "true")
    assert obj["attributes"]["system"]["environment"] == {"X": "1", "A": "1"}
    assert options(obj)["env-expand"] == {"Z": "{{id}}"}


def test_time_limits():
    assert [submission.time_limit(text) for text in ("1", "0.5", "30s", "1.5h", None)] == [
        60,
        30,
        30,
        5400,
        None,
    ]


def test_urgency_and_flags():
    assert [submission.parse_urgency(text) for text in ("hold", "default", "expedite", "7")] == [0, 16, 31, 7]
    assert submission.submit_flags(["debug,waitable"]) == {
        "debug": True,
        "waitable": True,
        "novalidate": False,
    }
    with pytest.raises(ValueError, match="--flags: Unknown flag x"):
        submission.submit_flags(["x"])


def test_dry_run_needs_no_instance(monkeypatch, capsys):
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent")
    assert run.main(["--dry-run", "-n2", "hostname"], "rosin-run") == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["command"] == ["hostname"]


def test_the_missing_instance_is_named(monkeypatch):
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local")
    with pytest.raises(
        OSError, match="Unable to connect to Flux: broker socket /nonexistent/local was not found"
    ):
        run.main(["true"], "rosin-run")


def test_input_that_nobody_is_there_to_give(capsys):
    with pytest.raises(SystemExit) as caught:
        submit.main(["--dry-run", "--input=0-3", "true"], "rosin-submit")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "rosin-submit: ERROR: per-task input not supported for submit\n"


def test_files_that_are_too_large(tmp_path, monkeypatch):
    from rosin.job import spec

    monkeypatch.setattr(spec, "FILE_MAX", 4)
    (tmp_path / "f").write_bytes(b"1234")
    assert build(f"--add-file={tmp_path}/f")["attributes"]["system"]["files"]["f"]["data"] == "1234"
    (tmp_path / "f").write_bytes(b"12345")
    with pytest.raises(ValueError, match="File too large: a job carries at most 0 MiB in a file"):
        build(f"--add-file={tmp_path}/f")
    with pytest.raises(ValueError, match="File too large"):
        build("--add-file=/dev/zero")


def test_text_with_a_nul(tmp_path):
    (tmp_path / "f").write_bytes(b"a\0b")
    entry = build(f"--add-file={tmp_path}/f")["attributes"]["system"]["files"]["f"]
    assert (entry["encoding"], entry["data"], entry["size"]) == ("base64", "YQBi", 3)
