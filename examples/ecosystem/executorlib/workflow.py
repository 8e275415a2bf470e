# SPDX-License-Identifier: LGPL-3.0-or-later
"""Integrate pi in pieces with executorlib: 16 tasks, a sum that depends on them all, and a failure."""

import os

from executorlib import FluxJobExecutor

PIECES = 16


def piece(index: int, pieces: int) -> float:
    """The midpoint rule over one piece of the interval."""
    steps = 10_000
    low = index / pieces
    return sum(4 / (1 + (low + (k + 0.5) / steps / pieces) ** 2) for k in range(steps)) / steps / pieces


def total(*parts: float) -> float:
    return sum(parts)


def fails() -> None:
    raise ValueError("on purpose")


def main() -> None:
    with FluxJobExecutor(max_cores=os.cpu_count(), resource_dict={"cores": 1}) as executor:
        parts = [executor.submit(piece, index, PIECES) for index in range(PIECES)]
        pi = executor.submit(total, *parts)  # executorlib waits for the futures that it is given
        failed = executor.submit(fails)
        assert abs(pi.result() - 3.14159265) < 1e-6, pi.result()
        assert isinstance(failed.exception(), ValueError)
        print(f"pi = {pi.result():.8f}, and one task failed: {failed.exception()}")


if __name__ == "__main__":
    main()
