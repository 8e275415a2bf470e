# SPDX-License-Identifier: LGPL-3.0-or-later
"""Programs that use Flux: what is small of them runs here as it is installed, all by ``make ecosystem``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from examples.ecosystem import run

pytestmark = pytest.mark.system


def test_a_workflow(tmp_path):
    commands = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    done = subprocess.run(
        [commands / "flux", "start", run.HERE / "maestro" / "workflow.sh"],
        env={**env, "TMPDIR": str(tmp_path), "PATH": f"{commands}{os.pathsep}{env['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("12 squares and their sum, 650, in jobs of Maestro\n")


def test_each_says_how_it_is_run():
    for program in run.programs():
        text = (run.HERE / program / "README.md").read_text(encoding="utf-8")
        (workflow,) = (run.HERE / program).glob("workflow.*")
        assert workflow.name in text
        assert workflow.suffix == ".py" or os.access(workflow, os.X_OK)


def test_one_that_there_is_not(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "psij", "nosuch"])
    assert run.main() == 2
    assert "nosuch: no such program; there are dask, executorlib, " in capsys.readouterr().err


def test_the_table(monkeypatch, capsys):
    """A failure is told and decides the exit code; the others run all the same."""
    results = {
        "parsl": run.Result("parsl", "1.0", False, 2.0, ""),
        "psij": run.Result("psij", "0.9", True, 1.0, "x"),
    }
    monkeypatch.setattr(run, "run", results.get)
    monkeypatch.setattr(sys, "argv", ["run.py", "parsl", "psij"])
    assert run.main() == 1
    table = capsys.readouterr().out
    assert "| parsl | 1.0 | **failed** | 2.0 |  |" in table
    assert "| psij | 0.9 | passed | 1.0 | x |" in table
