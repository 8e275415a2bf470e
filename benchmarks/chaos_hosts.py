# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers that are processes are killed, stopped, cut off and misled while jobs run; each round is checked.

``python -m benchmarks.chaos_hosts --all-kinds [--rounds 100] [--seed N]``, or ``--kind KIND`` for some. Each
kind has its own instance, and a line when its rounds are over. ``mixed`` takes one of the others by chance in
each round. Those of a network put each broker on a host of its own, a network namespace; they and
``full-disk`` need root. A problem is printed with what led to it, and ends the instance; the next round
begins with another one. Exits with 1 if a job was lost or ran twice, a request got no answer, a process or an
allocation was left over, or brokers do not agree.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

from rosin.testing import hostnet
from rosin.testing.chaos.hosts import NETWORK_FAULTS, PRIVILEGED, PROCESS_FAULTS, HostChaos

KINDS = (*PROCESS_FAULTS, *NETWORK_FAULTS)


class Tally(NamedTuple):
    """What has become of the rounds of one kind."""

    kind: str
    rounds: int
    problems: int
    jobs: int
    seconds: float
    #: How long it took at most until what was left took a job.
    slowest: float
    ended: Counter[str]
    refused: Counter[str]

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {how}" for how, count in self.ended.most_common())
        return (
            f"{self.kind:<10} {self.rounds:>5} rounds {self.jobs:>6} jobs {self.problems:>3} problems"
            f" {self.seconds / max(self.rounds, 1):>5.1f} s each, of use in {self.slowest:.1f} s ({ended})"
        )


def run(kind: str, args: argparse.Namespace) -> Tally:
    """Live through the rounds of one kind; an instance that has a problem is replaced."""
    began, rounds, problems, jobs, slowest = time.monotonic(), 0, 0, 0, 0.0
    ended, refused = Counter[str](), Counter[str]()
    kinds = [each for each in args.possible if each != "nothing"] if kind == "mixed" else [kind]
    while rounds < args.rounds:
        seed = args.seed + rounds
        with (
            tempfile.TemporaryDirectory(prefix="rosin-chaos-") as directory,
            HostChaos(seed, directory, args.parents, kinds, args.jobs) as chaos,
        ):
            while rounds < args.rounds and not chaos.problems:
                before = time.monotonic()
                chaos.round()
                rounds += 1
                if args.verbose:
                    print(
                        f"{kind:<10} {rounds:>5} {time.monotonic() - before:5.1f} s  {chaos.did}", flush=True
                    )
            if chaos.problems:
                problems += 1
                _tell(kind, rounds, chaos)
        jobs += chaos.over
        slowest = max(slowest, chaos.slowest)
        ended += chaos.ended
        refused += chaos.refused
    return Tally(kind, rounds, problems, jobs, time.monotonic() - began, slowest, ended, refused)


def _tell(kind: str, rounds: int, chaos: HostChaos) -> None:
    lines = [f"{kind}, round {rounds}, seed {chaos.seed}: {chaos.did}", *map(str, chaos.problems)]
    for rank in chaos.all:
        lines += [f"rank {rank}: {line}" for line in chaos.cluster.said(rank).splitlines()[-12:]]
    print("\n  ".join(lines), flush=True)


def main() -> int:
    """Run the rounds; print a line for each kind."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos_hosts", description=__doc__.split("\n")[0]
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all-kinds", action="store_true", help="all that can be done here")
    which.add_argument(
        "--kind", action="append", choices=(*KINDS, "mixed"), help="may be given several times"
    )
    parser.add_argument("--rounds", type=int, default=100, help="how many of each kind")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    parser.add_argument("--jobs", type=int, default=8, help="jobs submitted in each round before its fault")
    parser.add_argument("--parents", default="0,0,1,1", help="the ranks above ranks 1, 2, ...")
    parser.add_argument("--at-once", type=int, default=2, help="how many instances there are at one time")
    parser.add_argument("--verbose", action="store_true", help="print a line for each round, too")
    args = parser.parse_args()
    args.parents = [int(word) for word in args.parents.split(",")]
    args.possible = [kind for kind in KINDS if kind not in PRIVILEGED or hostnet.possible()]
    kinds = args.kind or [*args.possible, "mixed"]
    if args.seed is None:
        args.seed = random.randrange(1 << 32)
    print(f"seed {args.seed}: {', '.join(kinds)}", flush=True)
    began, bad, refused = time.monotonic(), 0, Counter[str]()
    with ProcessPoolExecutor(args.at_once, max_tasks_per_child=1) as pool:
        try:
            for future in as_completed([pool.submit(run, kind, args) for kind in kinds]):
                tally = future.result()
                print(tally, flush=True)
                bad += tally.problems
                refused += tally.refused
        finally:  # who interrupts it does not want those that have not begun
            pool.shutdown(wait=False, cancel_futures=True)
    print(f"{args.rounds * len(kinds)} rounds in {time.monotonic() - began:.0f} s, {bad} with problems")
    print("; ".join(f"{count} {what}" for what, count in refused.most_common()))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
