# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.bulk [--jobs N] [--flux PATH] [--hyperqueue PYTHON]``: many jobs from one command.

``submit --cc`` and ``bulksubmit`` with ``--wait``, from the command's start to its end, in jobs a second;
with HyperQueue beside them where it is installed (``pip install hyperqueue``, in an environment of its own
perhaps, whose Python ``--hyperqueue`` names): a local cluster and one job of as many tasks.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.side import Side

if TYPE_CHECKING:
    from collections.abc import Callable

#: Programs run before anything is measured.
_WARM = 20

_HYPERQUEUE = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

def run(client, count):
    job = Job()
    for _ in range(count):
        job.program(["true"])
    began = time.perf_counter()
    client.wait_for_jobs([client.submit(job)])
    return count / (time.perf_counter() - began)

warm, count = map(int, sys.argv[1:])
with LocalCluster(worker_config=WorkerConfig()) as cluster:
    client = cluster.client()
    run(client, warm)
    print(run(client, count))
"""


def submit_cc(side: Side, count: int) -> float:
    """Jobs per second of ``submit --cc``."""
    return count / side.run("submit", "--quiet", "--wait", f"--cc=1-{count}", "true")


def bulksubmit(side: Side, count: int) -> float:
    """Jobs per second of ``bulksubmit``, whose commands differ."""
    inputs = [str(number) for number in range(count)]
    return count / side.run("bulksubmit", "--quiet", "--wait", "true", "{}", ":::", *inputs)


def hyperqueue(python: str, count: int) -> float | None:
    """Tasks per second of HyperQueue; None where that Python does not have it."""
    if subprocess.run([python, "-c", "import hyperqueue"], stderr=subprocess.DEVNULL).returncode:
        return None
    with tempfile.TemporaryDirectory(prefix="rosin-hyperqueue-") as directory:
        command = [python, "-c", _HYPERQUEUE, str(_WARM), str(count)]
        done = subprocess.run(
            command, cwd=directory, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    return float(done.stdout.split()[-1])


def rounds(measures: dict[str, Callable[[], float | None]], count: int) -> dict[str, list[float]]:
    """All of them in turn, so many times."""
    found: dict[str, list[float]] = {}
    for _ in range(count):
        for name, measure in measures.items():
            value = measure()
            if value is not None:
                found.setdefault(name, []).append(value)
    return found


def main() -> int:
    """Compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--flux", metavar="PATH", help="the flux command of a flux-core to compare with")
    parser.add_argument("--hyperqueue", metavar="PYTHON", default=sys.executable, help="a Python that has it")
    parser.add_argument("--jobs", metavar="N", type=int, default=300, help="jobs of a command (300)")
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="how often (3)")
    args = parser.parse_args()
    sides = [Side("rosin", str(Path(sys.executable).with_name("rosin")))]
    if args.flux:
        sides.append(Side("flux-core", args.flux))
    measures: dict[str, Callable[[], float | None]] = {}
    for side in sides:
        measures[f"{side.name}, submit --cc"] = partial(submit_cc, side, args.jobs)
        measures[f"{side.name}, bulksubmit"] = partial(bulksubmit, side, args.jobs)
    measures["HyperQueue"] = partial(hyperqueue, args.hyperqueue, args.jobs)
    began = time.perf_counter()
    try:
        for side in sides:
            side.start()
            submit_cc(side, _WARM)
        for name, values in rounds(measures, args.rounds).items():
            print(f"{name:<24} {statistics.median(values):8.1f} jobs/s")
    finally:
        for side in sides:
            side.stop()
    print(f"({time.perf_counter() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
