# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules in processes of their own (RFC 5): flux-core's beside our broker, ours beside flux-core's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rosin.testing.process import RealInstance


def _loader(path: Path, command: str) -> str:
    path.write_text(f"#!/bin/sh\nexec {command}\n")
    path.chmod(0o755)
    return str(path)


def _modules(flux: str) -> Path:
    done = subprocess.run(
        [flux, "config", "builtin", "module_path"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip().split(":")[0])


def test_their_scheduler_schedules_for_us(flux: str, tmp_path: Path) -> None:
    loader = _loader(tmp_path / "loader", f'{flux} module-python-exec "$@"')
    with RealInstance() as instance:
        assert instance.run("module", "remove", "sched-simple").returncode == 0
        path = str(_modules(flux) / "sched-simple.py")
        done = instance.run("module", "load", "--exec", f"--loader={loader}", path)
        assert (done.returncode, done.stderr) == (0, "")
        assert instance.run("run", "echo", "scheduled").stdout == "scheduled\n"
        assert "feasibility,sched" in instance.run("module", "list").stdout
        assert instance.run("module", "remove", "sched-simple").returncode == 0


def test_their_heart_beats_for_us(flux: str, tmp_path: Path) -> None:
    loader = _loader(tmp_path / "loader", f'{flux} module-exec "$@"')
    with RealInstance() as instance:
        assert instance.run("module", "remove", "heartbeat").returncode == 0
        path = str(_modules(flux) / "heartbeat.so")
        done = instance.run("module", "load", "--exec", f"--loader={loader}", path, "period=0.1s")
        assert (done.returncode, done.stderr) == (0, "")
        assert instance.run("event", "sub", "-c2", "heartbeat.pulse").stdout == "heartbeat.pulse\t\n" * 2
        assert '"period": 0.1' in instance.run("module", "stats", "heartbeat").stdout


def test_our_heart_beats_for_them(flux: str, tmp_path: Path) -> None:
    """Their broker knows loaders of paths alone; ours knows its modules by name."""
    loader = _loader(tmp_path / "loader", f"{sys.executable} -m rosin.broker.modhost.process heartbeat")
    path = _modules(flux) / "heartbeat.so"
    script = (
        f"{flux} module remove heartbeat; {flux} module load --exec --loader={loader} {path};"
        f"{flux} event sub -c2 heartbeat.pulse; {flux} module stats heartbeat; {flux} module remove heartbeat"
    )
    done = subprocess.run(
        [flux, "start", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("heartbeat.pulse\t\n" * 2)
    assert '"warn_thresh": 3' in done.stdout
