# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.restart [--jobs N] [--flux PATH]``: starts of an instance with many old jobs.

The jobs are written into the KVS as they would have left it, through the instance's own commits, so that the
same state is there for both sides. The first start after that has to read them all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.side import Side
from rosin import _json
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rosin.handle import Flux

#: Jobs in one commit.
_BATCH = 500
#: Milliseconds between two jobs.
_GAP = 2


def _values(id: int, number: int) -> dict[str, bytes]:
    """What is in the directory of a job that ran for a moment."""
    began = 1_700_000_000.0 + number * _GAP / 1000
    spec: dict[str, Any] = build.from_command(["true"], cwd="/tmp")
    execution = {
        "R_lite": [{"rank": "0", "children": {"core": str(number % 8)}}],
        "starttime": began,
        "expiration": 0.0,
        "nodelist": ["node0"],
    }
    steps: list[tuple[str, dict[str, Any] | None]] = [
        ("submit", {"userid": os.getuid(), "urgency": 16, "flags": 0, "version": 1}),
        ("validate", None),
        ("depend", None),
        ("priority", {"priority": 16}),
        ("alloc", {"annotations": {"sched": {"resource_summary": f"rank0/core{number % 8}"}}}),
        ("start", None),
        ("finish", {"status": 0}),
        ("release", {"ranks": "all", "final": True}),
        ("free", None),
        ("clean", None),
    ]
    log = "".join(
        eventlog.encode(name, context, began + at / 1000) for at, (name, context) in enumerate(steps)
    )
    R = {"version": 1, "execution": execution}
    return {"jobspec": _json.dumps(spec), "R": _json.dumps(R), "eventlog": log.encode()}


def fill(h: Flux, count: int) -> None:
    """Have *count* jobs in the KVS that are over, :data:`_GAP` milliseconds apart."""
    for first in range(0, count, _BATCH):
        ops = []
        for number in range(first, min(first + _BATCH, count)):
            id = (1_000_000 + number * _GAP) << 24
            entries = {name: treeobj.val(value) for name, value in _values(id, number).items()}
            ops.append({"key": job_key(id), "flags": 0, "dirent": treeobj.dirobj(entries)})
        h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}).get()


def start(side: Side, count: int) -> float:
    """Seconds until an instance on a state directory knows all its *count* jobs."""
    began = time.perf_counter()
    side.start()
    with side.open() as h:
        found = h.rpc("job-list.job-stats", {}, 0).get()["job_states"]["inactive"]
    if found != count:
        raise RuntimeError(f"{side.name}: {found} of {count} jobs came back")
    return time.perf_counter() - began


def settle(side: Side) -> None:
    """Wait until the instance has prepared for its next start, if it does that."""
    with side.open() as h:
        while True:
            stats = h.rpc("job-manager.stats-get", {}, 0).get()
            if stats["inactive_jobs"] - stats.get("archived_jobs", stats["inactive_jobs"]) < 2000:
                return
            time.sleep(0.1)


def restarts(side: Side, count: int) -> Generator[float]:
    """Seconds of one start after the other, with *count* old jobs; the first one has never seen them."""
    with tempfile.TemporaryDirectory(prefix="rosin-restart-") as directory:
        other = Side(side.name, side.command, statedir=directory)
        other.start()
        try:
            with other.open() as h:
                fill(h, count)
            while True:
                other.stop()
                yield start(other, count)
                settle(other)
        finally:
            other.stop()


def row(count: int) -> Callable[[Side], float]:
    """A row: seconds of a start on a state directory that knows *count* old jobs."""

    def measure(side: Side) -> float:
        starts = restarts(side, count)
        next(starts)  # may have to read them all
        seconds = next(starts)
        starts.close()
        return seconds

    return measure


def main() -> int:
    """Compare starts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restart", description=__doc__)
    parser.add_argument("--flux", metavar="PATH", help="the flux command of a flux-core to compare with")
    parser.add_argument("--jobs", metavar="N", type=int, default=100_000, help="old jobs (100,000)")
    args = parser.parse_args()
    sides = [Side("rosin", str(Path(sys.executable).with_name("rosin")))]
    if args.flux:
        sides.append(Side("flux-core", args.flux))
    _json.accelerate()
    for side in sides:
        for name, seconds in zip(("first", "second", "third"), restarts(side, args.jobs), strict=False):
            print(f"{side.name:<10} {name:<7} {seconds:8.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
