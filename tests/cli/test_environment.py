# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a job gets of its submitter: environment (--env), limits (--rlimit), umask."""

from __future__ import annotations

import os
import resource
import sys

import pytest

from rosin.cli import environment
from rosin.cli.environment import Environment, job_environment, job_rlimits


def env(rules, **start):
    result = Environment({"HOME": "/h", "PATH": "/bin", "SLURM_A": "1", "SLURM_B": "2", **start})
    result.apply(rules)
    return result


def test_remove_and_bring_back():
    assert env(["-SLURM_*"]).variables == {"HOME": "/h", "PATH": "/bin"}
    assert env(["-*", "PATH", "SLURM_?"]).variables == {"PATH": "/bin", "SLURM_A": "1", "SLURM_B": "2"}
    assert env(["-/^SLURM_[A]/"]).variables == {"HOME": "/h", "PATH": "/bin", "SLURM_B": "2"}


def test_a_copied_variable_does_not_replace_a_set_one():
    assert env(["PATH=/mine", "PATH"]).variables["PATH"] == "/mine"


def test_values_refer_to_variables():
    result = env(["PATH=$PATH:/opt", "PATH=${PATH}:/end", "DOLLAR=$$5", "-HOME", "OLD=$HOME"])
    assert result.variables["PATH"] == "/bin:/opt:/end"
    assert result.variables["DOLLAR"] == "$5"
    assert result.variables["OLD"] == "/h"


def test_mustache_goes_to_the_job_shell():
    result = env(["ID={{id}}", "X=1"])
    assert result.templates == {"ID": "{{id}}"}
    assert "ID" not in result.variables


def test_rules_from_a_file(tmp_path):
    (tmp_path / "rules").write_text("-*\n\nFOO=bar\n")
    assert env([f"^{tmp_path}/rules", "X=1"]).variables == {"FOO": "bar", "X": "1"}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("A=$NOTHING", "--env: Variable 'NOTHING' not found in A=$NOTHING"),
        ("A=$", "--env: Unable to substitute A=$"),
        ("A=${x", "--env: Unable to substitute A=${x"),
        ("^/nonexistent", "--env: /nonexistent: No such file or directory: --env-file takes a file of rules"),
        ("-/(/", r"invalid pattern '/\(/'"),
    ],
)
def test_bad_rules(rule, text):
    with pytest.raises(ValueError, match=text.replace("$", r"\$").replace("{", r"\{")):
        env([rule])


def test_what_json_cannot_hold_stays_behind(monkeypatch):
    monkeypatch.setenv("BYTES", "a\udcff")
    monkeypatch.setenv("TEXT", "ä\t€")
    variables = job_environment(None).variables
    assert "BYTES" not in variables
    assert variables["TEXT"] == "ä\t€"


@pytest.fixture
def limits(monkeypatch):
    values = {"core": 0, "nofile": 1024, "memlock": 64, "nice": 1, "stack": -1}
    monkeypatch.setattr(environment, "_limits", lambda: dict(values))


def test_default_limits(limits):
    assert job_rlimits(None) == {"core": 0, "nofile": 1024, "stack": -1}


def test_limit_rules(limits):
    assert job_rlimits(["-*,core"]) == {"core": 0}
    assert job_rlimits(["-*", "core=16", "STACK=unlimited"]) == {"core": 16, "stack": -1}
    assert job_rlimits(["mem*"]) == {"core": 0, "nofile": 1024, "stack": -1, "memlock": 64}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("foo", 'No corresponding rlimit matching "foo"'),
        ("foo=1", 'Invalid rlimit "foo"'),
        ("core=x", "Invalid value in core=x"),
    ],
)
def test_bad_limits(limits, rule, text):
    with pytest.raises(ValueError, match=text):
        job_rlimits([rule])


def test_limits_of_this_process():
    assert environment._limits()["nofile"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.system
def test_jobs_get_the_umask_of_their_submitter_and_no_other(rosin):
    mask = os.umask(0o027)
    try:
        assert rosin("run", "sh", "-c", "umask").out == "0027\n"
        os.umask(0o077)
        assert rosin("run", "sh", "-c", "umask").out == "0077\n"
        assert rosin("run", "-o", "umask=002", "sh", "-c", "umask").out == "0002\n"
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)


def test_the_path_by_which_a_job_finds_commands(tmp_path, monkeypatch):
    """The API passes the environment on as it is; what commands submit finds rosin, behind all else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    place = os.path.dirname(sys.executable)
    assert job_environment(None).variables["PATH"] == str(tmp_path)
    assert job_environment(None, find_commands=True).variables["PATH"] == f"{tmp_path}:{place}"
    (tmp_path / "rosin").touch(0o755)
    assert job_environment(None, find_commands=True).variables["PATH"] == str(tmp_path)
