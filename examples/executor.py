# SPDX-License-Identifier: LGPL-3.0-or-later
"""FluxExecutor: jobs as concurrent.futures, in the order in which they end.

rosin start python examples/executor.py
"""

from concurrent.futures import as_completed

from rosin.job import FluxExecutor, JobspecV1


def main() -> None:
    with FluxExecutor() as executor:
        futures = {
            executor.submit(JobspecV1.from_command(["sh", "-c", f"exit {code}"])): code
            for code in (0, 1, 2, 3)
        }
        for future in as_completed(futures):
            print(f"{future.jobid().f58}: asked for {futures[future]}, returned {future.result()}")  # type: ignore[attr-defined, index]


if __name__ == "__main__":
    main()
