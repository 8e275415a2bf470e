# SPDX-License-Identifier: LGPL-3.0-or-later
"""An allreduce over all ranks of the job, and who is where."""

from mpi4py import MPI

world = MPI.COMM_WORLD
total = world.allreduce(world.rank + 1)
assert total == world.size * (world.size + 1) // 2, total
places = world.gather(MPI.Get_processor_name())
if world.rank == 0:
    print(f"{world.size} ranks on {len(set(places))} hosts, sum {total}")
