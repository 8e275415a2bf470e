# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers as processes to which something happens, as ``python -m benchmarks.chaos_hosts`` does it."""

import subprocess
import sys
import time

import pytest

from rosin.handle import Flux
from rosin.job.jobid import JobID
from rosin.kvs import PRIMARY, lookup_async
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobpath import job_key
from rosin.testing import hostnet
from rosin.testing.chaos.hosts import HostChaos
from rosin.testing.cluster import MARK

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

namespaces = pytest.mark.skipif(not hostnet.possible(), reason="needs namespaces and TUN devices")


def once(kind, directory):
    """A round of a kind on a chain of three brokers."""
    chaos = HostChaos(1, str(directory), [0, 1], [kind], jobs=4)
    with chaos:
        chaos.round()
        assert chaos.problems == []
        assert chaos.over > 2
    return chaos


@pytest.mark.parametrize("kind", ["interior", "root", "stopped", "revoked"])
def test_a_broker_fails(kind, tmp_path):
    once(kind, tmp_path)


@namespaces
@pytest.mark.parametrize("kind", ["one-way", "rejoin", "full-disk"])
def test_a_host_fails(kind, tmp_path):
    once(kind, tmp_path)


@namespaces
def test_a_silent_connection_is_found_to_be_broken(tmp_path):
    """Nothing passes on it, and the end of the broker below is not heard; no event comes from above."""
    with HostChaos(1, str(tmp_path), [0, 1], ["one-way"], jobs=2) as chaos:
        assert chaos.cluster.up(chaos.all)
        with Flux(chaos.cluster.uri(1)) as h:
            chaos._part({2})
            chaos.cluster.pause(0)
            chaos.cluster.kill(2)

            def noticed():
                return h.rpc("overlay.health", None, 1).get()["children"][0]["status"] == "lost"

            chaos.until("the end of rank 2 is noticed", noticed)
        chaos.cluster.resume(0)
        assert chaos.problems == []


def test_a_clock_steps(tmp_path):
    """That of one host: programs there see it, as does what is asked of its broker."""
    with HostChaos(1, str(tmp_path), [0], ["clock"], jobs=2) as chaos:
        chaos.cluster.strings[0].step(3600)
        assert chaos.cluster.up([0, 1])
        for rank, wrong in ((0, True), (1, False)):
            with Flux(chaos.cluster.uri(rank)) as h:
                assert (float(h.attr_get("broker.starttime")) > time.time() + 3000) is wrong
        chaos.ask(0, 1)
        chaos.collect()
        (jobid,) = chaos.ids
        with Flux(chaos.cluster.uri()) as h:
            text = treeobj.val_data(lookup_async(h, job_key(jobid, "eventlog"), PRIMARY).get()["val"])
        assert all(event.timestamp > time.time() + 3000 for event in eventlog.decode(text))
        chaos.round()
        assert chaos.problems == []


def test_what_is_wrong_is_noticed(tmp_path):
    """Jobs that are lost, ran twice or never, processes, requests and values that are left or lost."""
    with HostChaos(1, str(tmp_path), [0], ["nothing"], jobs=2) as chaos:
        chaos.round()
        assert chaos.problems == []
        with Flux(chaos.cluster.uri()) as h:
            chaos.ask(0, 1)
            chaos.collect()
            ((jobid, tasks),) = chaos.ids.items()
            h.rpc("job-manager.idle", {}).get()
            with open(chaos.runs) as file:
                ran = file.read().splitlines()
            name = str(JobID(jobid))
            with open(chaos.runs, "w") as file:
                file.write("begin x.0\nbegin x.0\n")
                file.writelines(f"{line}\n" for line in ran if name not in line)
            chaos.ids[1234] = 1
            chaos._check_jobs(h)
            assert chaos.problems == [
                "begin x.0: 2 times",
                "job 1234 is lost",
                f"job {jobid} has finished, and tasks {list(range(tasks))} have not",
            ]
            chaos.problems.clear()
            chaos.value = 1_000_000
            chaos._reach(h)
            assert [text.partition(":")[0] for text in chaos.problems] == ["rank 0", "rank 1"]
        mark = {MARK: f"{chaos.cluster.directory}:1"}
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=mark) as stray:
            assert chaos._left() == [f"process {stray.pid} is left: cat "]
            stray.communicate()
        assert chaos._left() == []


@namespaces
def test_packets_are_delayed_and_lost():
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 9), 0.5)"

    def why(network):
        words = ["ip", "netns", "exec", network.namespace(0), sys.executable, "-c", connect]
        done = subprocess.run([*words, hostnet.address(1)], capture_output=True, text=True, check=False)
        return done.stderr.splitlines()[-1].partition(":")[0]

    with hostnet.TunNetwork(2) as network:
        assert why(network) == "ConnectionRefusedError"
        network.loss = {(1, 0): 1.0}
        assert why(network) == "TimeoutError"
        network.heal()
        network.delay = {(0, 1): 0.3, (1, 0): 0.3}
        assert why(network) == "TimeoutError"
        network.heal()
        assert why(network) == "ConnectionRefusedError"
