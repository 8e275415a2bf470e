# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on several brokers, as their users see them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

NODES = ("-s", "4", "--test-exit-mode=leader")
PMI = """
import os, socket
channel = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw")
def ask(line):
    channel.write(line + "\\n")
    channel.flush()
    return channel.readline().strip()
rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
ask("cmd=init pmi_version=1 pmi_subversion=1")
name = ask("cmd=get_my_kvsname").rpartition("=")[2]
for turn in range(3):
    ask(f"cmd=put kvsname={name} key={turn}.{rank} value={rank}")
    assert ask("cmd=barrier_in") == "cmd=barrier_out rc=0"
    got = [ask(f"cmd=get kvsname={name} key={turn}.{other}") for other in range(size)]
    assert got == [f"cmd=get_result rc=0 value={other}" for other in range(size)]
print(ask(f"cmd=get kvsname={name} key=PMI_process_mapping").rpartition("=")[2])
ask("cmd=finalize")
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[RealInstance]:
    with RealInstance(*NODES) as instance:
        yield instance


def run(nodes: RealInstance, *words: str, **kwargs: object) -> list[str]:
    """The lines that a job writes, in order of their text."""
    done = nodes.run("run", *words, **kwargs)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


def started(nodes: RealInstance, *words: str) -> str:
    """The id of a job whose tasks run."""
    jobid = str(nodes.run("submit", *words).stdout.strip())
    nodes.run("job", "wait-event", "-p", "exec", jobid, "shell.start")
    return jobid


def until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < deadline, "processes of a job are left"
        time.sleep(0.01)


def test_tasks_on_all_nodes(nodes: RealInstance) -> None:
    command = (
        "echo $FLUX_TASK_RANK $FLUX_TASK_LOCAL_ID $FLUX_JOB_NNODES ${FLUX_URI##*-} ${FLUX_JOB_TMPDIR##*/}"
    )
    lines = [line.rpartition("-")[0] for line in run(nodes, "-N4", "-n8", "sh", "-c", command)]
    assert lines == [f"{rank} {rank % 2} 4 {rank // 2} jobtmp-{rank // 2}" for rank in range(8)]


@pytest.mark.parametrize(
    ("scheme", "places"),
    [("cyclic", "01230123"), ("cyclic:2", "00112233"), ("manual:[[3,1,2,1],[0,3,2,1]]", "33001122")],
)
def test_tasks_in_another_order(nodes: RealInstance, scheme: str, places: str) -> None:
    lines = run(
        nodes, "-N4", "-n8", f"--taskmap={scheme}", "sh", "-c", "echo $FLUX_TASK_RANK ${FLUX_URI##*-}"
    )
    assert lines == [f"{rank} {place}" for rank, place in enumerate(places)]


def test_keys_for_everybody(nodes: RealInstance, tmp_path: Path) -> None:
    program = tmp_path / "pmi.py"
    program.write_text(PMI)
    assert run(nodes, "-N4", "-n8", sys.executable, str(program)) == ["(vector,(0,4,2))"] * 8


def test_input_for_some(nodes: RealInstance) -> None:
    assert run(nodes, "-N4", "-n4", "-l", "--input=1,3", "cat", input="a\nb\n") == [
        "1: a",
        "1: b",
        "3: a",
        "3: b",
    ]


def test_output_in_files(nodes: RealInstance, tmp_path: Path) -> None:
    """One file is the leader's to write, whatever node a line is from; others are written where they are."""
    run(nodes, "-N4", "-n4", "-l", f"--output={tmp_path}/all", "sh", "-c", "echo $FLUX_TASK_RANK")
    assert sorted((tmp_path / "all").read_text().splitlines()) == [f"{rank}: {rank}" for rank in range(4)]
    run(nodes, "-N4", "-n4", f"--output={tmp_path}/{{{{node.id}}}}", "sh", "-c", "echo $FLUX_TASK_RANK")
    assert [(tmp_path / str(rank)).read_text() for rank in range(4)] == [f"{rank}\n" for rank in range(4)]


def test_a_terminal_on_another_node(nodes: RealInstance) -> None:
    command = "test -t 0 && echo $FLUX_TASK_RANK; true"
    assert run(nodes, "-N4", "-n4", "-o", "pty.ranks=2", "sh", "-c", command) == ["2"]


def test_a_job_on_one_node_that_is_not_the_first(nodes: RealInstance) -> None:
    done = nodes.run("run", "-n1", "--requires=rank:3", "sh", "-c", "echo ${FLUX_URI##*-}; exit 3")
    assert (done.returncode, done.stdout) == (3, "3\n")


def test_who_looks_into_a_job(nodes: RealInstance) -> None:
    jobid = started(nodes, "-N4", "-n4", "sleep", "1000")
    done = nodes.run("exec", f"--jobid={jobid}", "sh", "-c", "echo $FLUX_JOB_SIZE ${FLUX_URI##*-}")
    assert sorted(done.stdout.splitlines()) == [f"4 {rank}" for rank in range(4)], done.stderr
    pids = [int(pair.rpartition(":")[2]) for pair in nodes.run("job", "hostpids", jobid).stdout.split(",")]
    assert len(set(pids)) == 4
    nodes.run("job", "kill", "-s", "USR1", jobid)
    assert nodes.run("job", "attach", jobid).returncode == 128 + signal.SIGUSR1
    until_gone(pids)


def test_the_first_failure_ends_the_job_on_all_nodes(nodes: RealInstance) -> None:
    done = nodes.run(
        "run",
        "-N4",
        "-n4",
        "-o",
        "exit-on-error",
        "sh",
        "-c",
        "test $FLUX_TASK_RANK = 2 && exit 5; sleep 1000",
    )
    assert done.returncode == 5
    assert "sh: task rank 2 on host" in done.stderr


def test_a_program_that_aborts_on_another_node(nodes: RealInstance) -> None:
    """Its shell fails; the leader does not wait for its tasks."""
    words = "echo cmd=init pmi_version=1 pmi_subversion=1; echo cmd=abort exitcode=7"
    script = f"test $FLUX_TASK_RANK = 3 && {{ {words}; }} >&$PMI_FD; exec sleep 1000"
    done = nodes.run("run", "-N4", "-n4", "bash", "-c", script)
    assert "type=exec severity=0 PMI_Abort: aborted" in done.stderr
    assert done.returncode == 128 + signal.SIGTERM  # of the other tasks; a shell that is killed gives another


def test_an_instance_in_a_job(nodes: RealInstance) -> None:
    rosin = f"{sys.executable} -m rosin"
    script = f"{rosin} getattr jobid-path; {rosin} run -N3 -l sh -c 'echo ${{FLUX_URI##*-}}'"
    options = ["-N3", "--tasks-per-node=1", "-o", "exit-timeout=none"]
    done = nodes.run("run", *options, sys.executable, "-m", "rosin", "broker", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    path, *lines = sorted(done.stdout.splitlines(), key=lambda line: (line[0] != "/", line))
    assert path.startswith("/ƒ")
    assert lines == ["0: 0", "1: 1", "2: 2"]


def test_a_broker_is_killed() -> None:
    """Its jobs end, and say why; what they had on its node is gone; others go on."""
    with RealInstance(*NODES) as nodes:
        wide = started(nodes, "-N4", "-n4", "sleep", "1000")
        alone = started(nodes, "-n1", "--requires=rank:3", "sleep", "1000")
        other = started(nodes, "-n1", "--requires=rank:1", "cat")
        pids = [
            int(pair.rpartition(":")[2])
            for jobid in (wide, alone)
            for pair in nodes.run("job", "hostpids", jobid).stdout.split(",")
        ]
        broker = int(
            nodes.run("exec", "-r", "3", sys.executable, "-m", "rosin", "getattr", "broker.pid").stdout
        )
        os.kill(broker, signal.SIGKILL)
        done = nodes.run("job", "attach", wide)
        assert done.returncode == 128 + signal.SIGTERM
        host = os.uname().nodename
        assert f"exception: node failure on {host} (shell rank 3)" in done.stderr
        assert nodes.run("job", "attach", alone).returncode == 1
        for jobid in (wide, alone):
            log = nodes.run("job", "eventlog", "--format=json", jobid).stdout.splitlines()
            events = {event["name"]: event.get("context") for event in map(json.loads, log)}
            note = {
                "type": "exec",
                "severity": 0,
                "userid": os.getuid(),
                "note": f"node failure on {host} (rank 3)",
            }
            assert events["exception"] == note
            assert events["release"] == {"ranks": "all", "final": True}
        until_gone(pids)
        assert nodes.run("job", "attach", other, input="on\n").stdout == "on\n"
        assert run(nodes, "-N3", "-l", "sh", "-c", "echo ${FLUX_URI##*-}") == ["0: 0", "1: 1", "2: 2"]
