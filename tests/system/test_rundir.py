# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a killed broker leaves in its rundir does not get in the way of the next one."""

import contextlib
import os
import select
import signal
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


def made_in(path: Path) -> list[str]:
    return [name for name in os.listdir(path) if name.startswith("flux-")]


def broker_pids(instance: RealInstance, size: int) -> list[int]:
    everywhere = ["exec", "-r", "all", *ROSIN] if size > 1 else []
    return [int(pid) for pid in instance.run(*everywhere, "getattr", "broker.pid").stdout.split()]


def gone(pids: list[int]) -> None:
    """Wait until these processes have ended."""
    fds = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            fds.append(os.pidfd_open(pid))
    for fd in fds:
        select.select([fd], [], [])
        os.close(fd)


@pytest.mark.parametrize("size", [1, 3])
def test_brokers_leave_nothing_when_their_launcher_is_killed(tmp_path: Path, size: int) -> None:
    with RealInstance(f"-s{size}", env={"TMPDIR": str(tmp_path)}) as instance:
        pids = broker_pids(instance, size)
        assert len(pids) == size
        assert len(made_in(tmp_path)) == 2
        instance.process.kill()
        instance.process.wait()
        gone(pids)
    assert made_in(tmp_path) == []


@pytest.mark.parametrize("options", [(), ("-s3",)])
def test_the_next_start_removes_what_is_left_when_all_are_killed(tmp_path: Path, options: tuple[str]) -> None:
    env = {"TMPDIR": str(tmp_path)}
    with RealInstance(*options, env=env) as living, RealInstance(*options, env=env) as killed:
        there = made_in(tmp_path)
        pids = broker_pids(killed, 3 if options else 1)
        launcher = killed.process.pid
        os.kill(launcher, signal.SIGSTOP)  # it is to see nothing of this, and nobody its end
        for pid in [*{*pids} - {launcher}, launcher]:
            os.kill(pid, signal.SIGKILL)
        gone(pids)
        left = [name for name in made_in(tmp_path) if name in there]
        assert sorted(left) == sorted(there)
        with RealInstance(*options, "-Slog-stderr-level=6", env=env) as again:
            ours = {name for name in made_in(tmp_path) if name not in there}
            assert len(ours) == 2
            assert again.run("run", "true").returncode == 0
        assert again.stderr.count("its instance was killed") == 2
        assert len(made_in(tmp_path)) == 2
        assert living.run("run", "true").returncode == 0
    assert made_in(tmp_path) == []
