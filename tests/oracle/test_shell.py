# SPDX-License-Identifier: LGPL-3.0-or-later
"""Terminals, process tables and commands beside a job: each client with each job shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.terminal import Terminal

pytestmark = pytest.mark.system
ROSIN = str(Path(sys.executable).with_name("rosin"))
#: Announces the instance and lives until its standard input ends.
PROGRAM = 'echo "$FLUX_URI"; cat >/dev/null'


@pytest.fixture(scope="module", params=["rosin", "flux"])
def uri(request, flux):
    """An instance of either."""
    start = [ROSIN if request.param == "rosin" else flux, "start", "sh", "-c", PROGRAM]
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    with subprocess.Popen(
        start, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture(params=["rosin", "flux"])
def client(request, flux, uri, monkeypatch):
    """The command of either, and the other's."""
    monkeypatch.setenv("FLUX_URI", uri)
    ours_first = request.param == "rosin"
    yield (ROSIN, flux) if ours_first else (flux, ROSIN)
    subprocess.run([ROSIN, "cancel", "--all", "--quiet"], check=False)


def interactive(command, script, **size):
    return Terminal(
        command, "run", "-o", "pty.interactive", "sh", "-c", f"stty -echo; echo ready; {script}", **size
    )


def output(*argv, **kwargs):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **kwargs)


def test_typing_and_resizing(client):
    script = "trap 'stty size' WINCH; for i in 1 2; do while :; do read x && break; done; echo got $x; done"
    with interactive(client[0], script) as screen:
        screen.expect("ready")
        screen.send("hällo\r")
        screen.expect("got hällo")
        screen.resize(40, 111)
        screen.expect("40 111")
        screen.send("end\r")
        screen.expect("got end")
        assert screen.wait() == 0


def test_control_characters(client):
    # It does not end by itself: flux-core may lose what is written just before the end.
    script = "stty raw; echo raw; head -c 4 | od -An -tx1; head -c 1 >/dev/null; exit 3"
    with interactive(client[0], script) as screen:
        screen.expect("raw")
        screen.send("\0\x03\x1a\x04")
        screen.expect("00 03 1a 04")
        screen.send("x")
        assert screen.wait() == 1


def test_detach_and_attach_with_the_other(client):
    ours, other = client
    with interactive(ours, "read x; echo got $x") as screen:
        screen.expect("ready")
        screen.send("\x1c")
        screen.expect("[detached: Client requested detach]")
        assert screen.wait() == 0
    with Terminal(other, "job", "attach", output(ours, "job", "last").stdout.strip()) as screen:
        screen.send("back\r")
        screen.expect("got back")
        assert screen.wait() == 0


def test_captured_terminals(client):
    done = output(client[0], "run", "-l", "-n2", "-o", "pty", "sh", "-c", "test -t 0 && echo é")
    assert (sorted(done.stdout.split()), done.stderr) == (["0:", "1:", "é", "é"], "")


def test_process_tables(client):
    ours, other = client
    jobid = output(ours, "submit", "-n2", "sleep", "1000").stdout.strip()
    table = output(other, "job", "hostpids", jobid)
    assert table.stdout == output(ours, "job", "hostpids", jobid).stdout
    assert len(table.stdout.split(",")) == 2
    one = output(other, "job", "hostpids", "-r", "1", jobid).stdout
    assert one == table.stdout.split(",")[1]


def test_commands_beside_a_job(client):
    jobid = output(client[0], "submit", "sleep", "1000").stdout.strip()
    text = "line\n" * 20_000
    done = output(client[0], "exec", "-j", jobid, "cat", input=text)
    assert (done.stdout == text, done.returncode) == (True, 0)
    done = output(client[0], "exec", "-j", jobid, "sh", "-c", "kill -KILL $$")
    assert (done.stderr, done.returncode) == ("0: Killed\n", 137)
