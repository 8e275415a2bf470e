# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals to `rosin run`, and its way with bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rosin.cli.bulk import what_goes_on

from .test_run import start

pytestmark = pytest.mark.system


def test_bytes_pass_through(real_instance):
    data = bytes(range(256)) * 2000
    done = real_instance.run("run", "cat", input=data, text=False)
    assert (done.returncode, done.stdout) == (0, data)


def test_output_to_a_closed_pipe(real_instance):
    command = f"{sys.executable} -m rosin run seq 1 200000 | head -1; exit ${{PIPESTATUS[0]}}"
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (141, "1\n")
    assert done.stderr == "" or done.stderr.endswith(
        "nobody reads the output any more, the job is canceled\n"
    )


def test_signals_are_passed_on(real_instance):
    script = """if True:
        import signal, sys
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit("5"))
        print("ready", flush=True)
        signal.pause()
    """
    process = start(real_instance, "run", sys.executable, "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "5\nrosin-job: task(s) exited with exit code 1\n", 1)


def test_interrupted_waits_name_the_jobs(real_instance, rosin):
    process = start(real_instance, "submit", "--wait", "--cc=1-2", "--urgency=hold", "true")
    ids = [process.stdout.readline().strip() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err in [
        f"rosin-submit: 2 jobs go on; to cancel: rosin cancel {one} {two}\n" for one, two in (ids, ids[::-1])
    ]
    assert rosin("cancel", *ids).code == 0


def test_many_jobs_are_not_all_named():
    ids = [f"f{number}" for number in range(1000)]
    assert what_goes_on(ids[:1], "rosin") == "1 job goes on; to cancel: rosin cancel f0"
    assert what_goes_on(ids[:20], "rosin").endswith(" f18 f19")
    text = "1000 jobs go on, f0 to f999; 'rosin jobs' lists yours, 'rosin cancel --all' cancels them"
    assert what_goes_on(ids, "rosin") == text


def test_ctrl_z_at_a_terminal(real_instance, rosin):
    """It stops the command, not the job; the job and the ways back to it are named."""
    control, terminal = os.openpty()
    run = f"{sys.executable} -m rosin run sh -c 'echo ready; sleep 300'"
    process = subprocess.Popen(
        ["bash", "-mc", f'{run}; echo "status $?."; fg >/dev/null; exit $?'],
        env={**os.environ, "FLUX_URI": real_instance.uri},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=lambda: os.login_tty(terminal),
    )
    os.close(terminal)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(control, 4096)
    jobid = rosin("job", "last").out.strip()
    os.write(control, b"\x1a")
    while b"status " not in seen:
        seen += os.read(control, 4096)
    back = f"'fg' follows it again. To come back: rosin job attach {jobid}"
    assert f"suspended, the job goes on. {back}".encode() in seen
    assert f"status {128 + signal.SIGTSTP}.".encode() in seen
    assert rosin("jobs", "-no", "{status}", jobid).out == "RUN\n"
    assert rosin("cancel", jobid).code == 0
    assert process.wait(60) == 143
    os.close(control)


def test_two_interrupts_cancel(real_instance):
    process = start(real_instance, "run", "sh", "-c", "echo ready; sleep 300")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == (
        "rosin-job: one more ctrl-C within 2s to cancel or ctrl-Z to detach\n"
    )
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "type=cancel severity=0 interrupted by ctrl-C" in err
    assert process.returncode == 143
