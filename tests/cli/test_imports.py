# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands start fast because they import little: docs/internals/startup.md."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rosin.testing.process import RealInstance

SLOW = {
    "asyncio",
    "dataclasses",
    "pydantic",
    "yaml",
    "orjson",
    "inspect",
    "logging",
    "subprocess",
    "email",
    "urllib.parse",
}
NAMES = [
    "run",
    "submit",
    "bulksubmit",
    "jobs",
    "cancel",
    "pgrep",
    "update",
    "watch",
    "queue",
    "job",
    "job.attach",
    "job.events",
    "job.control",
    "job.listing",
    "job.info",
    "job.status",
    "job.wait",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_slow_modules(name):
    script = (
        f"import sys, rosin.cli.main, rosin.cli.{name}, rosin.handle.flux, rosin.job.submission;"
        f"print(*sorted(set(sys.modules) & {SLOW!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""


#: What a command of one request may import of the standard library, and what one with a reactor.
ONE_REQUEST = {"__future__", "_collections", "_json", "_locale", "_operator", "_socket", "_struct", "errno"}
REACTOR = {*ONE_REQUEST, "_heapq", "select"}

PROGRAM = """
import sys
from collections.abc import Iterator
before = set(sys.modules)
from rosin.cli.main import main
code = main(sys.argv[1:])
names = [name for name in sys.modules if name not in before]
sys.stderr.write(" ".join(names))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def own_instance() -> Iterator[RealInstance]:
    """One whose jobs may be cancelled."""
    with RealInstance() as instance:
        yield instance


@pytest.mark.system
@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("getattr rundir", ONE_REQUEST),
        ("lsattr", ONE_REQUEST),
        ("logger -s debug hello", ONE_REQUEST),
        ("module list", ONE_REQUEST),
        ("kvs put a=1 b=text", {*ONE_REQUEST, "binascii"}),
        ("kvs ls", {*ONE_REQUEST, "binascii"}),
        ("cancel --all --quiet", ONE_REQUEST),
        ("queue status", ONE_REQUEST),
        ("version", ONE_REQUEST),
        ("job id 12", ONE_REQUEST),
        ("jobs -a", {*ONE_REQUEST, "_string", "operator", "pwd"}),
        ("submit --dry-run true", {*REACTOR, "resource", "itertools"}),
        ("run true", {*REACTOR, "binascii", "itertools", "resource"}),
        ("ping -c1 kvs", {*REACTOR, "itertools", "operator"}),
        (
            "exec -n true",
            {*REACTOR, "binascii", "itertools"},
        ),
    ],
)
def test_what_a_command_imports(own_instance: RealInstance, line: str, allowed: set[str]) -> None:
    env = {**os.environ, "FLUX_URI": own_instance.uri}
    words = [sys.executable, "-c", PROGRAM, *line.split()]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert {name for name in done.stderr.split() if name.partition(".")[0] != "rosin"} <= allowed


#: What one broker has no use for: options and files that it was not given, other brokers, and so on.
UNUSED = {
    *("argparse", "pathlib", "shlex", "tempfile", "urllib.parse", "xml.etree"),
    *("rosin.archive", "rosin.kvs.snapshot", "rosin.broker.fakeresources", "rosin.broker.overlay.overlay"),
    "rosin.broker.dumps",
    *("rosin.modules.content.follower", "rosin.modules.kvs.follower", "rosin.modules.resource.follower"),
    *("rosin.rfc.fluxion", "rosin.rfc.taskmap", "rosin.rfc.treepool", "yaml", "zmq"),
}


@pytest.mark.system
def test_what_one_broker_imports():
    words = [sys.executable, "-c", PROGRAM, "start", "true"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stderr.split()) & UNUSED == set()


BROKER = """
import rosin.broker.boot
from rosin.broker.loader import MODULES, find
for name in MODULES:
    find(name).at(0)
"""


@pytest.mark.parametrize("program", [BROKER, "import rosin.shell.main; rosin.shell.main.warm()"])
def test_what_is_imported_before_the_fork_is_for_both_sides(program):
    look = f"{program}\nimport sys, rosin.shell\nprint(set(rosin.shell.SHARED) - set(sys.modules))"
    words = [sys.executable, "-c", look]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
