# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin batch: from a script and its directives to the jobspec of an instance (RFC 36)."""

from __future__ import annotations

import json

import pytest

SCRIPT = "#!/bin/sh\n# flux: -n2 -c3\n# flux: --queue=batch\n#\n# flux: --output='job.out'\necho $1\n"


@pytest.fixture
def script(tmp_path):
    def write(text=SCRIPT, name="job.sh"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def jobspec(command):
    """The jobspec that a command line makes."""

    def run(*words, stdin=b""):
        result = command("batch", "--dry-run", *words, stdin=stdin)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return run


def system(spec):
    return spec["attributes"]["system"]


def options(spec):
    return system(spec)["shell"]["options"]


def test_a_script_with_directives(jobspec, script):
    spec = jobspec(script(), "a", "-n9")
    (slot,) = spec["resources"]
    assert (slot["count"], slot["with"]) == (2, [{"type": "core", "count": 3}])
    assert spec["tasks"] == [
        {
            "command": ["rosin", "broker", "{{tmpdir}}/script", "a", "-n9"],
            "slot": "task",
            "count": {"per_slot": 1},
        }
    ]
    assert system(spec)["queue"] == "batch"
    assert system(spec)["job"] == {"name": "job.sh"}
    assert system(spec)["files"]["script"] == {"mode": 0o100700, "data": SCRIPT, "encoding": "utf-8"}
    shown = {key: options(spec)[key] for key in ("per-resource", "mpi", "exit-timeout", "output")}
    assert shown == {
        "per-resource": {"type": "node"},
        "mpi": "none",
        "exit-timeout": "none",
        "output": {"stdout": {"type": "file", "path": "job.out"}},
    }


def test_the_command_line_is_stronger_than_directives(jobspec, script):
    spec = jobspec("--queue=debug", "-n", "4", "--job-name=x", script())
    assert (system(spec)["queue"], spec["resources"][0]["count"]) == ("debug", 4)
    assert system(spec)["job"] == {"name": "x"}


def test_a_script_from_standard_input(jobspec):
    spec = jobspec("--error=e", "--input=i", "-l", stdin=SCRIPT.replace("# flux: --output='job.out'\n", ""))
    assert system(spec)["job"] == {"name": "batch"}
    assert options(spec)["output"] == {
        "stdout": {"type": "file", "path": "flux-{{id}}.out", "label": True},
        "stderr": {"type": "file", "path": "e", "label": True},
    }
    assert options(spec)["input"] == {"stdin": {"type": "file", "path": "i"}}


def test_words_and_input_wrapped_in_a_shell_script(jobspec):
    spec = jobspec("-n1", "--wrap", "echo", "hi; echo ho")
    assert system(spec)["files"]["script"]["data"] == "#!/bin/sh\necho hi; echo ho\n"
    assert spec["tasks"][0]["command"][2:] == ["{{tmpdir}}/script", "hi; echo ho"]
    spec = jobspec("-n1", "--wrap", stdin="echo hi\n")
    assert system(spec)["files"]["script"]["data"] == "#!/bin/sh\necho hi\n"


def test_nodes_alone_are_taken_whole(jobspec):
    (node,) = jobspec("-N2", "--wrap", "true")["resources"]
    assert (node["type"], node["count"], node["exclusive"]) == ("node", 2, True)
    (node,) = jobspec("-N2", "-n4", "-g1", "--wrap", "true")["resources"]
    assert "exclusive" not in node
    assert node["with"][0]["with"] == [{"type": "core", "count": 1}, {"type": "gpu", "count": 1}]


def test_resources_as_a_whole(jobspec, tmp_path):
    spec = jobspec("--resources-shape=slot=2/core=3", "-n9", "--wrap", "true")
    slot = {"type": "slot", "count": 2, "with": [{"type": "core", "count": 3}], "label": "task"}
    assert spec["resources"] == [slot]
    path = tmp_path / "r.json"
    for content in ([slot], {"resources": [slot], "version": 1}):
        path.write_text(json.dumps(content))
        assert jobspec(f"--resources-json={path}", "--wrap", "true")["resources"] == [slot]


def test_brokers_options_and_the_dump(jobspec):
    words = jobspec("-n1", "--broker-opts=-v,-Sa=b", "--broker-opt=-Sc=d", "--dump", "--wrap", "true")
    assert words["tasks"][0]["command"][2:-1] == [
        "-v",
        "-Sa=b",
        "-Sc=d",
        "-Scontent.dump=flux-{{jobid}}-dump.tgz",
    ]
    words = jobspec("-n1", "--dump=x.tgz", "--wrap", "true")
    assert words["tasks"][0]["command"][2] == "-Scontent.dump=x.tgz"


def test_more_brokers_on_the_first_node(jobspec, command):
    spec = jobspec("-N2", "--add-brokers=2", "--conf=resource.exclude='5'", "--wrap", "true")
    assert spec["tasks"][0]["count"] == {"total": 4}
    assert options(spec)["taskmap"] == {"scheme": "manual", "value": "[[0,1,3,1],[1,1,1,1]]"}
    assert "per-resource" not in options(spec)
    assert system(spec)["files"]["conf.json"]["data"] == {"resource": {"exclude": "1-2,5"}}
    spec = jobspec("-N1", "--add-brokers=1", "--wrap", "true")
    assert options(spec)["taskmap"]["value"] == "[[0,1,2,1]]"
    result = command("batch", "-n2", "--add-brokers=1", "--wrap", "true")
    assert "--add-brokers may only be specified with -N, --nodes" in result.err


def test_the_configuration_of_the_instance(jobspec, tmp_path, monkeypatch):
    named = tmp_path / "flux" / "config"
    named.mkdir(parents=True)
    (named / "site.toml").write_text("[a]\nb = 1\nc = 1\n")
    (tmp_path / "x.json").write_text('{"a": {"c": 2}, "d": 1}')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    pieces = [
        "site",
        f"{tmp_path}/x.json",
        "a.e=word",
        "a.f=[1,2]",
        "[a.g]\nh = 5\n",
        '{"d": 2}',
        "i=2000-01-01",
    ]
    spec = jobspec("-n1", *(f"--conf={piece}" for piece in pieces), "--wrap", "true")
    assert spec["tasks"][0]["command"][2] == "-c{{tmpdir}}/conf.json"
    assert system(spec)["files"]["conf.json"]["data"] == {
        "a": {"b": 1, "c": 2, "e": "word", "f": [1, 2], "g": {"h": 5}},
        "d": 2,
        "i": "2000-01-01",
    }


def test_the_job_finds_the_program(jobspec, monkeypatch, tmp_path):
    import os
    import sys

    monkeypatch.setenv("PATH", "/nonexistent")
    place = os.path.dirname(sys.executable)
    assert system(jobspec("-n1", "--wrap", "true"))["environment"]["PATH"] == f"/nonexistent:{place}"
    assert "PATH" not in system(jobspec("-n1", "--env=-*", "--wrap", "true"))["environment"]
    assert system(jobspec("-n1", "--env=PATH=/x", "--wrap", "true"))["environment"]["PATH"] == "/x"
    (tmp_path / "rosin").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system(jobspec("-n1", "--wrap", "true"))["environment"]["PATH"] == str(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--wrap", "true"], 1, "Number of slots to allocate must be specified"),
        (["-n0", "-x", "--wrap", "true"], 1, "Number of slots to allocate must be specified"),
        (["-n-1", "--wrap", "true"], 1, "slot count must be an integer >= 1"),
        (["-n", "x", "--wrap", "true"], 2, "argument -n/--nslots: invalid int value: 'x'"),
        (["-n2", "-c", "", "--wrap", "true"], 2, "-c/--cores-per-slot: invalid int value: ''"),
        (["-Nx", "nosuch"], 2, "argument -N/--nodes: invalid int value: 'x'"),
        (["-n1", "-c0", "--wrap", "true"], 1, "cores per task: expected an integer from 1"),
        (["-n1", "-x", "--wrap", "true"], 1, "exclusive can only be set with a node count"),
        (["-n1", "-N2", "--wrap", "true"], 1, "--nodes=2: it takes a number from 1 to that of slots, 1"),
        (["-n1", "--conf=nosuch", "--wrap", "true"], 1, "--conf: named config 'nosuch' not found"),
        (["-n1", "--conf=nosuch.toml", "--wrap", "true"], 1, "--conf=nosuch.toml: nosuch.toml: No such file"),
        (["-n1", "--conf==1", "--wrap", "true"], 1, "--conf==1: a key is missing"),
        (["-n1", "--conf=a=[1\nb", "--wrap", "true"], 1, "--conf: "),
        (["-n1", "nosuch"], 1, "nosuch: No such file or directory"),
        (["-n1", "--resources-shape=slot", "--resources-json=x"], 1, "mutually exclusive"),
        (["--resources-shape=slot=2/[core", "--wrap", "true"], 1, "an RFC 46 shape, as in"),
        (["--resources-json=nosuch", "--wrap", "true"], 1, "--resources-json=nosuch: No such file"),
        (["--nosuch"], 2, "unrecognized arguments: --nosuch"),
    ],
)
def test_what_is_refused(command, monkeypatch, tmp_path, words, code, text):
    monkeypatch.chdir(tmp_path)
    result = command("batch", *words, stdin=SCRIPT.replace("-n2", ""))
    assert (result.code, result.out) == (code, "")
    assert text in result.err
    assert result.err.count("ERROR") <= 1


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("echo hi\n", 1, "job.sh does not appear to start with '#!'"),
        ("#!/bin/sh\n# flux: -n2\n# flux: --nosuch\n", 2, "argument parsing failed at {path} line 3"),
        ("#!/bin/sh\n# flux: -n\n", 2, "argument parsing failed at {path} line 2"),
        ("#!/bin/sh\n# flux: -n2 word\n", 1, "{path}: line 2: 'word' is no option"),
        ("#!/bin/sh\n# flux: word\n", 1, "{path}: directives: line 2: unknown directive 'word'"),
        ("#!/bin/sh\n# flux: -n2\ntrue\n# flux: -n2\n", 1, "line 4: orphan '# flux:'"),
    ],
)
def test_scripts_that_are_refused(command, script, text, code, message):
    path = script(text)
    result = command("batch", "--dry-run", path)
    assert (result.code, result.out) == (code, "")
    assert message.format(path=path) in result.err


def test_a_program_is_no_script(command, tmp_path):
    (tmp_path / "x").write_bytes(b"\x7fELF\xff")
    result = command("batch", "-n1", str(tmp_path / "x"))
    assert result.code == 1
    assert "x does not appear to be a script, or failed to encode as utf-8" in result.err


def test_a_script_that_does_not_end(command, monkeypatch):
    from rosin.job import spec

    monkeypatch.setattr(spec, "FILE_MAX", 1 << 20)
    for words, name in ((["/dev/zero"], "/dev/zero"), ([], "stdin")):
        result = command("batch", "-n1", *words, stdin=b"#" * ((1 << 20) + 1))
        assert (result.code, result.out) == (1, "")
        text = "File too large: a job carries at most 1 MiB in a file; an archive brings larger ones"
        assert result.err.startswith(f"rosin-batch: ERROR: {name}: {text}")
