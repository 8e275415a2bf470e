# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin overlay status and errors of a tree, some of whose brokers stand still or are gone."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from rosin.handle import Flux
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture
def seven() -> Iterator[RealInstance]:
    """Two below each: 3 and 4 are below 1, 5 and 6 below 2."""
    with RealInstance("-s7", "-Stbon.topo=kary:2", "--test-exit-mode=leader") as instance:
        yield instance


def pid(instance: RealInstance, rank: int) -> int:
    with Flux(instance.uri) as h:
        return int(h.rpc("attr.get", {"name": "broker.pid"}, rank).get()["value"])


def status(instance: RealInstance, *options: str) -> list[str]:
    done = instance.run("overlay", "status", *options)
    assert done.stderr == ""
    return [line.replace(socket.gethostname(), "host") for line in done.stdout.splitlines()]


def test_brokers_that_stand_still_are_said_to(seven: RealInstance) -> None:
    assert status(seven, "--timeout=60s", "--no-pretty") == [
        f"{rank} host: full" for rank in (0, 1, 3, 4, 2, 5, 6)
    ]
    stopped = [pid(seven, rank) for rank in (1, 5)]
    for each in stopped:
        os.kill(each, signal.SIGSTOP)
    try:
        shown = status(seven, "--timeout=5s", "-H", "5")
        detailed = status(seven, "--timeout=5s", "-vv", "--no-ghost")
        errors = seven.run("overlay", "errors", "--timeout=5s").stdout.splitlines()
    finally:
        for each in stopped:
            os.kill(each, signal.SIGCONT)
    assert shown == [
        "<<0 host>>: full",
        "├─ 1 host: Connection timed out",
        "│  ├─ 3 host: full",  # as the broker above has it
        "│  └─ 4 host: full",
        "└─ <<2 host>>: full",
        "   ├─ <<5 host>>: full",
        "   └─ 6 host: full",
    ]
    assert [line.partition(" (")[0].partition(" for ")[0] for line in detailed] == [
        "0 host: full",
        "├─ 1 host: Connection timed out",
        "└─ 2 host: full",
        "   ├─ 5 host: Connection timed out",
        "   └─ 6 host: full",
    ]
    assert [line.partition(": ")[2] for line in errors] == ["Connection timed out", "lost parent"]


def test_brokers_that_are_lost_are_said_to_be(seven: RealInstance) -> None:
    killed = pid(seven, 2)
    os.kill(killed, signal.SIGKILL)
    seven.run("overlay", "status", "--wait=degraded", "--timeout=30s")
    assert status(seven, "--timeout=60s", "--down") == [
        "0 host: degraded",
        "└─ 2 host: lost lost connection",
        "   ├─ 5 host: lost",
        "   └─ 6 host: lost",
    ]
    errors = seven.run("overlay", "errors").stdout.splitlines()
    assert [line.partition(": ")[2] for line in errors] == ["lost connection", "lost parent"]
    assert seven.run("overlay", "status", "--rank=2").stderr.endswith("overlay.health: No route to host\n")


def test_a_certificate_is_revoked(seven: RealInstance) -> None:
    """Brokers that have met by a process manager have one each; the parent's list is the one that counts."""
    assert seven.run("overlay", "revoke", "2").stderr == ""
    seven.run("overlay", "status", "--wait=degraded", "--timeout=30s")
    assert status(seven, "--timeout=60s", "--down", "--no-ghost") == [
        "0 host: degraded",
        "└─ 2 host: lost certificate revoked",
    ]
    done = seven.run("overlay", "revoke", "2")
    assert (done.returncode, done.stderr) == (
        1,
        "rosin-overlay: overlay.revoke: Invalid argument: the certificate of rank 2 is not let in\n",
    )
