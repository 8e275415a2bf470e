# SPDX-License-Identifier: LGPL-3.0-or-later
"""Broker processes are killed, stopped and cut off at random while real jobs run; check after each round.

``python -m benchmarks.chaos_hosts [--rounds 100] [--seed N] [--jobs 20] [--parents 0,0,1,1] [KIND ...]``.
The kinds of faults are leaf, interior, root, stopped, full-disk and nothing; partition, one-way, slow and
lossy put each broker on a host of its own, a network namespace. ``full-disk`` and these need root. Exits with
1 if a job was lost or ran twice, a request got no answer, a process or an allocation was left over, or
brokers do not agree.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter

from rosin.testing import hostnet
from rosin.testing.chaos.hosts import NETWORK_FAULTS, PROCESS_FAULTS, HostChaos


def main() -> int:
    """Run the rounds and print a line for each."""
    known = (*PROCESS_FAULTS, *NETWORK_FAULTS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos_hosts", description=__doc__.split("\n")[0]
    )
    parser.add_argument("kinds", metavar="KIND", nargs="*", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--rounds", type=int, default=100, help="how many")
    parser.add_argument("--jobs", type=int, default=20, help="jobs submitted in each before its fault")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    parser.add_argument("--parents", default="0,0,1,1", help="the ranks above ranks 1, 2, ...")
    args = parser.parse_args()
    wrong = sorted(set(args.kinds) - set(known))
    if wrong:
        parser.error(f"KIND: expected one of {', '.join(known)}, got {wrong[0]!r}")
    kinds = args.kinds or [kind for kind in known if hostnet.possible() or kind in PROCESS_FAULTS[:4]]
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}: {', '.join(kinds)}", flush=True)
    faults: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rosin-chaos-") as directory:
        parents = [int(word) for word in args.parents.split(",")]
        chaos = HostChaos(seed, directory, parents, kinds, args.jobs)
        with chaos:
            for number in range(1, args.rounds + 1):
                began = time.monotonic()
                chaos.round()
                faults[chaos.did.split()[0].rstrip(",")] += 1
                print(f"{number:>4} {time.monotonic() - began:6.1f} s  {chaos.did}", flush=True)
                if chaos.problems:
                    break
            if chaos.problems:
                for rank in range(chaos.cluster.size):
                    print(f"rank {rank}: {chaos.cluster.said(rank)[-2000:]}")
    for problem in chaos.problems:
        print(f"  {problem}")
    print(f"{faults.total()} rounds: {dict(faults)}")
    print(f"{len(chaos.ids)} jobs: {dict(chaos.ended)}; {dict(chaos.refused)}")
    return bool(chaos.problems)


if __name__ == "__main__":
    sys.exit(main())
