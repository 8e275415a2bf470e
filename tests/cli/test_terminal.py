# SPDX-License-Identifier: LGPL-3.0-or-later
"""Interactive jobs: ``rosin run -o pty.interactive`` on a real terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.process.platform import descendants
from rosin.testing.terminal import Terminal

pytestmark = pytest.mark.system
READY = 'stty -echo; echo "ready"; '


@pytest.fixture
def terminal(real_instance, rosin):
    env = {**os.environ, "FLUX_URI": real_instance.uri, "TERM": "dumb"}

    def terminal(*argv, **size):
        return Terminal(sys.executable, "-m", "rosin", *argv, env=env, **size)

    yield terminal
    rosin("cancel", "--all", "--quiet")  # a job whose client is gone stays


@pytest.fixture
def run(terminal):
    def run(script, *options, **size):
        return terminal("run", "-o", "pty.interactive", *options, "sh", "-c", script, **size)

    return run


def test_the_task_has_the_terminal(run):
    script = "read x; tty; stty size; for fd in 0 1 2; do test -t $fd && echo is $fd; done; "
    script += "echo $FLUX_TERMINUS_SESSION"
    with run(script, rows=40, columns=120) as screen:
        screen.send("\r")
        screen.expect("/dev/pts/")
        screen.expect("\r\n40 120\r\nis 0\r\nis 1\r\nis 2\r\n0\r\n")
        assert screen.wait() == 0
        screen.expect("[detached: session exiting]")


def test_what_is_typed_reaches_the_task(run):
    with run(READY + "read x; echo got $x; exit 5") as screen:
        screen.expect("ready")
        screen.send("hällo\r")
        screen.expect("got hällo\r\n")
        assert screen.wait() == 1


def test_every_byte_can_be_typed(run):
    with run('stty raw -echo; echo "ready"; head -c 4 | od -An -tx1') as screen:
        screen.expect("ready")
        screen.send("\0\x03\x1a\x04")
        screen.expect("00 03 1a 04")
        assert screen.wait() == 0


def test_the_window_changes_its_size(run):
    script = "trap 'stty size' WINCH; " + READY + "while :; do read x && echo $x && exit; done"
    with run(script, rows=24, columns=80) as screen:
        screen.expect("ready")
        screen.resize(50, 132)
        screen.expect("50 132\r\n")
        screen.send("end\r")
        screen.expect("end\r\n")
        assert screen.wait() == 0


def test_interrupt_goes_to_the_task_alone(run):
    with run("trap 'echo caught; exit 0' INT; " + READY + "while :; do read x; done") as screen:
        screen.expect("ready")
        screen.send("\x03")
        screen.expect("caught")
        assert screen.wait() == 0
        assert "ctrl-C" not in screen.seen


def test_job_control_of_a_shell_inside(terminal):
    with terminal("run", "-o", "pty.interactive", "bash", "--norc", "-i") as screen:
        screen.send("PS1=''; stty -echo; echo \"ready\"\r")
        screen.expect("\nready")
        screen.send("(echo up; exec sleep 1000)\r")
        screen.expect("up\r\n")
        screen.send("\x1a")
        screen.expect("Stopped")
        # bash's wait comes back at once while it still counts the job as stopped, and exit would ask then.
        screen.send("kill -KILL %1; while jobs -s | grep -q .; do :; done; echo gone\r")
        screen.expect("gone\r\n")
        screen.send("exit 0\r")
        assert screen.wait() == 0
        assert "no job control" not in screen.seen


def test_detach_and_attach_again(run, terminal, rosin):
    with run(READY + "while read x; do echo got $x; test $x = end && exit; done", "-v") as screen:
        jobid = screen.expect("\r").split()[1]
        screen.expect("ready")
        screen.send("\x1c")
        screen.expect("[detached: Client requested detach]")
        assert screen.wait() == 0
    assert rosin("jobs", "-no", "{status}", jobid).out == "RUN\n"
    with terminal("job", "attach", jobid, rows=33, columns=77) as screen:
        screen.send("one\r")
        screen.expect("got one")
        screen.send("end\r")
        screen.expect("got end")
        assert screen.wait() == 0


def test_what_came_while_nobody_was_attached_is_kept(rosin, terminal):
    jobid = rosin("submit", "-o", "pty.interactive", "sh", "-c", "echo one; echo two").out.strip()
    assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.task-exit").code == 0
    assert rosin("jobs", "-no", "{status}", jobid).out == "RUN\n"
    with terminal("job", "attach", jobid) as screen:
        screen.expect("one\r\ntwo\r\n")
        assert screen.wait() == 0
    assert rosin("job", "wait-event", "-q", jobid, "clean").code == 0
    assert rosin("job", "attach", jobid).out == ""  # it was not captured


def test_captured_output_is_shown_once_and_kept(run, rosin):
    with run(READY + "echo seen", "-o", "pty.capture", "-v") as screen:
        jobid = screen.expect("\r").split()[1]
        screen.expect("seen")
        assert screen.wait() == 0
        assert screen.seen.count("seen") == 1
    assert rosin("job", "attach", jobid).out == "ready\r\nseen\r\n"


def test_a_canceled_job_does_not_wait_for_a_client(rosin):
    jobid = rosin("submit", "-o", "pty.interactive", "sh", "-c", "sleep 1000").out.strip()
    assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.start").code == 0
    assert rosin("cancel", jobid).code == 0
    assert rosin("job", "wait-event", "-q", jobid, "clean").code == 0


def test_a_killed_shell_ends_the_session(run, real_instance):
    with run(READY + "echo pid $$; sleep 1000") as screen:
        screen.expect("pid ")
        task = int(screen.expect("\r"))
        parent = int(Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[1])
        assert parent in descendants(real_instance.process.pid)
        os.kill(parent, signal.SIGKILL)
        screen.expect("job shell Killed")
        assert screen.wait() == 137


def test_input_that_is_no_terminal(rosin, real_instance):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "rosin",
            "run",
            "-o",
            "pty.interactive",
            "sh",
            "-c",
            "read x; echo got $x; stty size",
        ],
        env={**os.environ, "FLUX_URI": real_instance.uri},
        input="hi\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "got hi\n25 80\n" in done.stdout.replace("\r", "")


def test_reading_alone_is_refused(rosin):
    jobid = rosin("submit", "-o", "pty.interactive", "true").out.strip()
    assert rosin("job", "attach", "-r", jobid)[::2] == (
        1,
        "rosin-job: Cannot connect to pty in readonly mode\n",
    )
    rosin("cancel", jobid)


def test_terminals_without_attaching(rosin):
    code, out, err = rosin("run", "-l", "-n2", "-o", "pty", "sh", "-c", "test -t 1 && echo yes; echo err >&2")
    assert (code, sorted(out.split("\r\n"))) == (0, ["", "0: err", "0: yes", "1: err", "1: yes"])
    assert err == ""
    code, out, _ = rosin(
        "run", "-l", "-n2", "-o", "pty.ranks=1", "sh", "-c", "test -t 1 && echo yes || echo no"
    )
    assert sorted(out.split()) == ["0:", "1:", "no", "yes"]
    assert "0: no\n" in out


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("pty.foo", "unknown shell option pty.foo: did you mean pty?"),
        ("pty.ranks=x", "pty.ranks: expected an idset, as in 0-3, or all: idset: unexpected 'x' at column 1"),
        ("pty.ranks=1.5", "pty.ranks: expected an idset, got 1.5"),
        ("pty.capture=yes", "pty.capture: expected 0 or 1, got 'yes'"),
    ],
)
def test_bad_options(rosin, option, reason):
    code, _, err = rosin("run", "-o", option, "true")
    assert code == 1
    prefix = "" if reason.startswith("unknown") else "invalid shell pty option: "
    assert f"type=exec severity=0 {prefix}{reason}\n" in err
