# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin terminus: sessions of two ranks, in real brokers."""

import os
import re
import subprocess
import sys

import pytest

from rosin.testing.process import RealInstance, wait_until_gone

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def two():
    with RealInstance("-s", "2") as instance:
        yield instance


@pytest.fixture
def terminus(two):
    def run(*words, code=0, **options):
        done = two.run("terminus", *words, **options)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout if not code else done.stderr

    return run


@pytest.fixture
def cat(two, terminus):
    """A session in which what is typed comes back in brackets; it ends with the test."""
    script = 'stty -echo; echo ready; while read line; do echo "[$line]"; done; exit 7'
    terminus("start", "-d", "-n", "echo", "sh", "-c", script)
    yield
    two.run("terminus", "kill-server", timeout=20)


def test_a_session_from_its_start_to_its_end(terminus, cat):
    listed = terminus("list").splitlines()
    date = r"\w+ \w+ +\d+ [\d:]+ \d{4}"
    name = f"{os.getuid()}-terminus"
    assert re.fullmatch(rf"server at {name} running on rank 0 since {date}", listed[0])
    assert listed[1] == "1 current session:"
    assert re.fullmatch(rf"0: \[echo\] 0 clients \(created {date}\)", listed[2])
    assert terminus("attach", "-p", "0", input="one\ntwo\n") == ""
    assert terminus("attach", "0", input="three\n\4", code=7) == ""
    assert terminus("list", code=1) == f"rosin-terminus: no server running at {name}\n"


def test_what_a_client_sees(two, cat):
    done = two.run("terminus", "attach", "0", input="word\n\4")
    assert done.returncode == 7
    assert done.stdout.startswith("\033[2J\033[;Hready")
    assert "[word]" in done.stdout
    assert "[detached: session exiting]" in done.stdout


def test_a_rank_has_its_own(two, terminus):
    far = ("exec", "-n", "-r", "1", sys.executable, "-m", "rosin", "terminus")
    done = two.run(*far, "start", "-d", "sh", "-c", "read x; exit 3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "running on rank 1 since" in terminus("list", "-r", "1")
    assert "no server running" in terminus("list", code=1)
    assert terminus("attach", "-r", "1", "-p", "0", input="x\n") == ""
    while True:
        done = two.run("terminus", "list", "-r", "1")
        if done.returncode:
            break
    assert done.stderr.startswith("rosin-terminus: no server running at ")


def test_one_that_nobody_watches(two, terminus, cat):
    terminus("start", "-d", "-w", "true")
    terminus("start", "-d", "sh", "-c", "seq 10")
    while "1: [true] (exited)" not in terminus("list"):
        pass
    assert "[detached: session exiting]" in terminus("attach", "1")
    terminus("kill", "0")
    while two.run("terminus", "list").returncode == 0:
        pass  # what it has written is lost


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("attach", "9"), "Invalid session or server at nowhere.9: No such session"),
        (("attach", "-p", "9"), "Invalid session or server at nowhere.9: No such session"),
        (("kill", "9"), "no server running at nowhere"),
        (("kill-server",), "no server running at nowhere"),
        (("start", "-d", "-r", "1", "cat"), "Unable to start a new server with --rank: use 'exec -r RANK"),
        (("start", "-d", "/no/such"), "new session: No such file or directory: failed to run /no/such"),
    ],
)
def test_what_cannot_be(terminus, words, fault):
    assert terminus(*words[:1], "-s", "nowhere", *words[1:], code=1).startswith(f"rosin-terminus: {fault}")
    assert "no server running" in terminus("list", "-s", "nowhere", code=1)


def test_no_session_in_another(two):
    env = {**two.env, "FLUX_URI": two.uri, "FLUX_TERMINUS_SESSION": "0"}
    command = [sys.executable, "-m", "rosin", "terminus", "start", "cat"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "rosin-terminus: Nesting terminus sessions is not supported\n",
    )


def test_the_end_of_the_broker_ends_its_sessions():
    with RealInstance() as instance:
        done = instance.run("terminus", "start", "-d", "sh", "-c", "exec sleep 654321.25")
        assert done.returncode == 0
    wait_until_gone("654321.25")
