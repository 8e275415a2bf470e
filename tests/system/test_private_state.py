# SPDX-License-Identifier: LGPL-3.0-or-later
"""State is its owner's alone, whatever the rundir, the umask and the modes before were."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o770, 0o2775])
def test_the_state_directory_is_private_and_the_other_is_not_touched(tmp_path: Path, mode: int) -> None:
    state, run = tmp_path / "state", tmp_path / "run"
    for path in (state, run):
        path.mkdir()
        path.chmod(mode)
    with RealInstance("-S", f"statedir={state}", "-S", f"rundir={run}") as instance:
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE(run.stat().st_mode) == mode
        log = subprocess.run(
            [sys.executable, "-m", "rosin", "dmesg"],
            env={**os.environ, "FLUX_URI": instance.uri},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert (f"statedir {state} was open to other users" in log) is (mode != 0o700)
    with RealInstance("-S", f"statedir={state}"):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_one_directory_for_both_may_be_open_to_guests_but_its_files_are_not(tmp_path: Path) -> None:
    path = tmp_path / "both"
    path.mkdir()
    path.chmod(0o755)
    mask = os.umask(0)
    try:
        with RealInstance("-S", f"statedir={path}", "-S", f"rundir={path}"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o755
            files = [entry for entry in os.scandir(path) if entry.is_file(follow_symlinks=False)]
            assert len(files) >= 2
            assert {stat.S_IMODE(entry.stat().st_mode) for entry in files} == {0o600}
    finally:
        os.umask(mask)


@pytest.mark.parametrize("kept", ["state", None])
def test_a_new_state_directory_is_private_beside_an_open_rundir(tmp_path: Path, kept: str | None) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o755)
    options = ["-S", f"rundir={run}"] + (["-S", f"statedir={tmp_path}/{kept}"] if kept else [])
    mask = os.umask(0)
    try:
        with RealInstance(*options) as instance, Flux(instance.uri) as h:
            state = Path(h.attr_get("statedir"))
            assert state != run
            assert stat.S_IMODE(state.stat().st_mode) == 0o700
            assert {stat.S_IMODE(entry.stat().st_mode) & 0o077 for entry in os.scandir(state)} == {0}
    finally:
        os.umask(mask)
