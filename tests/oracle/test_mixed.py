# SPDX-License-Identifier: LGPL-3.0-or-later
"""Trees of Rosin's and flux-core's brokers, by PMI: one is put in the other's place with ``--wrap``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_WRAPPER = """#!/bin/sh
test "$PMI_RANK" = {rank} || exec "$@"
until case "$1" in broker | */flux-broker) true ;; *) false ;; esac; do shift; done
shift
exec {broker} "$@"
"""
#: Runs in the instance: everybody is there, runs a command and a task of a job.
_PROGRAM = """
{front} overlay status --summary --wait=full --timeout=60s
{front} exec -r {rank} sh -c 'readlink /proc/$PPID/exe'
{front} run -N{size} --label-io echo here
"""
ROSIN = f"{sys.executable} -m rosin"


def _lines(front, broker, rank, size, tmp_path, *options):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(_WRAPPER.format(rank=rank, broker=broker))
    wrapper.chmod(0o755)
    program = _PROGRAM.format(front=front, rank=rank, size=size)
    result = subprocess.run(
        [*front.split(), "start", f"--test-size={size}", f"--wrap={wrapper}", *options, "sh", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("FLUX_")},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("rank", [1, 4], ids=["interior", "leaf"])
def test_a_broker_of_flux_core_below_one_of_rosin(flux, tmp_path, rank):
    lines = _lines(ROSIN, f"{flux} broker", rank, 5, tmp_path, "-Stbon.topo=kary:2")
    assert lines[0] == "full"
    assert lines[1].endswith("/flux-broker")
    assert sorted(lines[2:]) == [f"{task}: here" for task in range(5)]


@pytest.mark.parametrize("rank", [1, 4], ids=["interior", "leaf"])
def test_a_broker_of_rosin_below_one_of_flux_core(flux, tmp_path, rank):
    lines = _lines(flux, f"{ROSIN} broker", rank, 5, tmp_path, "-Stbon.topo=kary:2")
    assert lines[0] == "full"
    assert "python" in lines[1]
    assert sorted(lines[2:]) == [f"{task}: here" for task in range(5)]
