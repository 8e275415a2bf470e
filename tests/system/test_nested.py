# SPDX-License-Identifier: LGPL-3.0-or-later
"""Instances as jobs of other instances: what they are told, what they may use, how they are found."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.process import wait_until_gone

pytestmark = pytest.mark.system

MARK = "ROSIN_TEST_NESTED"


@pytest.fixture
def run(tmp_path: Path):
    """Run a shell script in an instance; ``$R`` is rosin. Returns its lines of output."""

    def run(script: str) -> list[str]:
        env = {**os.environ, "TMPDIR": str(tmp_path), MARK: str(tmp_path), "R": f"{sys.executable} -m rosin"}
        env.pop("FLUX_URI", None)
        command = [sys.executable, "-m", "rosin", "start", "sh", "-c", script, "sh"]
        result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
        assert wait_until_gone(f"{MARK}={tmp_path}") == []
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.splitlines()

    return run


def test_levels_and_paths(run):
    inner = "$R getattr instance-level; $R getattr jobid-path; echo $FLUX_ENCLOSING_ID"
    lines = run(f"$R getattr instance-level; $R start sh -c '{inner}'; $R run $R start sh -c '{inner}'")
    assert lines[:4] == ["0", "0", "/", ""]
    level, path, enclosing = lines[4:]
    assert (level, path) == ("1", f"/{enclosing}")
    assert enclosing.startswith("ƒ")


def test_ids_of_an_ascii_session(run, monkeypatch):
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    inner = "$R getattr jobid; $R getattr jobid-path; echo $FLUX_ENCLOSING_ID"
    inner += "; $R run sh -c 'echo $FLUX_JOB_ID_PATH; echo $FLUX_JOB_ID'"
    script = f"$R job id --to=f58 123456; $R run $R start sh -c {shlex.quote(inner)}"
    first, jobid, path, enclosing, below, own = run(script)
    assert first == "fdhZ"
    assert jobid.startswith("f")
    assert (path, enclosing, below) == (f"/{jobid}", jobid, f"/{jobid}/{own}")


def test_a_foreign_enclosing_job_is_not_told(run, monkeypatch):
    monkeypatch.setenv("FLUX_ENCLOSING_ID", "f123")
    assert run('echo "<$FLUX_ENCLOSING_ID>"') == ["<>"]


def test_the_enclosing_job_limits_the_instance(run):
    script = "$R getattr local-uri; $R run -n1 -c1 -t 10m $R start sh -c '%s'"
    inner = "$R getattr parent-uri; $R resource R; $R resource eventlog -f json; $R run echo works"
    uri, parent, R, *log, last = run(script % inner)
    assert parent == uri
    execution = json.loads(R)["execution"]
    assert execution["R_lite"] == [{"rank": "0", "children": {"core": "0"}}]
    assert 0 < execution["expiration"] - execution["starttime"] <= 600
    defined = [event["context"] for event in map(json.loads, log) if event["name"] == "resource-define"]
    assert defined == [{"method": "job-info"}]
    assert last == "works"


def test_the_parent_is_told_where_the_instance_is(run):
    script = """
        id=$($R submit -n1 $R start sh -c '$R getattr local-uri; $R getattr hostname; exec sleep 1000')
        $R uri --wait $id
        $R uri --local $id
        FLUX_URI=$($R uri --local $id) $R getattr instance-level
        $R update $id duration=+1m
        FLUX_URI=$($R uri --local $id) $R resource eventlog --wait resource-update >/dev/null && echo updated
        $R cancel $id
        $R job wait-event $id clean >/dev/null
        $R job attach $id 2>/dev/null
        true
    """
    script = script.replace("$R submit -n1", "$R submit -n1 -t 10m")
    uri, local, level, updated, real, host = run(script)
    assert (local, level, updated) == (real, "1", "updated")
    assert uri == f"ssh://{host}{real.removeprefix('local://')}"
