# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs go on while the services that look after them are loaded again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


def log(instance: RealInstance, jobid: str, *options: str) -> list[str]:
    done = instance.run("job", "eventlog", *options, jobid)
    assert done.returncode == 0, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("module", ["job-exec", "job-manager"])
def test_running_jobs_go_on(tmp_path: Path, module: str, size: int) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo begin; test $FLUX_TASK_RANK != 0 || read line <{fifo}; echo end; exit 3"
    with RealInstance("-s", str(size)) as instance:

        def submit(*words: str) -> str:
            done = instance.run("submit", *words)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        job = submit("-N", str(size), "-n", str(size), "sh", "-c", script)
        other = submit("-t", "1h", "sleep", "1000")
        for jobid in (job, other):
            done = instance.run("job", "wait-event", "-p", "exec", jobid, "shell.start")
            assert done.returncode == 0, done.stderr
        for _ in range(2):
            done = instance.run("module", "reload", module)
            assert done.returncode == 0, done.stderr
        assert instance.run("jobs", "-n", "-o", "{status}").stdout.split() == ["RUN", "RUN"]
        fifo.write_text("go on\n")
        done = instance.run("job", "attach", job)
        assert done.returncode == 3
        assert sorted(done.stdout.split()) == ["begin", "end"] * size or done.stdout.count("end") == size
        assert instance.run("cancel", other).returncode == 0
        done = instance.run("job", "attach", other)
        assert "type=cancel" in done.stderr
        assert log(instance, job)[-5:] == ["start", "finish", "release", "free", "clean"]
        events = log(instance, job, "-p", "exec")
        assert events.count("reattach") == 2
        assert events[-2:] == ["complete", "done"]
        idle = instance.run("resource", "list", "-s", "free", "-n", "-o", "{nnodes}").stdout
        assert idle.strip() == str(size)
        assert "shell-" not in instance.run("sproc", "ps", "-n", "-o", "{label}").stdout


@pytest.mark.parametrize("killed", [False, True])
def test_jobs_of_a_broker_that_is_gone_say_what_has_become_of_them(tmp_path: Path, killed: bool) -> None:
    options = ("-S", f"statedir={tmp_path}")
    with RealInstance(*options, env={"FLUX_DISABLE_JOB_CLEANUP": "1"}) as instance:
        job = instance.run("submit", "sh", "-c", "echo begin; sleep 1000").stdout.strip()
        assert instance.run("job", "wait-event", "-W", "-p", "output", job, "data").returncode == 0
        if killed:
            instance.kill()
    with RealInstance(*options) as instance:
        done = instance.run("job", "attach", job)
        assert done.stdout == ("" if killed else "begin\n")
        assert "lost contact with job shell on broker restart" in done.stderr
        assert log(instance, job)[-5:] == ["exception", "finish", "release", "free", "clean"]
        assert instance.run("jobs", "-an", "-o", "{status}").stdout == "FAILED\n"
