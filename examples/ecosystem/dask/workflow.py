# SPDX-License-Identifier: LGPL-3.0-or-later
"""Integrate pi in pieces with Dask, each in a job: 16 tasks, a sum that depends on them all, a failure."""

import os

import dask

from rosin.executor import JobExecutor

PIECES = 16


@dask.delayed
def piece(index: int) -> tuple[float, str]:
    """The midpoint rule over one piece of the interval, and the job that has done it."""
    steps = 10_000
    low = index / PIECES
    area = sum(4 / (1 + (low + (k + 0.5) / steps / PIECES) ** 2) for k in range(steps)) / steps / PIECES
    return area, os.environ["FLUX_JOB_ID"]


@dask.delayed
def total(parts: list[tuple[float, str]]) -> tuple[float, int]:
    return sum(area for area, _ in parts), len({job for _, job in parts})


@dask.delayed
def fails() -> None:
    raise ValueError("on purpose")


def main() -> None:
    with JobExecutor(cores_per_task=1) as executor, dask.config.set(scheduler=executor, num_workers=4):
        pi, jobs = total([piece(index) for index in range(PIECES)]).compute()
        assert abs(pi - 3.14159265) < 1e-6, pi
        assert jobs == PIECES, jobs
        try:
            fails().compute()
        except ValueError as exc:
            print(f"pi = {pi:.8f} by {jobs} jobs of Dask, and one task failed: {exc}")


if __name__ == "__main__":
    main()
