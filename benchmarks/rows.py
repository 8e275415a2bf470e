# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is measured. Each row is a function of a side with a running instance."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

from benchmarks import restart, tree_rows
from benchmarks.side import rate
from rosin import _json
from rosin.constants import FLUX_RPC_STREAMING
from rosin.rfc import sign, treeobj
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.side import Side
    from rosin.handle import Flux


def start(side: Side) -> float:
    """Seconds of ``start true``: an instance comes up, runs one command and goes."""
    return side.run("start", "true")


def submit(side: Side) -> float:
    """Seconds of ``submit true``."""
    return side.run("submit", "true")


def run(side: Side) -> float:
    """Seconds of ``run true``."""
    return side.run("run", "true")


def jobs(side: Side) -> float:
    """Seconds of ``jobs -a -c 20``."""
    return side.run("jobs", "-a", "-c", "20")


def jobs_all(side: Side) -> float:
    """Seconds of ``jobs -a`` with 10,000 jobs."""
    with side.open() as h:
        stats = h.rpc("job-list.job-stats", {}, 0).get()
        missing = 10_000 - int(stats["job_states"]["inactive"])
    if missing > 0:
        _throughput(side, missing, mock=True)
    return side.run("jobs", "-a", "-c", "0")


def _jobspec(mock: bool) -> str:
    spec: dict[str, Any] = build.from_command(["true"], cwd="/tmp")
    spec["attributes"]["system"]["environment"] = {"PATH": "/usr/bin:/bin"}
    if mock:
        build.set_attribute(spec, "system.exec.test.run_duration", "0.001s")
    return _json.dumps(spec).decode()


def _throughput(side: Side, count: int, *, mock: bool) -> float:
    """Jobs per second from the first submission until no job is active."""
    with side.open() as h:
        signed = sign.wrap(_jobspec(mock), h.userid)
        request = _json.dumps({"J": signed, "urgency": 16, "flags": 0}).decode()
        began = time.perf_counter()
        for rpc in [h.rpc("job-ingest.submit", request) for _ in range(count)]:
            rpc.get()
        h.rpc("job-manager.drain", None, 0).get()
        return count / (time.perf_counter() - began)


def mock_jobs(side: Side) -> float:
    """Mock jobs per second."""
    return _throughput(side, 500, mock=True)


def real_jobs(side: Side) -> float:
    """Real jobs (``true``) per second."""
    return _throughput(side, 100, mock=False)


def rpc_single(side: Side) -> float:
    """RPCs per second, one at a time."""
    with side.open() as h:

        def work() -> None:
            for _ in range(2000):
                h.rpc("attr.get", {"name": "size"}).get()

        return rate(2000, work)


def rpc_in_flight(side: Side) -> float:
    """RPCs per second, 5000 in flight."""
    with side.open() as h:

        def work() -> None:
            for rpc in [h.rpc("attr.get", {"name": "size"}) for _ in range(5000)]:
                rpc.get()

        return rate(5000, work)


def _commit(h: Flux, number: int) -> None:
    op = {"key": f"bench.k{number % 50}", "flags": 0, "dirent": treeobj.val(b"%d" % time.time_ns())}
    h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [op]}).get()


def kvs_commits(side: Side) -> float:
    """One-key commits per second, one at a time."""
    with side.open() as h:

        def work() -> None:
            for number in range(500):
                _commit(h, number)

        return rate(500, work)


def kvs_lookups(side: Side) -> float:
    """KVS lookups per second, one at a time."""
    with side.open() as h:
        _commit(h, 0)

        def work() -> None:
            for _ in range(1000):
                h.rpc("kvs.lookup", {"key": "bench.k0", "flags": 0, "namespace": "primary"}).get()

        return rate(1000, work)


def content_store(side: Side) -> float:
    """4 KiB blobs stored per second, in flight."""
    with side.open() as h:
        seed = time.time_ns()
        blobs = [hashlib.sha256(b"%d %d" % (seed, n)).digest() * 128 for n in range(1000)]

        def work() -> None:
            for rpc in [h.rpc("content.store", blob) for blob in blobs]:
                rpc.get_raw()

        return rate(len(blobs), work)


def content_load(side: Side) -> float:
    """4 KiB blobs loaded per second, in flight."""
    with side.open() as h:
        blob = hashlib.sha256(b"%d" % time.time_ns()).digest() * 128
        digest = h.rpc("content.store", blob).get_raw()

        def work() -> None:
            for rpc in [h.rpc("content.load", digest) for _ in range(1000)]:
                rpc.get_raw()

        return rate(1000, work)


def _large_blobs(h: Flux) -> list[bytes]:
    """32 blobs of 1 MiB are stored; their references."""
    return [h.rpc("content.store", os.urandom(1 << 20)).get_raw() for _ in range(32)]


def content_load_large(side: Side) -> float:
    """1 MiB blobs loaded per second, one at a time."""
    with side.open() as h:
        digests = _large_blobs(h)

        def work() -> None:
            for digest in digests:
                h.rpc("content.load", digest).get_raw()

        return rate(len(digests), work)


def content_load_large_in_flight(side: Side) -> float:
    """1 MiB blobs loaded per second, 32 in flight."""
    with side.open() as h:
        digests = _large_blobs(h)

        def work() -> None:
            for rpc in [h.rpc("content.load", digest) for digest in digests]:
                rpc.get_raw()

        return rate(len(digests), work)


def events(side: Side) -> float:
    """Events per second from one publisher to one subscriber."""
    with side.open() as h, side.open() as sender:
        h.event_subscribe("bench.").get()

        def work() -> None:
            for number in range(2000):
                sender.event_send("bench.tick", {"n": number})
            for _ in range(2000):
                h.event_recv()

        return rate(2000, work)


def output(side: Side) -> float:
    """MB/s of 80-byte lines through ``run``."""
    lines = 25_000 if side.name == "flux-core" else 1_000_000
    line = "x" * 79
    command = f'import sys; sys.stdout.write("{line}\\n" * {lines})'
    return lines * 80 / 1e6 / side.run("run", "python3", "-c", command)


def memory(side: Side) -> float:
    """MiB of the broker's processes after 10,000 jobs (run after ``jobs_all``)."""
    return side.memory()


def connections(side: Side) -> float:
    """Connections opened, used for one RPC and closed, per second."""

    def work() -> None:
        for _ in range(300):
            with side.open() as h:
                h.rpc("attr.get", {"name": "rank"}).get()

    return rate(300, work)


def watch_lines(side: Side) -> float:
    """Event-log lines per second that a watcher of a finished job receives."""
    with side.open() as h:
        signed = sign.wrap(_jobspec(True), h.userid)
        jobid = h.rpc("job-ingest.submit", {"J": signed, "urgency": 16, "flags": 0}).get()["id"]
        h.rpc("job-manager.drain", None, 0).get()
        request = {"id": jobid, "path": "eventlog", "flags": 0}
        count = 0
        began = time.perf_counter()
        for _ in range(100):
            count += sum(1 for _ in h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING))
        return count / (time.perf_counter() - began)


#: Row -> (function, True if more is better, the goal as a factor over flux-core, repetitions).
ROWS: dict[str, tuple[Callable[[Side], float], bool, float, int]] = {
    "start": (start, False, 1 / 0.3, 3),
    "start of 4": (tree_rows.start_of(4), False, 2, 3),
    "start of 16": (tree_rows.start_of(16), False, 2, 3),
    "start of 64": (tree_rows.start_of(64), False, 2, 1),
    "submit": (submit, False, 2, 5),
    "run": (run, False, 2, 5),
    "jobs": (jobs, False, 1, 5),
    "RPCs, one at a time": (rpc_single, True, 1, 3),
    "RPCs in flight": (rpc_in_flight, True, 1, 3),
    "connections": (connections, True, 1, 3),
    "KVS commits": (kvs_commits, True, 5, 5),
    "KVS lookups": (kvs_lookups, True, 1, 3),
    "content stores": (content_store, True, 1, 3),
    "content loads": (content_load, True, 1, 3),
    "loads of 1 MiB": (content_load_large, True, 1, 5),
    "loads of 1 MiB in flight": (content_load_large_in_flight, True, 1, 5),
    "event delivery": (events, True, 1, 3),
    "event-log lines": (watch_lines, True, 1, 3),
    "mock jobs": (mock_jobs, True, 3, 3),
    "real jobs": (real_jobs, True, 3, 3),
    "RPCs to rank 3": (tree_rows.rpc_to_3, True, 1, 3),
    "RPCs to rank 3 in flight": (tree_rows.rpc_to_3_in_flight, True, 1, 3),
    "exec on 4": (tree_rows.exec_on_4, False, 1, 5),
    "KVS, leaf to leaf": (tree_rows.kvs_to_another, True, 1, 3),
    "events to 4 brokers": (tree_rows.events_to_all, True, 1, 3),
    "mock jobs on 4": (tree_rows.on_4(mock_jobs), True, 3, 3),
    "real jobs on 4": (tree_rows.on_4(real_jobs), True, 3, 3),
    "run -N4": (tree_rows.run_on_4, False, 1, 5),
    "PMI barriers on 4": (tree_rows.pmi_barriers, True, 1, 3),
    "output": (output, True, 50, 3),
    "jobs -a, 10,000 jobs": (jobs_all, False, 5, 1),
    "memory, 10,000 jobs": (memory, False, 4, 1),
    "restart, 10,000 jobs": (restart.row(10_000), False, 2, 1),
    "memory, 64 brokers": (tree_rows.memory_of(64), False, 1, 1),
}

UNITS = {
    "start": "s",
    "start of 4": "s",
    "start of 16": "s",
    "start of 64": "s",
    "submit": "s",
    "run": "s",
    "run -N4": "s",
    "exec on 4": "s",
    "jobs": "s",
    "jobs -a, 10,000 jobs": "s",
    "memory, 10,000 jobs": "MiB",
    "restart, 10,000 jobs": "s",
    "memory, 64 brokers": "MiB",
    "output": "MB/s",
}
