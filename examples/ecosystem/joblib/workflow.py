# SPDX-License-Identifier: LGPL-3.0-or-later
"""Squares with joblib, in jobs: 24 calls, and one that fails."""

import os
import time

import flux_backend  # noqa: F401  # registers the backend
from joblib import Parallel, delayed, parallel_config


def square(number: int) -> tuple[int, str]:
    time.sleep(0.05)
    return number * number, os.environ["FLUX_JOB_ID"]


def main() -> None:
    with parallel_config("flux", n_jobs=-1):
        found = Parallel()(delayed(square)(number) for number in range(24))
        jobs = len({job for _, job in found})
        assert [value for value, _ in found] == [number * number for number in range(24)]
        assert 1 < jobs <= 24, jobs
        try:
            Parallel()(delayed(divmod)(1, number) for number in (1, 0, 2))
        except ZeroDivisionError as exc:
            print(f"24 squares in jobs of joblib, and one call failed: {type(exc).__name__}")


if __name__ == "__main__":
    main()
