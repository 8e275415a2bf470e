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
    "executor.py": r"(\S+: asked for (\d), returned \2\n){4}",
    "hello.py": r"submit\n(\w+\n)+clean\nhello from task 0\nhello from task 1\nexit code 0\n",
    "jobspec.sh": r"(worker [01] of 2, amber\n){2}sh 2 COMPLETED 0\n",
    "journal.py": r"([\d.]+ \S+ [\w-]+\n){30,}",
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


def test_scheduler():
    with RealInstance() as instance:
        assert instance.run("module", "remove", "sched-simple").returncode == 0
        loaded = instance.run("module", "load", str(EXAMPLES / "fifo.py"))
        assert loaded.returncode == 0, loaded.stderr
        limited = instance.run("run", "-t1m", sys.executable, "-m", "rosin", "job", "timeleft")
        assert limited.returncode == 0, limited.stderr
        assert 0 < int(limited.stdout) <= 60
        assert (
            instance.run("submit", "--cc=1-3", "--watch", "--quiet", "echo", "served").stdout
            == "served\n" * 3
        )
        listed = instance.run("jobs", "-a", "-n", "-o", "{sched.resource_summary}").stdout
        assert listed == "the whole node\n" * 4
        running = instance.run("submit", "sleep", "60").stdout.strip()
        waiting = instance.run("submit", "true").stdout.strip()
        assert instance.run("cancel", waiting, running).returncode == 0
        for job in (waiting, running):
            assert instance.run("job", "wait-event", job, "clean").returncode == 0
        # What runs now is known to the next scheduler.
        running = instance.run("submit", "sleep", "60").stdout.strip()
        assert instance.run("job", "wait-event", running, "start").returncode == 0
        for name, path in (("sched-fifo", EXAMPLES / "fifo.py"), ("sched-fifo", "sched-simple")):
            assert instance.run("module", "remove", name).returncode == 0
            assert instance.run("module", "load", str(path)).returncode == 0
            waiting = instance.run("submit", "true").stdout.strip()
            assert instance.run("cancel", waiting).returncode == 0
        assert instance.run("jobs", "-n", "-o", "{id} {state}").stdout == f"{running} RUN\n"
        assert instance.run("cancel", running).returncode == 0
        assert instance.run("run", "true").returncode == 0


def test_every_example_is_run():
    data = {"jobspec.json", "counter.py", "count.py", "fifo.py", "README.md"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {*PROGRAMS, *OVER_HTTP, *data}
