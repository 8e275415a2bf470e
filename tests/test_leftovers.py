# SPDX-License-Identifier: LGPL-3.0-or-later
"""A process that tests leave fails their run, and is named, as a file is."""

import os
import signal
import subprocess
import tempfile
from types import SimpleNamespace

import pytest

from . import leftovers


class Lines:
    """What a run says at its end."""

    def __init__(self):
        self.lines = []

    def section(self, title, **_markup):
        self.lines.append(title)

    def line(self, text):
        self.lines.append(text)


@pytest.fixture
def plugin(monkeypatch):
    """What watches a run inside this one."""
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    monkeypatch.setattr(leftovers, "_SECONDS", 0.0)
    monkeypatch.setattr(leftovers, "descendants", lambda _pid: [])
    plugin = leftovers.Leftovers()
    yield plugin
    plugin.pytest_unconfigure()
    assert not os.path.exists(plugin.directory)


@pytest.fixture
def run(plugin):
    """``run(status)`` ends that run: its status, and what it says."""

    def end(status):
        session = SimpleNamespace(exitstatus=status)
        plugin.pytest_sessionfinish(session)
        said = Lines()
        plugin.pytest_terminal_summary(said)
        return session.exitstatus, said.lines

    return end


def test_nothing_is_left(run):
    with tempfile.TemporaryDirectory() as name:
        assert os.path.dirname(name) == os.environ["TMPDIR"]
    assert run(pytest.ExitCode.OK) == (pytest.ExitCode.OK, [])


def test_a_file_is_named(run):
    with tempfile.NamedTemporaryFile(prefix="left-") as file:
        ended, said = run(pytest.ExitCode.OK)
        assert ended == pytest.ExitCode.OK
        assert said == ["left behind by tests", f"file {os.path.basename(file.name)}"]


@pytest.mark.parametrize("status", [pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED])
def test_a_process_fails_the_run(run, status):
    with subprocess.Popen(["sleep", "inf"], stdin=subprocess.PIPE) as process:
        ended, said = run(status)
        process.kill()
    assert said == ["left behind by tests", f"process {process.pid}: sleep inf"]
    assert ended == (pytest.ExitCode.TESTS_FAILED if status == pytest.ExitCode.OK else status)


def test_handlers_and_blocked_signals_are_taken_back(plugin):
    before = signal.getsignal(signal.SIGHUP), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    plugin.pytest_runtest_logstart()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    plugin.pytest_runtest_logfinish()
    assert (signal.getsignal(signal.SIGHUP), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before
