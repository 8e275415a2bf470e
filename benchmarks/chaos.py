# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers, links, clocks and a disk fail by seed under load; check after each round that nothing is lost.

``python -m benchmarks.chaos [--rounds 10000] [--seed N] [--size 7] [--topo kary:2] [--each 25]``. A tree of
brokers in one process, on a network and a clock of its own, lives through ``--each`` rounds, then comes the
next tree. In each round one of all kinds of faults happens; with ``--all-kinds`` or ``--kind KIND`` there are
``--rounds`` of each kind alone, and a line for it. A line for each tree that has a problem says how to repeat
it: ``--seed N --rounds EACH``. Exits with 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from rosin.testing.chaos import FAULTS, live

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tally:
    """What has become of the rounds of some kinds."""

    def __init__(self) -> None:
        self.bad = self.jobs = 0
        self.faults: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()
        self._began = time.monotonic()

    def run(self, kinds: Sequence[str], first: int, args: argparse.Namespace) -> None:
        """Live through the rounds, in as many trees as that takes."""
        left = args.rounds
        for seed in range(first, first + -(-args.rounds // args.each)):
            tree = asyncio.run(live(seed, min(args.each, left), args.size, args.topo, kinds))
            left -= args.each
            self.faults += tree.faults
            self.answers += tree.answers
            self.jobs += len(tree.jobs)
            if tree.problems:
                self.bad += 1
                only = f" --kind {kinds[0]}" if len(kinds) == 1 else ""
                print(f"--seed {seed}{only}: {'; '.join(tree.did)}", flush=True)
                for problem in tree.problems[:10]:
                    print(f"  {problem}", flush=True)

    def __str__(self) -> str:
        rounds, seconds = self.faults.total(), time.monotonic() - self._began
        return f"{rounds:>6} rounds in {seconds:.0f} s, {self.jobs} jobs, {self.bad} trees with problems"


def main() -> int:
    """Run the rounds; print the problems, and at the end what has happened."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000, help="how many rounds in all, or of each kind")
    parser.add_argument("--each", type=int, default=25, help="how many of them a tree lives through")
    parser.add_argument("--seed", type=int, default=None, help="that of the first tree")
    parser.add_argument("--size", type=int, default=7, help="brokers of a tree")
    parser.add_argument("--topo", default="kary:2", help="its shape, as tbon.topo")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all-kinds", action="store_true", help="each kind alone")
    which.add_argument(
        "--kind", action="append", choices=list(FAULTS), help="alone; several times for several"
    )
    args = parser.parse_args()
    first = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {first}", flush=True)
    alone = list(FAULTS) if args.all_kinds else args.kind or []
    bad = 0
    for kinds in [[kind] for kind in alone] or [list(FAULTS)]:
        tally = Tally()
        tally.run(kinds, first, args)
        print(f"{kinds[0]:<11}{tally}" if alone else tally, flush=True)
        bad += tally.bad
        if not alone:
            print(", ".join(f"{kind} {count}" for kind, count in tally.faults.most_common()))
            counts = sorted(tally.answers.items())
            print(", ".join(f"{what} errno {code}: {count}" for (what, code), count in counts))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
