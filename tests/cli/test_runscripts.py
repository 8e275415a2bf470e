# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin run-prolog, run-epilog, run-housekeeping: scripts in directories."""

import os
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Write a script: ``scripts(path below lib or etc, body)``."""
    monkeypatch.setenv("FLUX_SYSTEM_SCRIPTS_LIBEXECDIR", str(tmp_path / "lib"))
    monkeypatch.setenv("FLUX_SYSTEM_SCRIPTS_CONFDIR", str(tmp_path / "etc"))
    monkeypatch.setenv("FLUX_URI", "local:///nowhere")
    monkeypatch.setenv("FLUX_JOB_ID", "ƒ1")
    monkeypatch.setenv("FLUX_JOB_USERID", "0")

    def write(name, body, mode=0o755):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(mode)
        return path

    return write


def test_all_are_run_in_order_and_the_greatest_code_counts(command, scripts, tmp_path):
    scripts("lib/prolog.d/20-b", "echo b; exit 3")
    scripts("lib/prolog.d/10-a", "echo a; exit 5")
    scripts("lib/prolog.d/30-c", "echo no", 0o644)
    scripts("etc/system/prolog.d/x", "echo x $FLUX_JOB_ID; kill -9 $$")
    done = command("run-prolog")
    assert (done.code, done.out) == (137, "a\nb\nx ƒ1\n")
    lines = done.err.splitlines()
    assert "all scripts are run" in lines[0]
    assert lines[1:] == [
        "Running prolog for ƒ1/root",
        f"Running all in {tmp_path}/lib/prolog.d",
        "running 10-a",
        "10-a: exit 5",
        "running 20-b",
        "20-b: exit 3",
        f"Running all in {tmp_path}/etc/system/prolog.d",
        "running x",
        "x: exit 137",
    ]


def test_a_single_file_of_the_site_takes_the_place_of_its_directory(command, scripts, tmp_path):
    scripts("etc/system/epilog", "echo single; exit 2")
    scripts("etc/system/epilog.d/x", "echo x")
    done = command("run-epilog")
    assert (done.code, done.out) == (2, "single\n")
    assert f"Running epilog found at {tmp_path}/etc/system/epilog (skipping" in done.err


def test_a_script_that_cannot_be_started_fails(command, scripts):
    scripts("lib/housekeeping.d/x", "").write_text("#!/no/such/interpreter\n")
    done = command("run-housekeeping")
    assert done.code == 126
    assert "x: No such file or directory" in done.err


@pytest.mark.parametrize("userid", ["", "x", "99999999999999999999", "4294967294"])
def test_users_that_there_are_not(command, scripts, monkeypatch, userid):
    monkeypatch.setenv("FLUX_JOB_USERID", userid)
    monkeypatch.delenv("FLUX_JOB_ID")
    done = command("run-prolog")
    assert done.code == 0
    assert "Running prolog for unknown/unknown" in done.err


def test_a_signal_ends_the_script_and_what_would_follow(scripts, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    scripts(
        "lib/prolog.d/1", f"trap 'echo ended >&2; exit 0' TERM; echo up >{fifo}; while :; do sleep 0.01; done"
    )
    scripts("lib/prolog.d/2", "echo no")
    process = subprocess.Popen(
        [sys.executable, "-m", "rosin", "run-prolog"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert fifo.read_text() == "up\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "ended" in err


@pytest.mark.system
def test_the_configuration_says_whether_to_stop(rosin, scripts, real_instance, monkeypatch):
    monkeypatch.setenv("FLUX_URI", real_instance.uri)
    scripts("lib/prolog.d/1", "exit 4")
    scripts("lib/prolog.d/2", "echo on")
    for stop, out in (("true", ""), ("false", "on\n")):
        text = f"job-manager.prolog={{command=['x'],exit-on-first-error={stop}}}"
        assert rosin("config", "load", stdin=f"{text}\n").code == 0
        done = rosin("run-prolog")
        assert (done.code, done.out) == (4, out)
    assert rosin("config", "load", stdin="").code == 0
