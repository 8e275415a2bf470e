# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every program in examples/ runs and prints what it says."""

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Example -> what its output matches as a whole.
PROGRAMS = {
    "bulk.sh": r"ALPHA\nBETA\nGAMMA\n(upper COMPLETED 0\n){3}",
    "client.py": r"100 answers, size 1\ntrue: wait status 0\nfalse: wait status 256\nsleep 0: .* 0\n",
    "instance.py": r"6 0\n12 0\n18 0\n",
    "functions.py": r"(\d+%\n)*1000000 samples: 3\.1\d+\npi is about 3\.14\d*\nZeroDivisionError\n",
    "executor.py": r"(\S+: asked for (\d), returned \2\n){4}",
    "hello.py": r"submit\n(\w+\n)+clean\nhello from task 0\nhello from task 1\nexit code 0\n",
    "jobspec.sh": r"(worker [01] of 2, amber\n){2}sh 2 COMPLETED 0\n",
    "journal.py": r"([\d.]+ \S+ \S+\n){30,}",
    "kvs.py": r"\{'colour': 'amber', 'count': 1\}\ndirectories \['empty'\]\n(count is \d\n){3}",
    "many.py": r"20 jobs, 20 succeeded\n",
}
OVER_HTTP = {
    "http_client.py": r"submitted \S+\n1\n2\n3\nCOMPLETED\n",
    "rest.sh": r"hello from a job\n",
}
ARGUMENTS = {"many.py": ["20"]}


def _run(instance, name, **variables):
    program = str(EXAMPLES / name)
    command = [program] if name.endswith(".sh") else [sys.executable, program]
    # A shell script finds the commands as it would in an activated environment.
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, *ARGUMENTS.get(name, [])],
        env={**os.environ, "FLUX_URI": instance.uri, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(real_instance, name):
    output = _run(real_instance, name)
    assert re.fullmatch(PROGRAMS[name], output), output


def test_broker_module(real_instance):
    module = str(EXAMPLES / "counter.py")
    loaded = real_instance.run("module", "load", module)
    assert loaded.returncode == 0, loaded.stderr
    try:
        assert _run(real_instance, "count.py") == "0\n1\n11\n111\n"
    finally:
        assert real_instance.run("module", "remove", "counter").returncode == 0


@pytest.fixture(scope="module")
def url(real_instance):
    """The address of a server."""
    secrets = {"FLUX_USER", "FLUX_TOKEN"}
    server = subprocess.Popen(
        [sys.executable, "-m", "rosin", "serve", "--port", "0"],
        env={
            **{name: value for name, value in os.environ.items() if name not in secrets},
            "FLUX_URI": real_instance.uri,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        assert select.select([server.stderr], [], [], 60)[0]
        yield server.stderr.readline().split()[-1].rstrip("/")
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_client_of_the_rest_api(real_instance, url, name):
    output = _run(real_instance, name, URL=url)
    assert re.fullmatch(OVER_HTTP[name], output), output


def _load(instance, old, new):
    for command in (("remove", old), ("load", str(new))):
        done = instance.run("module", *command)
        assert done.returncode == 0, done.stderr


def _names_in_order_of_start(instance):
    lines = instance.run("jobs", "-a", "-n", "-o", "{t_run} {name}").stdout.splitlines()
    return [line.split()[1] for line in sorted(lines, key=lambda line: float(line.split()[0]))]


def test_last_in_first_out():
    with RealInstance() as instance:
        _load(instance, "sched-simple", EXAMPLES / "lifo.py")
        assert instance.run("queue", "stop", "--quiet").returncode == 0
        for name, urgency in (("a", "16"), ("b", "16"), ("c", "16"), ("low", "8"), ("high", "20")):
            options = (f"--job-name={name}", f"--urgency={urgency}", "-N1", "--exclusive")
            assert instance.run("submit", *options, "true").returncode == 0
        assert instance.run("queue", "start", "--quiet").returncode == 0
        assert instance.run("queue", "drain").returncode == 0
        assert _names_in_order_of_start(instance) == ["high", "c", "b", "a", "low"]


def test_scheduler_that_is_replaced():
    """What runs is known to the next scheduler, and those who wait are served by it."""
    with RealInstance() as instance:
        _load(instance, "sched-simple", EXAMPLES / "packed.py")
        running = instance.run("submit", "-N1", "--exclusive", "sleep", "60").stdout.strip()
        assert instance.run("job", "wait-event", running, "start").returncode == 0
        for old, new in (("sched-packed", EXAMPLES / "lifo.py"), ("sched-lifo", "sched-simple")):
            _load(instance, old, new)
            waiting = instance.run("submit", "true").stdout.strip()
            assert instance.run("cancel", waiting).returncode == 0
        assert instance.run("jobs", "-n", "-o", "{id} {state}").stdout == f"{running} RUN\n"
        last = instance.run("submit", "true").stdout.strip()
        assert instance.run("cancel", running).returncode == 0
        assert instance.run("job", "wait-event", last, "clean").returncode == 0


def test_scheduler_at_the_start(tmp_path):
    """A script loads it before the initial program."""
    script = tmp_path / "with-lifo.sh"
    text = 'rosin module remove sched-simple\nrosin module load "$LIFO"\nexec "$@"\n'
    script.write_text(f"#!/bin/sh -e\n{text}")
    script.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "rosin", "start", str(script), "rosin", "run", "echo", "served"],
        env={**os.environ, "LIFO": str(EXAMPLES / "lifo.py")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.returncode) == ("served\n", 0), done.stderr


def test_every_example_is_run():
    data = {
        "jobspec.json",
        "counter.py",
        "count.py",
        "lifo.py",
        "packed.py",
        "quota.py",
        "short.py",
        "README.md",
    }
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {*PROGRAMS, *OVER_HTTP, *data}
