# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a killed broker leaves in its rundir does not get in the way of the next one."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from rosin.handle import Flux, registry
from rosin.testing.process import RealInstance

from .test_attributes import ROSIN, start

pytestmark = pytest.mark.system


def test_a_rundir_that_a_killed_broker_left_is_used_again_and_cleaned(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RealInstance(f"-Srundir={run}") as killed:
        assert killed.uri in [entry.uri for entry in registry.running()]
        killed.process.kill()
        killed.process.wait()
    assert killed.uri not in [entry.uri for entry in registry.running()]
    assert stat.S_ISSOCK((run / "local-0").stat().st_mode)
    asked = subprocess.run(
        [*ROSIN, "getattr", "size"],
        env={**os.environ, "FLUX_URI": killed.uri},
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 1
    assert asked.stderr.count("\n") == 1
    with RealInstance(f"-Srundir={run}") as again, Flux(again.uri) as h:
        assert again.uri == killed.uri
        assert h.attr_get("rundir") == str(run)
        assert os.path.lexists(run / "bin" / "flux")
    assert os.listdir(run) == []


def test_a_second_broker_is_refused(tmp_path: Path) -> None:
    with RealInstance(f"-Srundir={tmp_path}"):
        result = start(f"-Srundir={tmp_path}", "true")
        assert result.returncode == 1
        assert "is in use by another instance" in result.stderr
        assert (tmp_path / "local-0").exists()
