# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on several nodes go on when one of their brokers is killed, or all are: real brokers in a chain."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen

import pytest

from .kept import ROSIN, WRITER, Tree, check_labelled

pytestmark = pytest.mark.system

HOSTS = "abc"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path, HOSTS, '[exec]\nkill-timeout = "0.2s"\n')
    made.start()
    made.wait()
    yield made
    made.close()


def wait_output(tree: Tree, job: str, match: str, count: int = 1) -> None:
    """Until so many entries of the output have this in them."""
    done = tree.run("job", "wait-event", "-W", "-p", "output", "-c", str(count), "-m", match, job, "data")
    assert done.returncode == 0, done.stderr


def begin(tree: Tree, *options: str) -> str:
    job = tree.submit("-N3", "-n3", *options, sys.executable, "-c", WRITER, f"{tree.path}/end")
    for task in "012":
        wait_output(tree, job, f"rank={task}")
    return job


def finish(tree: Tree, job: str) -> None:
    (tree.path / "end").touch()
    done = tree.run("job", "attach", "-l", job)
    assert done.returncode == 7, done.stderr
    check_labelled(done.stdout, 3)
    assert "exception" not in tree.run("job", "eventlog", job).stdout
    assert tree.run("resource", "list", "-s", "allocated", "-n", "-o", "{nnodes}").stdout == "0\n"


def below(hosts: str) -> str:
    """These, and those that follow them."""
    return HOSTS[min(map(HOSTS.index, hosts)) :]


def restart(tree: Tree, hosts: str) -> None:
    tree.kill(*hosts)
    tree.start(*below(hosts))
    tree.wait()


@pytest.mark.parametrize("hosts", ["c", "b", "a", "abc"], ids=["leaf", "interior", "rank-0", "all"])
def test_brokers_are_killed(tree: Tree, hosts: str) -> None:
    job = begin(tree)
    restart(tree, hosts)
    finish(tree, job)


@pytest.mark.parametrize("seed", range(3))
def test_brokers_are_killed_again_and_again(tree: Tree, seed: int) -> None:
    """Any of them, at any time: while they start, and while shells come back, too."""
    random, job, there = Random(seed), begin(tree), True
    for _ in range(5):
        hosts = "".join(random.sample(HOSTS, random.randint(1, 3)))
        tree.kill(*(hosts if there else below(hosts)))  # who is not there yet does not follow
        tree.start(*below(hosts))
        there = random.random() < 0.6
        if there:
            tree.wait()
        if there and random.random() < 0.5:
            wait_output(tree, job, f"rank={random.randrange(3)}", random.randint(1, 200))
    tree.wait()
    finish(tree, job)


def test_an_instance_of_its_own_goes_on(tree: Tree) -> None:
    """A batch job on all nodes, and a job on all of them in it."""
    script, out = tree.path / "script", tree.path / "out"
    (tree.path / "writer.py").write_text(WRITER)
    os.mkfifo(tree.path / "begun")
    script.write_text(
        "#!/bin/sh\n"
        f"inner=$(rosin submit -N3 -n3 {sys.executable} {tree.path}/writer.py {tree.path}/end)\n"
        f"rosin job wait-event -W -p output $inner data >{tree.path}/begun\n"
        f"rosin job attach -l $inner >{out} 2>/dev/null\n"
        "echo inner $?\n"
        "rosin --parent jobs -n -o {name}\n"
    )
    done = tree.run("batch", "-N3", "-n3", "--output=none", "-o", "output.stdout.type=kvs", str(script))
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    assert (tree.path / "begun").read_text()
    for hosts in ("b", "a"):
        restart(tree, hosts)
    (tree.path / "end").touch()
    done = tree.run("job", "attach", job)
    assert (done.returncode, done.stdout) == (0, "inner 7\nscript\n"), done.stderr
    check_labelled(out.read_text(), 3)


class Attached:
    """Somebody who types into a job."""

    def __init__(self, tree: Tree, job: str) -> None:
        self._process = Popen(
            [*ROSIN, "job", "attach", job], env=tree.env, stdin=PIPE, stdout=PIPE, text=True
        )

    def type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def end(self) -> str:
        return self._process.communicate()[0]


def test_input_and_signals_go_to_all(tree: Tree) -> None:
    """What was sent before is not read again."""
    script = "trap 'echo usr1' USR1; echo begun; while read line || [ $? -gt 128 ]; do echo got $line; done"
    job = tree.submit("-N3", "-n3", "sh", "-c", script)
    wait_output(tree, job, "data=begun\n", 3)
    before = Attached(tree, job)
    before.type("one\n")
    wait_output(tree, job, "data=got one\n", 3)
    restart(tree, "abc")
    before.end()
    restart(tree, "b")
    after = Attached(tree, job)
    after.type("two\n")
    wait_output(tree, job, "data=got two\n", 3)
    after_all = sorted(after.end().split("\n"))
    assert after_all == sorted(["", *(["begun", "got one", "got two"] * 3)])
    assert "exception" not in tree.run("job", "eventlog", job).stdout


@pytest.mark.parametrize("hosts", ["c", "b", "a", "abc"], ids=["leaf", "interior", "rank-0", "all"])
def test_keys_are_exchanged_meanwhile(tree: Tree, hosts: str) -> None:
    """A task waits in a PMI barrier for the others."""
    first = HOSTS.index(hosts[0])
    wait = f"[ $FLUX_TASK_RANK = {first} ] || until [ -e {tree.path}/go ]; do sleep 0.05; done"
    job = tree.submit("-N3", "-n3", "-o", "verbose=2", "sh", "-c", f"{wait}; rosin pmi exchange --count=3")
    entered = f"message={first}: C: cmd=barrier_in"
    done = tree.run("job", "wait-event", "-W", "-p", "output", "-m", entered, job, "log")
    assert done.returncode == 0, done.stderr
    restart(tree, hosts)
    (tree.path / "go").touch()
    done = tree.run("job", "attach", "-q", job)
    assert done.returncode == 0, done.stderr


def test_tasks_that_end_while_there_are_no_brokers(tree: Tree) -> None:
    job = begin(tree)
    tree.kill("a")
    (tree.path / "end").touch()
    tree.start()
    tree.wait()
    finish(tree, job)


def test_a_shell_that_ends_before_the_others(tree: Tree) -> None:
    """Nothing is left of it when the brokers come."""
    script = f"[ $FLUX_TASK_RANK = 1 ] || until [ -e {tree.path}/end ]; do sleep 0.05; done; echo done"
    job = tree.submit("-N3", "-n3", "sh", "-c", script)
    wait_output(tree, job, "rank=1")
    while "shell-1-" in tree.run("sproc", "ps", "-r1").stdout:
        pass
    restart(tree, "abc")
    (tree.path / "end").touch()
    done = tree.run("job", "attach", job)
    assert (done.returncode, done.stdout) == (0, "done\n" * 3), done.stderr


@pytest.mark.parametrize("rank", [0, 2], ids=["leader", "another"])
def test_a_shell_that_is_killed_while_there_is_no_broker(tree: Tree, rank: int) -> None:
    job = begin(tree)
    listed = tree.run("sproc", "ps", f"-r{rank}", "-n", "-o", "{label} {pid}").stdout
    (shell,) = [line.split()[1] for line in listed.splitlines() if line.startswith(f"shell-{rank}-")]
    tree.kill("a")
    os.kill(int(shell), signal.SIGKILL)
    tree.start()
    tree.wait()
    done = tree.run("job", "attach", job)
    assert done.returncode != 0
    assert "job shell ended without having found the broker" in done.stderr


def test_a_host_that_does_not_come_back(tree: Tree) -> None:
    config = tree.path / "conf.toml"
    tree.run("cancel", "--all")
    tree.kill("a")
    config.write_text(config.read_text().replace("[exec]\n", '[exec]\nkeep-timeout = "1s"\n'))
    tree.start()
    tree.wait()
    job = begin(tree)
    tree.kill("c")
    done = tree.run("job", "attach", job)
    assert "node failure on c (rank 2): its broker has not come back" in done.stderr
    tree.start("c")
    tree.wait()


def test_brokers_that_end_in_good_order(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """They leave the job where they are to, and end it else."""
    tree.env["FLUX_DISABLE_JOB_CLEANUP"] = "1"
    restart(tree, "abc")
    job = begin(tree)
    tree.brokers["a"].terminate()
    for host in HOSTS:
        tree.brokers[host].wait()
    del tree.env["FLUX_DISABLE_JOB_CLEANUP"]
    tree.start()
    tree.wait()
    finish(tree, job)
