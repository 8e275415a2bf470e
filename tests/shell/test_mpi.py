# SPDX-License-Identifier: LGPL-3.0-or-later
"""MPI programs start by themselves: MPICH of Debian and of PyPI, mpi4py, and Slurm's client library.

What of them is not installed is not tried.
"""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

#: MPI without a binding: its handles are numbers in every MPICH. Each task adds its rank.
SUM = """
import ctypes, sys
mpi = ctypes.CDLL(sys.argv[1])
mpi.MPI_Init(None, None)
world, number, plus = 0x44000000, 0x4C000405, 0x58000003
rank, size, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
mpi.MPI_Comm_rank(world, ctypes.byref(rank))
mpi.MPI_Comm_size(world, ctypes.byref(size))
mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(total), 1, number, plus, world)
print(size.value, total.value, flush=True)
mpi.MPI_Finalize()
"""
BOUND = """
from mpi4py import MPI
world = MPI.COMM_WORLD
print(world.size, world.allreduce(world.rank), flush=True)
"""
DEBIAN = ctypes.util.find_library("mpich")
PYPI = Path(sys.prefix, "lib", "libmpi.so.12")
SLURM = ctypes.util.find_library("pmi2")

debian = pytest.mark.skipif(DEBIAN is None, reason="needs the Debian package libmpich12")
pypi = pytest.mark.skipif(not PYPI.exists(), reason="needs the package mpich of PyPI")
bound = pytest.mark.skipif(find_spec("mpi4py") is None or not PYPI.exists(), reason="needs mpich and mpi4py")
slurm = pytest.mark.skipif(SLURM is None, reason="needs the Debian package libpmi2-0")

#: Ways to eight tasks: of one node, and of four; they are more than there are processors.
SHARED = ("-N1", "-o", "per-resource.type=node", "-o", "per-resource.count=8")
SPREAD = ("-N4", "-n8")
PROGRAMS = [
    pytest.param((SUM, str(DEBIAN)), marks=debian, id="debian"),
    pytest.param((SUM, str(PYPI)), marks=pypi, id="pypi"),
    pytest.param((BOUND,), marks=bound, id="mpi4py"),
]


@pytest.fixture(scope="module")
def tree() -> Iterator[RealInstance]:
    """Four brokers of two cores each."""
    fake = ("--conf=fake-resources.nnodes=4", "--conf=fake-resources.cores-per-node=2")
    with RealInstance("-s4", *fake) as instance:
        yield instance


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("how", [SHARED, SPREAD], ids=["one node", "four nodes"])
def test_eight_tasks_find_each_other(
    tree: RealInstance, how: tuple[str, ...], program: tuple[str, ...]
) -> None:
    done = tree.run("run", *how, sys.executable, "-c", *program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "8 28\n" * 8, "")


@slurm
def test_a_library_that_speaks_version_2(tree: RealInstance) -> None:
    done = tree.run("run", *SPREAD, "rosin", "pmi", f"--method=libpmi2:{SLURM}", "exchange")
    assert (done.returncode, done.stderr) == (0, "")
    assert "completed pmi exchange on 8 tasks in " in done.stdout


@bound
def test_a_program_that_aborts_ends_the_job(tree: RealInstance) -> None:
    abort = "from mpi4py import MPI; w = MPI.COMM_WORLD; w.rank == 1 and w.Abort(7); w.barrier()"
    done = tree.run("run", *SPREAD, sys.executable, "-c", abort)
    assert done.returncode in (7, 143)  # that of the task, or of those that were ended for it
    assert "PMI_Abort: " in done.stderr
