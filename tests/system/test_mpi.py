# SPDX-License-Identifier: LGPL-3.0-or-later
"""An MPI program on several brokers, where there is an MPI library that speaks PMI-1 (mpich)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

PROGRAM = """
#include <mpi.h>
#include <stdio.h>
int main (int argc, char **argv)
{
    int rank, size, sum;
    MPI_Init (&argc, &argv);
    MPI_Comm_rank (MPI_COMM_WORLD, &rank);
    MPI_Comm_size (MPI_COMM_WORLD, &size);
    MPI_Allreduce (&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf ("%d of %d: %d\\n", rank, size, sum);
    return MPI_Finalize ();
}
"""


def test_a_sum_over_all_ranks(tmp_path: Path) -> None:
    compiler = shutil.which("mpicc.mpich") or shutil.which("mpicc")
    if compiler is None:
        pytest.skip("there is no mpicc")
    (tmp_path / "sum.c").write_text(PROGRAM)
    subprocess.run([compiler, "-o", tmp_path / "sum", tmp_path / "sum.c"], check=True)
    with RealInstance("-s", "4") as nodes:
        done = nodes.run("run", "-N4", "-n8", str(tmp_path / "sum"))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{rank} of 8: 28" for rank in range(8)]
