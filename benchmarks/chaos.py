# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers, links and clocks fail at random under load; check after each round that nothing is lost.

``python -m benchmarks.chaos [--rounds 10000] [--seed N] [--size 7] [--topo kary:2] [--each 25]``. A tree of
brokers in one process, on a network and a clock of its own, lives through ``--each`` rounds, then comes the
next tree. A line for each tree that has a problem says how to repeat it: ``--seed N --rounds EACH``. Exits
with 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

from rosin.testing.chaos import live


def main() -> int:
    """Run the rounds; print the problems, and at the end what has happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000, help="how many rounds in all")
    parser.add_argument("--each", type=int, default=25, help="how many of them a tree lives through")
    parser.add_argument("--seed", type=int, default=None, help="that of the first tree")
    parser.add_argument("--size", type=int, default=7, help="brokers of a tree")
    parser.add_argument("--topo", default="kary:2", help="its shape, as tbon.topo")
    args = parser.parse_args()
    first = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {first}", flush=True)
    began, bad, jobs = time.monotonic(), 0, 0
    faults: Counter[str] = Counter()
    answers: Counter[tuple[str, int]] = Counter()
    for seed in range(first, first + -(-args.rounds // args.each)):
        tree = asyncio.run(live(seed, min(args.each, args.rounds), args.size, args.topo))
        faults += tree.faults
        answers += tree.answers
        jobs += len(tree.jobs)
        if tree.problems:
            bad += 1
            print(f"--seed {seed}: {'; '.join(tree.did)}", flush=True)
            for problem in tree.problems[:10]:
                print(f"  {problem}", flush=True)
    print(
        f"{faults.total()} rounds in {time.monotonic() - began:.0f} s, {jobs} jobs, {bad} trees with problems"
    )
    print(", ".join(f"{kind} {count}" for kind, count in faults.most_common()))
    print(", ".join(f"{what} errno {code}: {count}" for (what, code), count in sorted(answers.items())))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
