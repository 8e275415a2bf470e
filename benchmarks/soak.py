# SPDX-License-Identifier: LGPL-3.0-or-later
"""Memory and descriptors of one broker over many jobs and many client connections.

``python -m benchmarks.soak [--jobs 20000] [--clients 10000] [--csv FILE] [--plot docs/images/soak.png]``.
Most jobs are mock (they run inside the broker), some are real. Each client connects, subscribes, starts
requests that will never be answered, and hangs up without a word. ``--limit`` keeps that many inactive jobs.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from typing import Any

from rosin.constants import FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH, FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.job.submission import submit_async
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance

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
_COLUMNS = ("phase", "count", "pss_mb", "rss_mb", "zygote_mb", "fds", "store_mb")
#: One of so many jobs is real.
REAL_EVERY = 50


class Soak:
    """A running instance under measurement. ``rows``: samples in the order of _COLUMNS."""

    def __init__(self, instance: RealInstance, state: str) -> None:
        self.instance = instance
        self.state = state
        self.rows: list[tuple[Any, ...]] = []
        self.zygote = _children(instance.process.pid)[0]

    def sample(self, phase: str, count: int) -> None:
        """Measure now."""
        pid = self.instance.process.pid
        pss, rss = _memory(pid)
        store = sum(entry.stat().st_size for entry in os.scandir(self.state) if entry.is_file())
        fds = len(os.listdir(f"/proc/{pid}/fd"))
        row = (phase, count, pss, rss, _memory(self.zygote)[0], fds, round(store / 1e6, 2))
        self.rows.append(row)
        print("  ".join(f"{value:>9}" for value in row), flush=True)

    def jobs(self, total: int, step: int) -> None:
        """Submit ``total`` jobs, ``step`` at a time, and sample when each batch is over."""
        for done in range(0, total, step):
            with Flux(self.instance.uri) as h:
                futures = [submit_async(h, _jobspec(number)) for number in range(done, done + step)]
                for future in futures:
                    future.get_id()
                h.rpc("job-manager.drain").get()
            self.sample("jobs", done + step)

    def clients(self, total: int, step: int) -> None:
        """Connect ``total`` clients one after the other."""
        for number in range(1, total + 1):
            h = Flux(self.instance.uri)
            h.event_subscribe("job-state")
            for topic, payload, flags in _ENDLESS:
                h.rpc(topic, payload, flags=flags)
            h.rpc("attr.get", {"name": "rank"}).get()
            h.close()
            if number % step == 0:
                self.sample("clients", number)


_WATCH = {"key": "no.such.key", "namespace": "primary", "flags": FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE}
_ENDLESS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("kvs-watch.lookup", _WATCH, FLUX_RPC_STREAMING),
    ("kvs.wait-version", {"rootseq": 1 << 40, "namespace": "primary"}, 0),
    ("job-manager.events-journal", {"full": False}, FLUX_RPC_STREAMING),
    ("resource.acquire-watch", {}, FLUX_RPC_STREAMING),
    ("log.dmesg", {"follow": True, "nobacklog": True}, FLUX_RPC_STREAMING),
    ("state-machine.monitor", {"final": 12}, FLUX_RPC_STREAMING),
)


def _jobspec(number: int) -> dict[str, Any]:
    if number % REAL_EVERY == 0:
        return from_command(["true"], environment={"PATH": os.environ["PATH"]})
    jobspec = from_command(["mock", str(number)])
    jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": "0.001s"}}
    return jobspec


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def _memory(pid: int) -> tuple[float, float]:
    """Proportional and resident set size in MB."""
    sizes = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("Pss", "Rss"):
                sizes[name] = round(int(rest.split()[0]) / 1000, 1)
    return sizes["Pss"], sizes["Rss"]


def plot(rows: list[tuple[Any, ...]], path: str) -> None:
    """Draw memory and descriptors over jobs and over connections."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex="col", sharey="row", layout="constrained")
    for column, (phase, label) in enumerate((("jobs", "jobs"), ("clients", "client connections"))):
        part = [row for row in rows if row[0] == phase]
        counts = [row[1] for row in part]
        memory, descriptors = axes[0][column], axes[1][column]
        memory.plot(counts, [row[3] for row in part], label="resident (RSS)", color="#9a9a9a")
        memory.plot(counts, [row[2] for row in part], label="proportional (PSS)", color="#b5541c")
        memory.plot(counts, [row[4] for row in part], label="zygote (PSS)", color="#3a6ea5")
        descriptors.plot(counts, [row[5] for row in part], color="#b5541c")
        descriptors.set_xlabel(label)
        for axis in (memory, descriptors):
            axis.grid(alpha=0.3)
    for row, column in ((0, 3), (1, 5)):
        axes[row][0].set_ylim(0, 1.4 * max(sample[column] for sample in rows))
    axes[0][0].set_ylabel("MB")
    axes[1][0].set_ylabel("open descriptors")
    axes[0][0].legend(loc="upper left", frameon=False)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    figure.savefig(path, dpi=100)


def main() -> int:
    """Run both phases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=20000)
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--samples", type=int, default=40, help="samples in each phase")
    parser.add_argument("--limit", type=int, default=5000, help="inactive jobs that the instance keeps")
    parser.add_argument("--csv", metavar="FILE", help="write the samples there")
    parser.add_argument("--plot", metavar="FILE", help="draw them there")
    args = parser.parse_args()
    print("  ".join(f"{name:>9}" for name in _COLUMNS))
    with tempfile.TemporaryDirectory(prefix="rosin-soak-") as directory:
        config = os.path.join(directory, "soak.toml")
        with open(config, "w") as file:
            file.write(_CONFIG.format(host=os.uname().nodename, limit=args.limit))
        state = os.path.join(directory, "state")
        with RealInstance("-S", f"statedir={state}", "-Sstatedir-cleanup=0", "-c", config) as instance:
            soak = Soak(instance, state)
            soak.sample("start", 0)
            soak.jobs(args.jobs, max(1, args.jobs // args.samples))
            soak.clients(args.clients, max(1, args.clients // args.samples))
        print(instance.stderr, end="", file=sys.stderr)
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *soak.rows])
    if args.plot:
        plot(soak.rows, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
