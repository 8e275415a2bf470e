# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin alloc and batch: instances in jobs, and what reaches into them and out of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from rosin.testing.process import RealInstance


@pytest.fixture
def jobspec(command):
    def run(*words):
        result = command("alloc", "--dry-run", *words)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return run


def test_jobspecs(jobspec, monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda fd: False)
    spec = jobspec("-n2", "cmd", "-x")
    assert spec["tasks"][0]["command"] == ["rosin", "broker", "cmd", "-x"]
    assert "pty" not in spec["attributes"]["system"]["shell"]["options"]
    assert jobspec("-n1", "--", "-x")["tasks"][0]["command"] == ["rosin", "broker", "--", "-x"]
    assert jobspec("-n1", "--bg", "x")["tasks"][0]["command"] == ["rosin", "broker", "x"]
    spec = jobspec("-n1", "--bg", "--dump=d", "--conf=a=1")
    words = ["-Scontent.dump=d", "-Sbroker.rc2_none=1", "-c{{tmpdir}}/conf.json"]
    assert spec["tasks"][0]["command"][2:] == words
    assert spec["attributes"]["system"]["shell"]["options"]["pty"] == {"capture": 1}
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    spec = jobspec("-N1", "--job-name=x")
    assert spec["tasks"][0]["command"] == ["rosin", "broker"]
    assert spec["attributes"]["system"]["job"] == {"name": "x"}
    assert spec["attributes"]["system"]["shell"]["options"]["pty"] == {"interactive": 1}


@pytest.fixture(scope="module")
def outer():
    """An instance with room for others."""
    resources = json.dumps({"resource": {"noverify": True, "config": [{"hosts": "h", "cores": "0-7"}]}})
    with RealInstance(f"--conf={resources}") as instance:
        yield instance


@pytest.fixture
def inside(outer):
    """A command, which is to succeed; what it prints."""

    def run(*words, **kwargs):
        done = outer.run(*words, **kwargs)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.rstrip("\n")

    return run


@pytest.mark.system
def test_a_script_in_an_instance_of_its_own(inside, tmp_path):
    path = tmp_path / "job.sh"
    path.write_text(
        "#!/bin/sh\n# flux: -n2 --output=out\n"
        "echo $1 $(rosin getattr instance-level)\nrosin resource list -no '{state} {ncores}'\n"
        "rosin run -n2 echo task\n"
    )
    jobid = inside("batch", str(path), "word", cwd=tmp_path)
    inside("job", "wait-event", "-t", "60", jobid, "clean")
    lines = (tmp_path / "out").read_text().splitlines()
    assert (lines[0], lines[-2:]) == ("word 1", ["task", "task"])
    assert "free 2" in lines
    assert inside("jobs", "-no", "{status} {name}", jobid) == "COMPLETED job.sh"


@pytest.mark.system
def test_the_exit_code_is_that_of_the_program(outer):
    done = outer.run("alloc", "-n1", "-v", "sh", "-c", "rosin getattr size; exit 3")
    assert (done.returncode, done.stdout) == (3, "1\n")
    assert done.stderr.startswith("jobid: ƒ")


@pytest.mark.system
def test_three_levels_and_back(inside):
    """Each level has what its job was given; all know the way to the top and to the jobs below."""
    one = inside("alloc", "--bg", "-n4", "--conf=a.b=5")
    two = inside("proxy", one, "rosin", "alloc", "--bg", "-n2")
    three = inside("proxy", f"{one}/{two}", "rosin", "alloc", "--bg", "-n1")
    path = f"{one}/{two}/{three}"
    for place, ncores, level in ((one, "4", "1"), (f"{one}/{two}", "2", "2"), (path, "1", "3")):
        cores = inside("proxy", place, "rosin", "resource", "list", "-s", "all", "-no", "{ncores}")
        assert cores == ncores
        assert inside("proxy", place, "rosin", "getattr", "instance-level") == level
    assert inside("proxy", path, "rosin", "getattr", "jobid-path") == f"/{path}"
    assert inside("proxy", one, "rosin", "config", "get", "a.b") == "5"
    assert inside("uri", "--local", path) == inside("uri", f"{path}?local")
    # From the innermost to the outermost, whose jobs it lists, and to which it submits.
    assert one in inside("proxy", path, "rosin", "--root", "jobs", "-no", "{id.f58}")
    outside = inside("proxy", path, "rosin", "--root", "submit", "true")
    inside("job", "wait-event", "-t", "60", outside, "clean")
    assert inside("proxy", path, "rosin", "--parent", "jobs", "-no", "{id.f58}") == three
    listed = inside("jobs", "-Rno", "{id.f58}")
    assert [word in listed for word in (one, two, three)] == [True] * 3
    inside("proxy", f"{one}/{two}", "rosin", "shutdown", "--quiet", three)
    inside("shutdown", "--quiet", one)
    inside("job", "wait-event", "-t", "60", one, "clean")


@pytest.mark.system
def test_an_instance_that_does_not_start(outer):
    done = outer.run("alloc", "--bg", "-n1", "--broker-opts=-Snosuch=1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unexpectedly exited" in done.stderr
    assert "nosuch" in done.stderr


@pytest.mark.system
def test_interrupted_while_it_waits(outer):
    """The job that nobody waits for any more is canceled."""
    hold = [sys.executable, "-m", "rosin", "alloc", "--bg", "-v", "-n1", "--urgency=hold"]
    process = subprocess.Popen(
        hold,
        env={**outer.env, "FLUX_URI": outer.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    label, _, text = process.stderr.readline().partition(":")
    assert text.endswith("waiting for resources\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.endswith(f"{label}: Interrupt: canceling job\n")
    assert outer.run("jobs", "-no", "{status}", label).stdout == "CANCELED\n"
