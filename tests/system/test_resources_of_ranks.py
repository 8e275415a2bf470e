# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources of an instance of four brokers, each a process: on each rank, after a loss, in a later run."""

import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

HOSTS = "--test-hosts=n[0-3]"


def rosin(instance: RealInstance, *words: str, rank: int | None = None) -> str:
    """What a command prints, in the environment of the broker of a rank."""
    if rank is not None:
        words = ("exec", "-n", "-r", str(rank), sys.executable, "-m", "rosin", *words)
    done = instance.run(*words)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def drained(instance: RealInstance) -> list[str]:
    return rosin(instance, "resource", "drain", "-n", "-o", "{ranks} {nodelist} {reason}").splitlines()


def until_online(instance: RealInstance, count: int) -> None:
    with Flux(instance.uri) as h:
        h.rpc("resource.monitor-waitup", {"up": count}, nodeid=0).get()


def test_every_rank_tells_the_same() -> None:
    with RealInstance("-s", "4", HOSTS) as four:
        until_online(four, 4)
        rosin(four, "resource", "drain", "n2", "fan", rank=3)
        rosin(four, "resource", "drain", "1", rank=1)
        rosin(four, "resource", "undrain", "n1", rank=2)
        for command in ("list", "status", "info", "R", "drain", "eventlog"):
            assert len({rosin(four, "resource", command, rank=rank) for rank in range(4)}) == 1
        assert drained(four) == ["2 n2 fan"]
        with Flux(four.uri) as h:
            answers = [h.rpc("resource.topo-get", nodeid=rank).get_str() or "" for rank in range(4)]
        assert [f'value="n{rank}"' in answer for rank, answer in enumerate(answers)] == [True] * 4


def test_a_lost_rank_is_gone_at_once() -> None:
    with RealInstance("-s", "4", "-Stbon.topo=kary:2", HOSTS, "--test-exit-timeout=10m") as four:
        until_online(four, 4)
        with Flux(four.uri) as h:
            journal = h.rpc("resource.journal", flags=FLUX_RPC_STREAMING)
            pid = int(rosin(four, "getattr", "broker.pid", rank=1))
            os.kill(pid, signal.SIGKILL)
            lost = (
                event["context"]["idset"] for batch in journal for event in batch["events"] if gone(event)
            )
            assert next(lost) == "1,3"  # rank 3 is below it
            journal.cancel()
        assert (
            rosin(four, "resource", "list", "-n", "-o", "{state}:{nodelist}")
            == "free:n[0,2]\nallocated:\ndown:\n"
        )
        states = rosin(four, "resource", "status", "-n", "-o", "{state}:{nodelist}", "-s", "avail,offline")
        assert states == "avail*:n[1,3]\n"
        assert rosin(four, "run", "-N2", "hostname").count("\n") == 2
        assert four.run("submit", "-N3", "true").returncode == 0
        assert "unsatisfiable" in four.run("job", "attach", rosin(four, "job", "last").strip()).stderr


def gone(event: dict[str, str]) -> bool:
    return event["name"] == "offline"


def test_who_has_less_than_r_says_is_drained(tmp_path: Path) -> None:
    entries = [{"hosts": "n[0-1,3]", "cores": "0"}, {"hosts": "n2", "cores": "0-8191"}]
    path = tmp_path / "conf.json"
    path.write_text(json.dumps({"resource": {"config": entries}}))
    with RealInstance("-s", "4", HOSTS, f"--config-path={path}") as four:
        # The hosts were named in another order: ranks 2 and 3 are not where R has them.
        (missing, other) = sorted(drained(four))
        assert missing.startswith("2 n3 rank 2 got hostname 'n2', expected 'n3'")
        assert other.startswith("3 n2 rank 3 got hostname 'n3', expected 'n2'")
    entries[:] = [{"hosts": "n[0-3]", "cores": "0"}, {"hosts": "n2", "cores": "1-8191"}]
    path.write_text(json.dumps({"resource": {"config": entries}}))
    with RealInstance("-s", "4", HOSTS, f"--config-path={path}") as four:
        (line,) = drained(four)
        assert line.startswith("2 n2 rank 2 (n2) missing resources: core[")
        assert rosin(four, "run", "-N3", "hostname").count("\n") == 3


@pytest.mark.parametrize(
    ("hosts", "method", "down"),
    [
        ("n[3,1,0,2]", "kvs", ["0 n3 disk", "1 n1 fan"]),
        ("n[0-1]", "dynamic-discovery", ["1 n1 fan"]),
        ("n[2-6]", "dynamic-discovery", ["1 n3 disk"]),
    ],
)
def test_it_starts_again_on_other_ranks(tmp_path: Path, hosts: str, method: str, down: Iterable[str]) -> None:
    state = f"-Sstatedir={tmp_path}"
    with RealInstance("-s", "4", HOSTS, state) as four:
        rosin(four, "resource", "drain", "n1", "fan")
        rosin(four, "resource", "drain", "3", "disk")
    size = {"n[0-1]": "2", "n[2-6]": "5"}.get(hosts, "4")
    with RealInstance("-s", size, f"--test-hosts={hosts}", state) as again:
        until_online(again, int(size))
        with Flux(again.uri) as h:
            h.rpc("sched.resource-status").get()  # what is discovered is known
            answer = h.rpc("resource.get", nodeid=0).get()
        assert answer["method"] == method
        assert answer["R"]["execution"]["nodelist"] == [hosts]
        assert drained(again) == list(down)
        names = [line.split()[1] for line in rosin(again, "resource", "eventlog").splitlines()]
        assert names[:2] == ["drain", "drain"]  # of the time before
        assert names.count("resource-define") == 1
