# SPDX-License-Identifier: LGPL-3.0-or-later
"""Kill the broker at random moments while jobs are submitted; check after each restart what became of them.

``python -m benchmarks.crash [--rounds 20] [--jobs 2000] [--seed N] [--keep DIRECTORY]``. Exits with 1 if a
job was lost, ran twice, ended without a reason on record, or left a process behind.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time

from rosin.testing.crash import CrashTest

_HEAD = ("round", "returned", "on record", "cut short", "restart s", "orphans s", "round s", "problems")


def main() -> int:
    """Run the rounds and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="how often the broker is killed")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs submitted in each round")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of an earlier run")
    parser.add_argument("--keep", metavar="DIRECTORY", help="use this directory and leave it behind")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    moments = random.Random(seed)
    print(f"seed {seed}")
    print(" ".join(f"{title:>9}" for title in _HEAD))
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rosin-crash-") as directory:
        crash = CrashTest(args.keep or directory)
        for number in range(1, args.rounds + 1):
            began = time.monotonic()
            result = crash.round(
                args.jobs, moments.randint(1, args.jobs), moments.choice((0.0, moments.random()))
            )
            row = (
                number,
                len(result.returned),
                result.stored,
                result.interrupted,
                f"{result.restart_seconds:.2f}",
                f"{result.orphan_seconds:.2f}",
                f"{time.monotonic() - began:.1f}",
                len(result.problems),
            )
            print(" ".join(f"{value:>9}" for value in row), flush=True)
            for problem in result.problems[:10]:
                print(f"  {problem}", file=sys.stderr)
            problems += result.problems
        print(f"{len(crash.ids)} ids were returned; {len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
