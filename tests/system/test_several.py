# SPDX-License-Identifier: LGPL-3.0-or-later
"""Several brokers of one instance on this machine, in processes that a launcher has forked."""

from __future__ import annotations

import os
import signal
import stat
import sys

import pytest

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.process.platform import children
from rosin.testing.process import RealInstance, processes_with, wait_until_gone

pytestmark = pytest.mark.system

#: A command that is found without a PATH.
ROSIN = (sys.executable, "-m", "rosin")
MARK = "ROSIN_TEST_SEVERAL"


@pytest.fixture
def marked(tmp_path):
    """A variable by which the processes of an instance are known, and the environment for it."""
    (tmp_path / "tmp").mkdir()
    value = f"{os.getpid()}-{tmp_path.name}"
    return f"{MARK}={value}", {MARK: value, "TMPDIR": str(tmp_path / "tmp")}


def pids(instance, h):
    """The process ids of the brokers."""
    return [int(h.rpc("attr.get", {"name": "broker.pid"}, rank).get()["value"]) for rank in range(3)]


@pytest.fixture(scope="module")
def three():
    with RealInstance("-s3", "--test-exit-mode=leader") as instance:
        yield instance


def test_brokers_form_an_instance(three):
    assert three.run("getattr", "size").stdout == "3\n"
    answers = three.run("exec", "-l", *ROSIN, "getattr", "rank").stdout.splitlines()
    assert sorted(answers) == ["0: 0", "1: 1", "2: 2"]
    assert three.run("overlay", "status", "--summary").stdout == "full\n"


def test_they_are_forks_of_the_launcher(three):
    with Flux(three.uri) as h:
        assert set(pids(three, h)) <= set(children(three.process.pid))


def test_jobs_run_on_all_of_them(three):
    result = three.run("run", "-N3", "--label-io", *ROSIN, "getattr", "rank")
    assert sorted(result.stdout.splitlines()) == ["0: 0", "1: 1", "2: 2"], result.stderr


def test_only_who_needs_a_zygote_has_one():
    with RealInstance("-s3") as instance:
        assert instance.run("exec", "-r0,2", "true").returncode == 0
        assert len(children(instance.process.pid)) == 3 + 2
        assert instance.run("exec", "true").returncode == 0
        assert len(children(instance.process.pid)) == 3 + 3


def test_the_exit_code_is_that_of_the_initial_program():
    with RealInstance("-s2") as instance:
        assert instance.run("shutdown", "--background").returncode == 0
        code = instance.wait()
    assert code == 129  # hung up
    assert "rosin-start: 0 (pid" in instance.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_launcher_ends_the_instance_in_good_order(tmp_path, signum):
    with RealInstance("-s3", env={"TMPDIR": str(tmp_path)}) as instance:
        instance.process.send_signal(signum)
        code = instance.wait()
    assert code == 128 + signal.SIGHUP  # how the initial program has ended
    assert "Exit timeout" not in instance.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_outlives_a_launcher_that_is_killed(marked):
    variable, env = marked
    with RealInstance("-s3", env=env) as instance:
        assert instance.run("submit", "-N3", "sleep", "1000").returncode == 0
        instance.kill()
        assert wait_until_gone(variable) == []


def test_a_broker_that_is_killed_is_told_and_the_others_go_on(marked):
    variable, env = marked
    with RealInstance("-s3", "--test-exit-mode=leader", env=env) as instance:
        with Flux(instance.uri) as h:
            victim = pids(instance, h)[2]
            online = h.rpc("groups.get", {"name": "broker.online"}, flags=FLUX_RPC_STREAMING)
            assert online.get()["members"] == "0-2"
            os.kill(victim, signal.SIGKILL)
            online.reset()
            while online.get()["members"] != "0-1":
                online.reset()
        assert instance.run("exec", "-r0-1", "true").returncode == 0
        assert instance.stop() == 0
    assert f"rosin-start: 2 (pid {victim}) Killed" in instance.stderr
    assert processes_with(variable) == []


def test_others_are_killed_in_time_when_one_is_gone(marked):
    variable, env = marked
    with RealInstance("-s3", "--test-exit-timeout=0.1s", env=env) as instance:
        with Flux(instance.uri) as h:
            victim = pids(instance, h)[1]
        os.kill(victim, signal.SIGKILL)
        assert instance.wait() == 137
    assert "rosin-start: Exit timeout: killed rank 0,2" in instance.stderr
    assert processes_with(variable) == []
    assert os.listdir(env["TMPDIR"]) == []


def test_ctrl_c_is_for_the_leader_to_deal_with():
    with RealInstance("-s3", "--test-exit-mode=leader") as instance:
        with Flux(instance.uri) as h:
            for pid in pids(instance, h)[1:]:
                os.kill(pid, signal.SIGINT)
        assert instance.run("exec", "true").returncode == 0
        assert instance.stop() == 0


def test_a_wrapper_decides_by_rank_what_is_executed(tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\ntest "$PMI_RANK" = 1 && set -- "$@" -Stest.wrapped=1\nexec "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    with RealInstance("-s2", f"--wrap={wrapper}") as instance:
        result = instance.run("exec", "-r1", *ROSIN, "getattr", "test.wrapped")
        assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr
        assert instance.run("getattr", "test.wrapped").returncode == 1


@pytest.fixture
def configured(tmp_path):
    """Options of brokers that find each other by a configuration file, so that one may come again."""
    BrokerCertificate.generate().write(tmp_path / "cert")
    (tmp_path / "boot.toml").write_text(
        f'[bootstrap]\ncurve_cert = "{tmp_path}/cert"\nhosts = [{{ host = "fake[0-2]" }}]\n'
        f'default_bind = "ipc://{tmp_path}/tbon-%h"\ndefault_connect = "ipc://{tmp_path}/tbon-%h"\n'
        "[resource]\nnoverify = true\n"
    )
    return (
        f"--config-path={tmp_path}/boot.toml",
        "-s3",
        "--test-hosts=fake[0-2]",
        "--test-exit-mode=leader",
    )


def start_uri(instance):
    return f"local://{os.path.dirname(instance.uri.removeprefix('local://'))}/start"


def test_a_broker_that_was_killed_comes_again(configured):
    with RealInstance(*configured) as instance, Flux(start_uri(instance)) as start:
        start.rpc("start.kill", {"rank": 1, "signum": 9}).get()
        assert start.rpc("start.wait", {"rank": 1}).get() == {"exit_rc": 137}
        start.rpc("start.run", {"rank": 1}).get()
        assert (
            instance.run("overlay", "status", "--summary", "--wait=full", "--timeout=30s").stdout == "full\n"
        )
        assert instance.run("exec", "-r1", *ROSIN, "getattr", "hostname").stdout == "fake1\n"


def test_only_the_leader_is_started_and_others_join_later(configured):
    options = ("--test-start-mode=leader", "-Sbroker.quorum=1")
    with RealInstance(*configured, *options) as instance, Flux(start_uri(instance)) as start:
        assert instance.run("overlay", "status", "--summary").stdout == "partial\n"
        for rank in (1, 2):
            start.rpc("start.run", {"rank": rank}).get()
        assert (
            instance.run("overlay", "status", "--summary", "--wait=full", "--timeout=30s").stdout == "full\n"
        )
        assert instance.run("run", "-N3", "true").returncode == 0
