# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rows of instances of several brokers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.side import rate
from rosin.rfc import treeobj

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.side import Side
    from rosin.handle import Flux


def start_of(size: int) -> Callable[[Side], float]:
    """Seconds until an instance of so many brokers has come up, run one command and gone."""
    return lambda side: side.run("start", f"--test-size={size}", "true")


def memory_of(size: int) -> Callable[[Side], float]:
    """MiB of an instance of so many brokers that has just come up."""
    return lambda side: side.of(size).memory()


def on_4(row: Callable[[Side], float]) -> Callable[[Side], float]:
    """A row in an instance of 4 brokers."""
    return lambda side: row(side.of(4))


def run_on_4(side: Side) -> float:
    """Seconds of ``run -N4 true``."""
    return side.of(4).run("run", "-N4", "true")


#: Enters so many barriers, as an MPI program does that exchanges its addresses.
_BARRIERS = """
import os, socket, sys
channel = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw")
def ask(line):
    channel.write(line + "\\n")
    channel.flush()
    return channel.readline()
ask("cmd=init pmi_version=1 pmi_subversion=1")
name = ask("cmd=get_my_kvsname").rpartition("=")[2].strip()
for number in range(int(sys.argv[1])):
    ask(f"cmd=put kvsname={name} key={number}.{os.environ['PMI_RANK']} value=x")
    ask("cmd=barrier_in")
ask("cmd=finalize")
"""


def pmi_barriers(side: Side) -> float:
    """PMI barriers per second of a job with a task, which puts a key, on each of 4 brokers."""
    count = 1000
    return count / side.of(4).run("run", "-N4", sys.executable, "-c", _BARRIERS, str(count))


def rpc_to_3(side: Side) -> float:
    """RPCs per second from rank 0 of 4 to the last, one at a time."""
    with side.of(4).open() as h:

        def work() -> None:
            for _ in range(1000):
                h.rpc("broker.ping", {"seq": 0, "pad": ""}, 3).get()

        return rate(1000, work)


def rpc_to_3_in_flight(side: Side) -> float:
    """RPCs per second from rank 0 of 4 to the last, 2000 in flight."""
    with side.of(4).open() as h:

        def work() -> None:
            for rpc in [h.rpc("broker.ping", {"seq": 0, "pad": ""}, 3) for _ in range(2000)]:
                rpc.get()

        return rate(2000, work)


def exec_on_4(side: Side) -> float:
    """Seconds of ``exec true`` on each of 4 brokers."""
    return side.of(4).run("exec", "true")


def _seen(h: Flux, lookup: dict[str, Any], data: Any) -> bool:
    """Whether a broker has the value yet: flux-core's answer to a commit may precede its new root."""
    try:
        return bool(h.rpc("kvs.lookup", lookup).get()["val"] == data)
    except FileNotFoundError:
        return False


def kvs_to_another(side: Side) -> float:
    """Commits on one leaf of 4 brokers per second, one at a time, each seen on another before the next."""
    there = side.of(4)
    with there.open(3) as h, there.open(1) as reader:

        def work() -> None:
            lookup = {"key": "bench.seen", "flags": 0, "namespace": "primary"}
            for number in range(300):
                data = treeobj.val(b"%d" % number)
                ops = [{"key": "bench.seen", "flags": 0, "dirent": data}]
                h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}).get()
                while not _seen(reader, lookup, data):
                    pass

        return rate(300, work)


def events_to_all(side: Side) -> float:
    """Events per second from one publisher to a subscriber on each of 4 brokers."""
    there = side.of(4)
    with ExitStack() as stack:
        handles = [stack.enter_context(there.open(rank)) for rank in range(4)]
        for h in handles:
            h.event_subscribe("bench.").get()

        def work() -> None:
            for number in range(1000):
                handles[3].event_send("bench.tick", {"n": number})
            for h in handles:
                for _ in range(1000):
                    h.event_recv()

        return rate(1000, work)
