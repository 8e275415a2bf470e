# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance that a program starts for itself."""

import os
import signal
import subprocess
import sys

import pytest

import rosin
from rosin.testing.process import processes_with, wait_until_gone

pytestmark = pytest.mark.system


def test_it_runs_as_long_as_it_is_used():
    instance = rosin.Instance("-S", "log-stderr-level=3")
    assert "not running" in repr(instance)
    with pytest.raises(ConnectionRefusedError, match="does not run"):
        instance.connect()
    assert instance.stop() == 0
    with instance as same:
        assert same is instance
        with pytest.raises(RuntimeError, match="runs already"):
            instance.start()
        with instance.connect() as h, rosin.Flux(instance.uri) as other:
            assert h.attr_get("rank") == other.attr_get("rank") == "0"
        uri = instance.uri
    assert instance.uri == ""
    with pytest.raises(FileNotFoundError):
        rosin.Flux(uri)


def test_one_that_cannot_start(capfd):
    with pytest.raises(RuntimeError, match=r"ended with exit code \d+ before"):
        rosin.Instance("--no-such-option").start()
    assert "no-such-option" in capfd.readouterr().err
    slow = rosin.Instance()
    with pytest.raises(TimeoutError, match="not ready after 0 s"):
        slow.start(timeout=0)
    assert repr(slow) == "<rosin.Instance not running>"


def test_it_ends_with_a_program_that_is_killed():
    code = "import rosin, sys; i = rosin.Instance().start(); print(i.uri, flush=True); sys.stdin.read()"
    mark = f"ROSIN_TEST_OWNER={os.getpid()}-killed"
    name, _, value = mark.partition("=")
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, name: value},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    with program.stdin, program.stdout:
        assert program.stdout.readline().startswith("local://")
        assert len(processes_with(mark)) > 1
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert wait_until_gone(mark) == []


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        rosin.nosuch  # noqa: B018
