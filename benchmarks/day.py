# SPDX-License-Identifier: LGPL-3.0-or-later
"""A centre's day in minutes: mixed jobs on an instance that is restarted and killed in between.

``python -m benchmarks.day [--jobs 20000] [--hours 20] [--csv FILE] [--plot docs/images/day.png]``. In each
hour jobs succeed, fail, run out of time, are canceled and wait for others; most are executed inside the
broker, some are processes, and a few are instances with a job of their own. Every fourth hour the instance
ends in order, or is killed, with jobs pending and running. After each hour every job must have ended as it
had to, and what the store holds of purged jobs is reclaimed. Exits with 1 if a job is lost or ends otherwise.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sys
import tempfile
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from benchmarks.day_plot import plot
from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from rosin.handle import Flux
from rosin.job.control import cancel_async
from rosin.job.listing import job_list
from rosin.job.submission import submit_async
from rosin.rfc.jobspec.build import from_command, set_attribute
from rosin.rfc.states import result_name
from rosin.testing.process import RealInstance

if TYPE_CHECKING:
    from collections.abc import Callable

#: More cores than this machine may have, so that mock jobs do not wait for each other.
_CONFIG = """
[resource]
noverify = true
[[resource.config]]
hosts = "{host}"
cores = "0-31"
[job-manager]
inactive-num-limit = {limit}
"""
COLUMNS = ("hour", "jobs", "pss_mb", "fds", "store_mb", "blobs", "seconds", "restart")
#: Hours between restarts; every other one is a kill.
LIFE = 4
#: Kinds of jobs, how many of a thousand, and how they must end.
KINDS = {
    "mock": (600, "COMPLETED"),
    "mock-fails": (100, "FAILED"),
    "mock-times-out": (60, "TIMEOUT"),
    "canceled": (80, "CANCELED"),
    "after": (80, "COMPLETED"),
    "after-failure": (20, "FAILED"),
    "begins-later": (20, "COMPLETED"),
    "process": (25, "COMPLETED"),
    "process-fails": (8, "FAILED"),
    "process-times-out": (4, "TIMEOUT"),
    "process-canceled": (2, "CANCELED"),
    "instance": (1, "COMPLETED"),
}
#: Kinds that wait for another job, and of which kind that is.
_FIRST = {"after": "mock", "after-failure": "mock-fails"}
#: How jobs may end that the end of their broker has interrupted, by what that was, and whether it waits for
#: another, which may be the one that was interrupted.
_INTERRUPTED = {
    ("", False): (),
    ("", True): (),
    ("stop", False): ("CANCELED",),
    ("stop", True): ("CANCELED", "FAILED"),
    ("kill", False): ("FAILED",),
    ("kill", True): ("FAILED",),
}


class Day:
    """The jobs of a day. ``problems``: what went wrong; ``ended``: results by kind."""

    def __init__(self, directory: str, limit: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.config = os.path.join(directory, "day.toml")
        self.state = os.path.join(directory, "state")
        with open(self.config, "w") as file:
            file.write(_CONFIG.format(host=os.uname().nodename, limit=limit))
        self.rows: list[tuple[Any, ...]] = []
        self.problems: list[str] = []
        self.ended: Counter[tuple[str, str]] = Counter()
        self.total = 0
        self.killed = False
        self.expected: dict[int, str] = {}
        self.instance = self._start()

    def _start(self) -> RealInstance:
        instance = RealInstance("-S", f"statedir={self.state}", "-Sstatedir-cleanup=0", "-c", self.config)
        instance.start()
        return instance

    # -- jobs -----------------------------------------------------------------------------------------

    def submit(self, h: Flux, kinds: list[str]) -> None:
        """Submit a job of each kind, and cancel those that are to be."""
        futures = []
        for kind in kinds:
            other = 0
            if kind in _FIRST:  # the one that it waits for
                first = submit_async(h, _mock(2.0, 256 if kind == "after-failure" else 0))
                futures.append((_FIRST[kind], first))
                other = first.get_id()
            futures.append((kind, submit_async(h, _jobspec(kind, other))))
        for kind, future in futures:
            id = future.get_id()
            self.expected[id] = kind
            if kind.endswith("canceled"):
                cancel_async(h, id).get()
        self.total += len(futures)

    def hour(self, number: int, jobs: int) -> None:
        """Submit, restart where it is time for that, wait until all is over, and look."""
        began = time.monotonic()
        weights = [weight for weight, _ in KINDS.values()]
        kinds = self.random.choices(list(KINDS), weights, k=jobs)
        self.expected = {}
        how = ""
        with Flux(self.instance.uri) as h:
            self.submit(h, kinds)
        if number % LIFE == 0:
            how = "kill" if number % (2 * LIFE) == 0 else "stop"
            self._again(how)
        with Flux(self.instance.uri) as h:
            h.rpc("job-manager.queue-start", {"start": True, "all": True}).get()
            h.rpc("job-manager.drain").get()
            self._check(h, how)
        blobs = self._reclaim()
        pss, fds = _usage(self.instance.process.pid)
        store = sum(entry.stat().st_size for entry in os.scandir(self.state) if entry.is_file())
        seconds = round(time.monotonic() - began, 1)
        self.rows.append((number, self.total, pss, fds, round(store / 1e6, 2), blobs, seconds, how))
        print("  ".join(f"{value!s:>9}" for value in self.rows[-1]), flush=True)

    def _again(self, how: str) -> None:
        if how == "kill":
            self.instance.kill()
        elif self.instance.stop(300.0):
            self.problems.append(f"exit code {self.instance.process.returncode}: {self.instance.stderr}")
        self.instance = self._start()

    def _reclaim(self) -> int:
        """Collect garbage; returns how many blobs are left."""
        done = self.instance.run("gc")
        if done.returncode:
            self.problems.append(f"gc: {done.stderr}")
        with Flux(self.instance.uri) as h:
            count: int = h.rpc("content-sqlite.stats-get").get()["object_count"]
        return count

    # -- whether all is well --------------------------------------------------------------------------

    def _check(self, h: Flux, how: str) -> None:
        rows = job_list(h, 0, ["id", "state", "result"], FLUX_USERID_UNKNOWN).get_jobs()
        listed = {row["id"]: row for row in rows}
        for id, kind in self.expected.items():
            row = listed.get(id)
            if row is None or row["state"] != FLUX_JOB_STATE_INACTIVE:
                self.problems.append(f"job {id} ({kind}) is {'lost' if row is None else 'not over'}")
                continue
            found, wanted = result_name(row["result"]), KINDS[kind][1]
            self.ended[kind, found] += 1
            if found != wanted and found not in _INTERRUPTED[how, kind in _FIRST]:
                self.problems.append(f"job {id} ({kind}) has ended as {found}")

    def close(self) -> None:
        """The day is over."""
        if self.instance.stop(300.0):
            self.problems.append(f"exit code {self.instance.process.returncode}: {self.instance.stderr}")


def _mock(seconds: float, status: int = 0, limit: float = 0.0) -> dict[str, Any]:
    spec = from_command(["mock"], duration=limit or None)
    set_attribute(spec, "exec.test", {"run_duration": f"{seconds}s", "wait_status": status})
    return spec


def _process(*command: str, limit: float = 0.0) -> dict[str, Any]:
    return from_command(list(command), duration=limit or None, environment={"PATH": os.environ["PATH"]})


_NESTED = (sys.executable, "-m", "rosin", "start", sys.executable, "-m", "rosin", "run", "true")
_MAKE: dict[str, Callable[[], dict[str, Any]]] = {
    "mock": lambda: _mock(0.01),
    "mock-fails": lambda: _mock(0.01, 256),
    "mock-times-out": lambda: _mock(600, limit=0.2),
    "canceled": lambda: _mock(600),
    "after": lambda: _mock(0.01),
    "after-failure": lambda: _mock(0.01),
    "begins-later": lambda: _mock(0.01),
    "process": lambda: _process("true"),
    "process-fails": lambda: _process("sh", "-c", "exit 3"),
    "process-times-out": lambda: _process("sleep", "600", limit=0.5),
    "process-canceled": lambda: _process("sleep", "600"),
    "instance": lambda: _process(*_NESTED),
}


def _jobspec(kind: str, other: int) -> dict[str, Any]:
    spec = _MAKE[kind]()
    if kind.startswith("after"):
        set_attribute(spec, "dependencies", [{"scheme": "afterok", "value": str(other)}])
    elif kind == "begins-later":
        later = str(time.time() + 0.5)
        set_attribute(spec, "dependencies", [{"scheme": "begin-time", "value": later}])
    return spec


def _usage(pid: int) -> tuple[float, int]:
    """Proportional set size in MB, and open descriptors."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        sizes = {line.split(":")[0]: line.split()[1] for line in file if line.startswith("Pss:")}
    return round(int(sizes["Pss"]) / 1000, 1), len(os.listdir(f"/proc/{pid}/fd"))


def main() -> int:
    """Live through the day; print a line for each hour, and at the end what became of the jobs."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=20_000, help="of the whole day (20000)")
    parser.add_argument("--hours", type=int, default=20, help="parts of it (20)")
    parser.add_argument("--seed", type=int, default=1, help="which jobs there are")
    parser.add_argument("--csv", metavar="FILE", help="write the lines there")
    parser.add_argument("--plot", metavar="FILE", help="draw them there")
    args = parser.parse_args()
    print("  ".join(f"{name:>9}" for name in COLUMNS))
    with tempfile.TemporaryDirectory(prefix="rosin-day-") as directory:
        day = Day(directory, 2 * args.jobs // args.hours, args.seed)
        try:
            for number in range(1, args.hours + 1):
                day.hour(number, args.jobs // args.hours)
        finally:
            day.close()
    for (kind, result), count in sorted(day.ended.items()):
        print(f"{kind:<18} {result:<10} {count:>6}")
    for problem in day.problems[:20]:
        print(problem, file=sys.stderr)
    print(f"{len(day.problems)} problems")
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *day.rows])
    if args.plot:
        plot(day.rows, args.plot)
    return bool(day.problems)


if __name__ == "__main__":
    sys.exit(main())
