# SPDX-License-Identifier: LGPL-3.0-or-later
"""Python functions as jobs: pi by chance, with progress, and a call that fails.

rosin start python examples/functions.py
"""

import random

from rosin.executor import JobExecutor, JobFuture, progress


def hits(samples: int, seed: int) -> int:
    """How many of so many random points are within the circle."""
    chance, found = random.Random(seed), 0
    for sample in range(samples):
        found += chance.random() ** 2 + chance.random() ** 2 < 1
        progress(sample + 1, samples)
    return found


def show(future: JobFuture[int]) -> None:
    """Print how far a call is."""
    if future.progress is not None:
        print(f"{future.progress.fraction:.0%}")


def main() -> None:
    with JobExecutor(cores_per_task=1, duration="5m") as executor:
        one = executor.submit(hits, 1_000_000, 0)
        one.add_progress_callback(show)
        four = list(executor.map(hits, [250_000] * 4, range(1, 5), chunksize=2))
        print(f"1000000 samples: {4e-6 * one.result():.2f}")
        print(f"pi is about {4 * (one.result() + sum(four)) / 2e6:.3f}")
        failed = executor.submit(divmod, 1, 0)
        print(type(failed.exception()).__name__)


if __name__ == "__main__":
    main()
