# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.fuzz [--calls N] [--seed N] [--guest]``: hostile requests to every topic.

Prints what came back, the slowest call and the growth of this process; ends with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

from rosin import _json
from rosin.testing.fuzz import Fuzzer


def resident() -> float:
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Run the fuzzer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, metavar="N", help="requests to send (100000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other requests (0)")
    parser.add_argument("--guest", action="store_true", help="as a guest, not as the instance's owner")
    args = parser.parse_args()
    _json.accelerate()
    fuzzer, began = Fuzzer(args.seed), time.monotonic()
    asyncio.run(fuzzer.run(min(args.calls, 3000), args.guest))
    before = resident()
    asyncio.run(fuzzer.run(args.calls - fuzzer.calls, args.guest))
    took, after = time.monotonic() - began, resident()
    print(f"{fuzzer.calls} calls in {took:.0f} s; {before:.0f} MiB, then {after:.0f} MiB")
    for errnum, count in sorted(fuzzer.answers.items(), key=lambda item: -item[1]):
        text = "no answer yet" if errnum is None else os.strerror(errnum) if errnum else "success"
        print(f"{count:>8}  {text}")
    print(f"slowest: {fuzzer.slowest[0]:.3f} s: {fuzzer.slowest[1]}")
    for fault in fuzzer.faults:
        print(fault, file=sys.stderr)
    return 1 if fuzzer.faults else 0


if __name__ == "__main__":
    sys.exit(main())
