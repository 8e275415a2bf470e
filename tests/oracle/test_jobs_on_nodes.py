# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on four brokers of either kind: the same logs, and shells of both kinds in one job."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_nodes import PMI

from rosin.rfc import ioencode

pytestmark = pytest.mark.system
ROSIN = str(Path(sys.executable).with_name("rosin"))
#: Announces the instance and lives until its standard input ends.
PROGRAM = 'echo "$FLUX_URI"; cat >/dev/null'

Command = Callable[..., str]


@pytest.fixture(scope="module")
def instances(flux: str) -> Iterator[list[Command]]:
    """The commands in an instance of ours, and in one of flux-core's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [
        (front, subprocess.Popen([front, "start", "--test-size=4", "sh", "-c", PROGRAM], env=env, **pipes))
        for front in (ROSIN, flux)
    ]
    yield [
        commands(front, {**env, "FLUX_URI": process.stdout.readline().strip()}) for front, process in started
    ]
    for _, process in started:
        process.communicate()


def commands(front: str, env: dict[str, str]) -> Command:
    def command(*words: str, **kwargs: Any) -> str:
        done = subprocess.run(
            [front, *words], env=env, capture_output=True, text=True, timeout=60, check=False, **kwargs
        )
        return str(done.stdout)

    return command


def events(command: Command, jobid: str, path: str) -> list[tuple[str, dict[str, Any]]]:
    text = command("job", "eventlog", "--format=json", "-p", path, jobid)
    return [(event["name"], event.get("context", {})) for event in map(json.loads, text.splitlines())]


def main_log(command: Command, jobid: str) -> list[tuple[str, dict[str, Any]]]:
    """Without what flux-core says later than it happens, and in an order that depends on who is faster."""
    log = events(command, jobid, "eventlog")
    notes = sorted((entry for entry in log if entry[0] == "exception"), key=str)
    return [entry for entry in log if entry[0] != "exception"] + notes[:1]


def exec_log(command: Command, jobid: str) -> list[tuple[str, dict[str, Any]]]:
    """Without process ids, the ranks of tasks that end at the same time, and shells that take longer."""
    log = events(command, jobid, "exec")
    for _, context in log:
        for name in ("pid", "localid", "active_ranks"):
            context.pop(name, None)
        if "service" in context:
            context["service"] = context["service"].rpartition("-")[0]
    return log


def output_log(command: Command, jobid: str) -> dict[Any, Any]:
    """The header, what each task has written, and what the shells say."""
    found: dict[Any, Any] = {}
    for name, context in events(command, jobid, "output"):
        if name == "data":
            chunk = ioencode.decode_data(context)
            key = (chunk.stream, chunk.rank)
            data, eof = found.get(key, (b"", False))
            found[key] = (data + chunk.data, eof or chunk.eof)
        elif name == "log":
            found.setdefault("log", set()).add(
                (context["level"], context["message"], context.get("component"))
            )
        else:
            found.setdefault(name, []).append(context)
    if any(level == 0 for level, *_ in found.get("log", ())):
        # flux-core's leader ends without what it has gathered.
        return {key: value for key, value in found.items() if value not in ((b"", True), (b"", False))}
    return found


JOBS = {
    "one task each": ["-N4", "-n4", "hostname"],
    "two each": ["-N4", "-n8", "sh", "-c", "echo $FLUX_TASK_RANK; echo $FLUX_TASK_LOCAL_ID >&2"],
    "per node": ["-N4", "--tasks-per-node=3", "true"],
    "cyclic": ["-N4", "-n8", "--taskmap=cyclic", "true"],
    "manual": ["-N4", "-n8", "--taskmap=manual:[[3,1,2,1],[0,3,2,1]]", "true"],
    "other nodes": ["-N2", "--requires=rank:2-3", "sh", "-c", "exit $FLUX_TASK_RANK"],
    "one other node": ["-n1", "--requires=rank:3", "sh", "-c", "echo here; exit 3"],
    "files": ["-N4", "-n4", "--output=out-{{node.id}}", "echo", "x"],
    "a failure": [
        "-N4",
        "-n4",
        "-o",
        "exit-on-error",
        "sh",
        "-c",
        "test $FLUX_TASK_RANK = 2 && exit 5; sleep 1000",
    ],
    "a timeout": [
        "-N4",
        "-n4",
        "-o",
        "exit-timeout=0.1s",
        "sh",
        "-c",
        "test $FLUX_TASK_RANK = 2 || sleep 1000",
    ],
    "a lost shell": [
        *("-N4", "-n4", "-o", "exit-timeout=0.1s", "sh", "-c"),
        "sleep 0.5; test $FLUX_TASK_RANK = 1 && kill -9 $PPID && exit; exec sleep 1000",
    ],
    "a lost leader": [
        "-N4",
        "-n4",
        "sh",
        "-c",
        "sleep 0.5; test $FLUX_TASK_RANK = 0 && kill -9 $PPID && exit; exec sleep 1000",
    ],
    "no shell": ["-n1", "--requires=rank:2", "--setattr=system.exec.job_shell=/no/such", "true"],
    "a missing directory": ["-N4", "-n4", "--cwd=/no/such", "pwd"],
    "a time limit": ["-N4", "-n4", "-t1s", "sleep", "1000"],
    "terminals": ["-N4", "-n4", "-o", "pty.ranks=2", "sh", "-c", "test -t 1 && echo $FLUX_TASK_RANK; true"],
}
#: Tasks that end at the same time, or tasks whose processes are killed beside their shells.
ANY_TASK = {"shell.task-exit": ("rank",)}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_the_same_logs(instances: list[Command], tmp_path: Path, job: list[str]) -> None:
    found = []
    for number, command in enumerate(instances):
        where = tmp_path / str(number)
        where.mkdir()
        jobid = command("submit", *job, cwd=where).strip()
        command("job", "wait-event", jobid, "clean")
        assert jobid
        log = exec_log(command, jobid)
        for name, context in log:
            for key in ANY_TASK.get(name, ()):
                context.pop(key)
        found.append((main_log(command, jobid), log, output_log(command, jobid)))
    assert found[0] == found[1]


def mixed_shell(directory: Path, flux: str, theirs: str) -> str:
    """A job shell that is flux-core's on the brokers whose ranks match a pattern, and ours on the others."""
    libexec = subprocess.run(
        [flux, "config", "builtin", "shell_path"], capture_output=True, text=True, check=True
    ).stdout.strip()
    script = directory / "shell"
    ours = f"exec {sys.executable} -m rosin.shell"
    script.write_text(
        f'#!/bin/sh\ncase ${{FLUX_URI##*-}} in {theirs}) exec {libexec} "$@";; esac\n{ours} "$@"\n'
    )
    script.chmod(stat.S_IRWXU)
    return f"--setattr=system.exec.job_shell={script}"


@pytest.mark.parametrize("theirs", ["[0123]", "[13]", "[02]", "0"])
@pytest.mark.parametrize("where", ["rosin", "flux"])
def test_shells_of_both_kinds(
    instances: list[Command], flux: str, tmp_path: Path, theirs: str, where: str
) -> None:
    command = instances[where == "flux"]
    options = ["-N4", "-n8", mixed_shell(tmp_path, flux, theirs)]
    (tmp_path / "pmi.py").write_text(PMI)
    keys = command("run", *options, sys.executable, str(tmp_path / "pmi.py"))
    assert keys.splitlines() == ["(vector,(0,4,2))"] * 8
    lines = command("run", *options, "-l", "cat", input="a\nb\n").splitlines()
    assert sorted(lines) == [f"{rank}: {line}" for rank in range(8) for line in "ab"]
    run = ["run", *options, "-l", f"--output={tmp_path}/out", "sh", "-c", "echo $FLUX_TASK_RANK"]
    command(*run)
    assert sorted((tmp_path / "out").read_text().splitlines()) == [f"{rank}: {rank}" for rank in range(8)]
    jobid = command(
        "submit", *options, "-o", "exit-timeout=0.1s", "sh", "-c", "test $FLUX_TASK_RANK = 5 || sleep 1000"
    )
    command("job", "wait-event", jobid.strip(), "clean")
    (note,) = [context["note"] for name, context in main_log(command, jobid.strip()) if name == "exception"]
    assert note.startswith("sh: task rank 5 on host ")
