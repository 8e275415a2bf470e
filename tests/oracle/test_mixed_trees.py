# SPDX-License-Identifier: LGPL-3.0-or-later
"""Trees of brokers of both kinds: under either root, with both as interior brokers and as leaves.

The tree is ``0 (1 (3 4) 2)``. Ranks 1 and 4 are not of the root's kind: each kind has a leaf, and the other
kind's root has an interior broker of the one below it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
ROSIN = str(Path(sys.executable).with_name("rosin"))
SIZE = 5
OTHERS = (1, 4)


def wrapper(path, root, flux):
    """A script that runs a broker of the other kind on some ranks, with the same options."""
    other = f"{flux} broker" if root == "rosin" else f"{ROSIN} broker"
    ranks = "|".join(map(str, OTHERS))
    path.write_text(
        "#!/bin/sh\n"
        f'case $PMI_RANK in {ranks}) ;; *) exec "$@";; esac\n'
        'options=; for word; do case $word in -S*) options="$options $word";; esac; done\n'
        f"exec {other} $options\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture(params=["rosin", "flux"])
def tree(request, flux, tmp_path):
    """``tree(script)``: what a script prints on rank 0 of a mixed tree; it has ``$ROSIN`` and ``$FLUX``."""

    def run(script, quiet=False):
        wrap = wrapper(tmp_path / "wrap", request.param, flux)
        start = [ROSIN, "start"] if request.param == "rosin" else [flux, "start"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        done = subprocess.run(
            [
                *start,
                f"--test-size={SIZE}",
                "--test-exit-mode=leader",
                "-Stbon.topo=kary:2",
                f"--wrap={wrap}",
                "sh",
                "-c",
                script,
            ],
            env={**env, "ROSIN": ROSIN, "FLUX": flux},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not (quiet and done.stderr)
        return done.stdout.splitlines()

    return run


def test_the_end_is_quiet(tree):
    """No broker leaves requests behind that the one above it has to fail."""
    script = "$ROSIN kvs put a=1; $ROSIN exec -r all $ROSIN kvs get a; $FLUX run -N5 echo 1"
    assert tree(script, quiet=True) == ["1"] * 10


#: Questions that have the same answer whoever asks and whoever is asked.
QUESTIONS = [
    "overlay status --no-pretty --color=never",
    "overlay lookup 0-4",
    "overlay parentof 4",
    "resource list -no '{state} {nnodes} {ncores}'",
    "resource status -no '{state} {nnodes}'",
    "exec -r 0-4 -l true",
    "exec -r all -l sh -c 'echo $0' hi | sort",
    "exec -r 1,4 -n getconf PATH",
    "run -N5 -l hostname | sort",
    "run -n10 -l sh -c 'echo $FLUX_TASK_RANK/$FLUX_JOB_SIZE/$FLUX_JOB_NNODES' | sort -n",
    "run --requires=rank:4 sh -c 'exit 3' || echo $?",
    "run --requires=rank:3 echo there",
    "kvs get shared",
    "getattr size",
    "jobs -A -no '{nnodes}' --filter=running",
    "queue status",
    "module stats -p child-count overlay",
]


def test_the_same_question_has_the_same_answer(tree):
    script = "$ROSIN kvs put shared=1; " + "; ".join(
        f"echo '##' {number}; $ROSIN {question}; echo '==' ; $FLUX {question}"
        for number, question in enumerate(QUESTIONS)
    )
    parts = "\n".join(tree(script)).split("## ")[1:]
    assert len(parts) == len(QUESTIONS)
    answers = {}
    for part in parts:
        number, _, text = part.partition("\n")
        ours, _, theirs = text.partition("==\n")
        answers[QUESTIONS[int(number)]] = (ours.strip(), theirs.strip())
    assert {question: pair for question, pair in answers.items() if pair[0] != pair[1]} == {}
    assert answers["kvs get shared"][0] == "1"


@pytest.mark.parametrize("rank", range(SIZE))
def test_every_rank_answers(tree, rank):
    asked = [
        "ping -c1 {rank}",
        "ping -c1 {rank}!kvs",
        "exec -r {rank} true",
        "exec -r {rank} {command} kvs get key",
    ]
    script = "$ROSIN kvs put key=42"
    for command in ("$ROSIN", "$FLUX"):
        for question in asked:
            script += f" && {command} {question.format(rank=rank, command=command)}"
    assert tree(f"{script} && echo all")[-1] == "all"


PMI = """
import os, socket
fd = socket.socket(fileno=int(os.environ["PMI_FD"]))
lines = fd.makefile("rw")
def ask(text):
    lines.write(text + "\\n"); lines.flush()
    return dict(word.split("=", 1) for word in lines.readline().split())
ask("cmd=init pmi_version=1 pmi_subversion=1")
name = ask("cmd=get_my_kvsname")["kvsname"]
rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
ask(f"cmd=put kvsname={name} key=k{rank} value=v{rank}")
ask("cmd=barrier_in")
print(*(ask(f"cmd=get kvsname={name} key=k{other}")["value"] for other in range(size)))
ask("cmd=finalize")
"""


@pytest.mark.parametrize("command", ["$ROSIN", "$FLUX"])
def test_tasks_on_both_kinds_exchange_keys(tree, tmp_path, command):
    program = tmp_path / "pmi.py"
    program.write_text(PMI)
    lines = tree(f"{command} run -N5 -n10 {sys.executable} {program}")
    assert lines == [" ".join(f"v{rank}" for rank in range(10))] * 10


@pytest.mark.parametrize("command", ["$ROSIN", "$FLUX"])
def test_input_and_output_of_all_tasks(tree, command):
    lines = tree(f"seq 20000 | {command} run -N5 -l sh -c 'cat | md5sum' | sort")
    assert len({line.partition(": ")[2] for line in lines}) == 1
    assert [line.partition(":")[0] for line in lines] == list("01234")


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_the_loss_of_a_leaf_ends_its_job_and_no_more(tree, rank):
    lines = tree(
        f"job=$($ROSIN submit -N5 sleep 300); $ROSIN job wait-event $job start >/dev/null; "
        f"pid=$($ROSIN exec -r {rank} $ROSIN getattr broker.pid); kill -9 $pid; "
        "$ROSIN overlay status --wait=degraded --timeout=20 >/dev/null; "
        "$ROSIN job wait-event -t 20 $job clean >/dev/null && echo clean; "
        "$ROSIN job eventlog $job | grep -o 'node failure.*rank [0-9]*' | head -1; "
        "$ROSIN run -N4 -l echo here | sort; $FLUX run -N4 -l echo there | sort"
    )
    assert lines[0] == "clean"
    assert f"rank {rank}" in lines[1]
    assert lines[2:] == [f"{task}: {where}" for where in ("here", "there") for task in range(4)]


CONFIG = """
[bootstrap]
curve_cert = "{folder}/cert"
default_bind = "ipc://{folder}/tbon-%h"
default_connect = "ipc://{folder}/tbon-%h"
hosts = [ {{ host = "node[0-2]" }} ]
[exec]
job-shell = "{folder}/rosin-shell"
[resource]
noverify = true
"""


@pytest.mark.parametrize("kinds", [("rosin", "flux", "rosin"), ("flux", "rosin", "flux")])
def test_brokers_of_both_kinds_find_each_other_by_one_configuration(flux, tmp_path, kinds):
    """Rosin's shell runs the job on all nodes, as docs/how-to/mixed-trees.md says."""
    commands = {"rosin": ROSIN, "flux": flux}
    shell = tmp_path / "rosin-shell"
    shell.write_text(f'#!/bin/sh\nexec {sys.executable} -m rosin.shell "$@"\n')
    shell.chmod(0o755)
    config = tmp_path / "boot.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    subprocess.run([ROSIN if kinds[0] == "flux" else flux, "keygen", str(tmp_path / "cert")], check=True)
    script = (
        f"{ROSIN} run -N3 -l {ROSIN} getattr rank | sort; {flux} run -N3 -l {flux} getattr hostname | sort"
    )
    brokers = [
        subprocess.Popen(
            [commands[kind], "broker", "-c", str(config), f"-Shostname=node{rank}"]
            + ([] if rank else ["sh", "-c", script]),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, kind in enumerate(kinds)
    ]
    try:
        assert brokers[0].communicate(timeout=60)[0].splitlines() == [
            *(f"{rank}: {rank}" for rank in range(3)),
            *(f"{rank}: node{rank}" for rank in range(3)),
        ]
        assert [broker.wait(timeout=30) for broker in brokers] == [0, 0, 0]
    finally:
        for broker in brokers:
            broker.kill()
            broker.communicate()
