# SPDX-License-Identifier: LGPL-3.0-or-later
"""A launcher with processes that stand for brokers."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys

import pytest

from rosin.handle import Flux
from rosin.launch.launcher import withheld

pytestmark = pytest.mark.system


def sleep():
    """Until a signal ends this process."""
    while True:
        signal.pause()


def open_start():
    return Flux(os.environ["FLUX_START_URI"])


def status(h):
    return [entry["pid"] for entry in h.rpc("start.status").get()["procs"]]


# -- exit codes and messages


def test_exit_codes_are_told_and_the_highest_counts(launch):
    assert launch(3, lambda rank, nursery: (0, 4, 2)[rank]) == 4
    assert sorted(re.sub(r"pid \d+", "pid", text) for text in launch.said) == [
        "1 (pid) exited with rc=4",
        "2 (pid) exited with rc=2",
    ]


def test_in_leader_mode_the_leaders_counts(launch):
    assert launch(2, lambda rank, nursery: (3, 4)[rank], exit_mode="leader") == 3


def test_a_signal_is_told_and_counts_as_in_a_shell(launch):
    def become(rank, nursery):
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert launch(1, become) == 137
    assert re.fullmatch(r"0 \(pid \d+\) Killed", launch.said[0])


def test_an_exception_in_a_new_process_stays_there(launch, capfd):
    def become(rank, nursery):
        raise RuntimeError("no broker")

    assert launch(1, become) == 1
    assert "RuntimeError: no broker" in capfd.readouterr().err


# -- the environment of a broker


def test_each_broker_knows_its_place(launch, tmp_path):
    def become(rank, nursery):
        names = ("PMI_RANK", "PMI_SIZE", "FLUX_START_URI")
        (tmp_path / f"env-{rank}").write_text(" ".join(os.environ[name] for name in names))
        assert socket.socket(fileno=int(os.environ["PMI_FD"])).family == socket.AF_UNIX
        return 0

    assert launch(2, become) == 0
    assert (tmp_path / "env-1").read_text() == f"1 2 local://{tmp_path}/start"
    assert "PMI_RANK" not in os.environ


def test_a_broker_may_be_another_program(launch, tmp_path):
    program = "import os, sys; os.fstat(int(os.environ['PMI_FD'])); sys.exit(7)"
    assert launch(1, lambda rank, nursery: os.execv(sys.executable, [sys.executable, "-c", program])) == 7


def test_a_broker_has_none_of_the_launchers_descriptors_and_handlers(launch):
    before = set(os.listdir("/proc/self/fd"))

    def become(rank, nursery):
        fds = set(os.listdir("/proc/self/fd")) - before
        handled = [signum for signum in (signal.SIGTERM, signal.SIGCHLD) if signal.getsignal(signum)]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        # What listdir itself had open, and PMI_FD.
        return 0 if len(fds) <= 2 and not handled and signal.SIGTERM not in blocked else 1

    assert launch(3, become) == 0


def test_there_may_be_more_brokers_than_files_that_may_be_open(tmp_path):
    program = (
        "import resource, sys\n"
        "from rosin.launch.launcher import LocalLauncher, Plan\n"
        "def limit(): return resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "def become(rank, nursery): return 0 if limit() == 64 else 1\n"
        f"code = LocalLauncher(Plan(80, {str(tmp_path)!r}, become), print).run()\n"
        "sys.exit(code or limit() != 64)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


# -- the timer


def test_who_does_not_end_after_another_is_killed(launch):
    assert launch(3, lambda rank, nursery: 0 if rank == 2 else sleep(), exit_timeout=0.05) == 137
    assert "Exit timeout: killed rank 0-1" in launch.said


def test_in_leader_mode_only_the_leaders_end_starts_the_timer(launch):
    def become(rank, nursery):
        if rank:
            return 1
        with open_start() as h:
            assert h.rpc("start.wait", {"rank": 1}).get() == {"exit_rc": 1}
        return 0

    assert launch(2, become, exit_mode="leader", exit_timeout=0.0) == 0


def test_who_ends_in_time_is_not_killed(launch):
    def become(rank, nursery):
        if rank == 0:
            return 0
        with open_start() as h:
            h.rpc("start.wait", {"rank": 0}).get()
        return 0

    assert launch(2, become) == 0
    assert launch.said == []


# -- signals


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_for_the_launcher_is_for_the_leader(launch, signum):
    launcher = os.getpid()

    def become(rank, nursery):
        if rank:
            signal.signal(signum, lambda *_: os._exit(9))
            with open_start() as h:
                h.rpc("start.wait", {"rank": 0}).get()
            return 0
        signal.pthread_sigmask(signal.SIG_BLOCK, [signum])
        os.kill(launcher, signum)
        signal.sigwait([signum])
        return 5

    assert launch(2, become, exit_mode="leader") == 5
    assert launch.said[0].endswith("exited with rc=5")  # the other one hears of it when the leader is gone


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_there_is_anything_ends_the_launcher(launch, tmp_path, signum):
    with withheld():
        signal.raise_signal(signum)  # for this thread: pytest has just started one that blocks nothing yet
        assert launch(2, lambda rank, nursery: 0) == 128 + signum
    assert launch.said == []
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_waited_for_a_leader_is_for_the_others_when_that_is_gone(launch, tmp_path):
    launcher = os.getpid()

    def become(rank, nursery):
        if rank:
            return sleep()
        os.kill(launcher, signal.SIGTERM)
        return sleep()

    assert launch(3, become) == 143
    assert [text.rpartition(") ")[2] for text in launch.said] == ["Terminated"] * 3


def test_ctrl_c_is_left_to_the_brokers(launch):
    launcher = os.getpid()

    def become(rank, nursery):
        os.kill(launcher, signal.SIGINT)
        with open_start() as h:
            return 0 if len(status(h)) == 1 else 1

    assert launch(1, become) == 0


def test_handlers_are_as_before_when_all_is_over(launch):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD)
    assert launch(1, lambda rank, nursery: 0) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD)) == before


def test_brokers_end_when_their_launcher_is_killed(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from rosin.launch.launcher import Plan, LocalLauncher\n"
        "def become(rank, nursery):\n"
        "    print(os.getpid(), flush=True)\n"
        "    while True: signal.pause()\n"
        f"LocalLauncher(Plan(2, {str(tmp_path)!r}, become), print).run()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as launcher:
        pidfds = [os.pidfd_open(int(launcher.stdout.readline())) for _ in range(2)]
        launcher.kill()
        assert launcher.wait() == -9
        poller = select.poll()
        for fd in pidfds:
            poller.register(fd, select.POLLIN)
        while pidfds:
            for fd, _ in poller.poll():
                poller.unregister(fd)
                pidfds.remove(fd)
                os.close(fd)


# -- the start service


def test_status_kill_and_wait(launch):
    def become(rank, nursery):
        if rank:
            return sleep()
        with open_start() as h:
            pids = status(h)
            assert pids[0] == os.getpid()
            waiting = h.rpc("start.wait", {"rank": 1})
            h.rpc("start.kill", {"rank": 1, "signum": 0}).get()
            h.rpc("start.kill", {"rank": 1, "signum": int(signal.SIGKILL)}).get()
            assert waiting.get() == {"exit_rc": 137}
            assert h.rpc("start.wait", {"rank": 1}).get() == {"exit_rc": 137}
            assert status(h) == [os.getpid(), -1]
            h.rpc("start.kill", {"rank": 1, "signum": 15}).get()  # it does not run: nothing to do
        return 0

    assert launch(2, become, exit_mode="leader") == 0


def test_in_leader_start_mode_others_are_run_one_by_one(launch):
    def become(rank, nursery):
        if rank:
            return rank
        with open_start() as h:
            assert status(h) == [os.getpid(), -1, -1]
            h.rpc("start.run", {"rank": 2}).get()
            assert h.rpc("start.wait", {"rank": 2}).get() == {"exit_rc": 2}
            h.rpc("start.run", {"rank": 2}).get()
            assert h.rpc("start.wait", {"rank": 2}).get() == {"exit_rc": 2}
        return 0

    assert launch(3, become, start_mode="leader", exit_mode="leader") == 0
    assert [text.partition(" ")[0] for text in launch.said] == ["2", "2"]


def _errors(h, *requests):
    found = []
    for topic, payload in requests:
        try:
            h.rpc(topic, payload).get()
        except OSError as exc:
            found.append((topic, exc.errno, exc.strerror))
    return found


def test_requests_that_cannot_be_served(launch, tmp_path):
    def become(rank, nursery):
        if rank:
            return sleep()
        with open_start() as h, open_start() as other:
            waiting = other.rpc("start.wait", {"rank": 1})
            status(other)
            found = _errors(
                h,
                ("start.run", {"rank": 1}),
                ("start.wait", {"rank": 1}),
                ("start.wait", {"rank": 2}),
                ("start.kill", {"rank": -1, "signum": 9}),
                ("start.kill", {"rank": 1, "signum": 99}),
                ("start.kill", {"rank": 1}),
                ("start.wait", {"rank": "1"}),
                ("start.nothing", {}),
                ("kvs.lookup", {}),
            )
            h.rpc("start.kill", {"rank": 1, "signum": 9}).get()
            waiting.get()
        (tmp_path / "found").write_text(
            "\n".join(f"{topic} {number} {text}" for topic, number, text in found)
        )
        return 0

    assert launch(2, become, exit_mode="leader") == 0
    assert (tmp_path / "found").read_text().splitlines() == [
        "start.run 17 broker 1 runs already",
        "start.wait 17 somebody waits for broker 1 already",
        "start.wait 3 there is no broker 2: ranks are 0 to 1",
        "start.kill 3 there is no broker -1: ranks are 0 to 1",
        "start.kill 22 99 is not the number of a signal",
        "start.kill 71 payload: missing field 'signum'",
        "start.wait 71 payload: field 'rank': expected an integer, got '1'",
        "start.nothing 38 no service matches start.nothing",
        "kvs.lookup 38 no service matches kvs.lookup",
    ]


def test_who_waits_and_goes_leaves_room_for_another(launch):
    def become(rank, nursery):
        if rank:
            return sleep()
        with open_start() as h:
            h.rpc("start.wait", {"rank": 1})
            status(h)
        with open_start() as h:
            waiting = h.rpc("start.wait", {"rank": 1})
            h.rpc("start.kill", {"rank": 1, "signum": 9}).get()
            assert waiting.get() == {"exit_rc": 137}
        return 0

    assert launch(2, become, exit_mode="leader") == 0


def test_the_socket_goes_with_the_launcher(launch, tmp_path):
    assert launch(1, lambda rank, nursery: 0) == 0
    assert list(tmp_path.iterdir()) == []
