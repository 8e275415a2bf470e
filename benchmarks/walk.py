# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.walk [--pairs N] [request|commit|job ...]``: what one thing costs its reader.

The files that are entered on the way of one request (a ping of a service), one KVS commit and one job (its
execution is mocked), and how often the way changes from one file to another. All of it happens in one
process: client, broker and services. The numbers say how far apart stands what belongs together. They vary
with what happens to share a turn of the loop and so a commit: shown is the median of several walks.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rosin
from rosin.job.submission import submit_async
from rosin.job.waiting import wait_async
from rosin.kvs import KVSTxn
from rosin.rfc.jobspec.build import from_command, set_attribute
from rosin.testing import Instance, MemoryFlux

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

_SOURCES = f"{Path(rosin.__file__).parent}/"
_TESTING = f"{_SOURCES}testing/"
_MODULES = (
    *("content", "kvs", "kvs-watch", "heartbeat", "resource", "job-manager", "job-info", "job-list"),
    *("job-ingest", "job-exec", "sched-simple"),
)


class Walk:
    """What enters Rosin's files while this is the profiler; ``pairs``: how often from which to which."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self._at = ""

    def __call__(self, frame: FrameType, event: str, _arg: object) -> None:
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(_SOURCES) or path.startswith(_TESTING):
            return
        name = path[len(_SOURCES) :]
        if name != self._at:
            self.files.add(name)
            self.pairs[self._at, name] += 1
            self._at = name

    @property
    def changes(self) -> int:
        """How often the walk came from one file to another, its first included."""
        return self.pairs.total()


async def request(h: MemoryFlux) -> None:
    """Ping a service."""
    await h.rpc("kvs.ping", {"seq": 1})


async def commit(h: MemoryFlux) -> None:
    """Commit one key, two directories deep."""
    txn = KVSTxn(h)
    txn.put("a.b.c", 1)
    await txn.commit_async()


async def job(h: MemoryFlux) -> None:
    """Submit a job whose execution is mocked, and wait for its end."""
    spec: dict[str, Any] = from_command(["true"], duration=0, environment={})
    set_attribute(spec, "system.exec.test.run_duration", "0.001s")
    submitted = await submit_async(h, spec, waitable=True)
    await wait_async(h, submitted["id"])


WALKS: dict[str, Callable[[MemoryFlux], Awaitable[None]]] = {"request": request, "commit": commit, "job": job}


async def walk(*names: str, times: int = 1) -> dict[str, Walk]:
    """Take the walks named, each after one that is not looked at: what is made once is there then.

    Of several *times*, that with the median number of changes is returned.
    """
    walks = {}
    async with Instance(_MODULES, clock="real", config={"resource": {"noverify": True}}) as instance:
        h = await instance.connect()
        for name in names:
            await WALKS[name](h)
            taken = sorted([await _take(WALKS[name], h) for _ in range(times)], key=lambda one: one.changes)
            walks[name] = taken[times // 2]
    return walks


async def _take(way: Callable[[MemoryFlux], Awaitable[None]], h: MemoryFlux) -> Walk:
    found = Walk()
    sys.setprofile(found)
    try:
        await way(h)
    finally:
        sys.setprofile(None)
    return found


def main() -> int:
    """Print a line for each walk, and the pairs of files between which it changes most."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walk", description=__doc__)
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="print the N most frequent changes")
    parser.add_argument(
        "--times", type=int, default=15, metavar="N", help="walks of which the median is shown"
    )
    parser.add_argument("names", nargs="*", metavar="WALK", help=f"only these: {', '.join(WALKS)}")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in WALKS]
    if unknown:
        parser.error(f"no such walk: {', '.join(unknown)}")
    if args.times < 1:
        parser.error("--times: expected a number of 1 or more, such as 15")
    for name, found in asyncio.run(walk(*(args.names or WALKS), times=args.times)).items():
        print(f"{name:<8} {len(found.files):>4} files {found.changes:>6} changes")
        both: Counter[tuple[str, str]] = Counter()
        for (a, b), count in found.pairs.items():
            both[min(a, b), max(a, b)] += count
        for (a, b), count in both.most_common(args.pairs):
            print(f"{count:>14} {a} <> {b}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
