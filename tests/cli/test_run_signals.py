# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals to `rosin run`, and its way with bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from .test_job_commands import start

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
