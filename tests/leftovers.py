# SPDX-License-Identifier: LGPL-3.0-or-later
"""A run of the tests leaves no process; what it leaves where temporary files are made is shown and removed.
Handlers of signals, and what is blocked, are after each test as they were before it: brokers that run in this
process leave theirs, and the programs that the next test starts would have them.

A run gets a TMPDIR of its own, by which what it started is known. ``tmp_path`` is elsewhere: pytest keeps the
directories of the last runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from typing import Any

import pytest

from rosin.process.platform import descendants
from rosin.testing.process import wait_until_gone

#: A longer TMPDIR is for what is tested; tests themselves bind sockets in their directories.
_SHORT = 40
#: What ends programs: whoever handles it in this process does so for the tests that follow, too.
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: How long what has been told to end may take for it.
_SECONDS = 20.0


class Leftovers:
    """Fails a run that leaves a process. A broker that is killed, as tests do, must leave its directories."""

    def __init__(self) -> None:
        usual = tempfile.gettempdir()
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", usual if len(usual) <= _SHORT else "/tmp")
        self.directory = tempfile.mkdtemp(prefix="rosin-tests-")
        os.environ["TMPDIR"] = self.directory
        tempfile.tempdir = None  # look again
        #: Where the instances of this run register.
        self.registry = tempfile.mkdtemp(prefix="registry-")
        #: Where servers of this run keep tokens: not where those of the user are, which would let tests' in.
        self.state = tempfile.mkdtemp(prefix="state-")
        os.environ["XDG_STATE_HOME"] = self.state
        self._found: list[str] = []
        self._before = _signals()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self) -> None:
        self._before = _signals()

    def pytest_runtest_logfinish(self) -> None:
        handlers, mask = self._before
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        pids = {*wait_until_gone(f"TMPDIR={self.directory}", _SECONDS), *descendants(os.getpid())}
        self._found = [f"process {pid}: {_command(pid)}" for pid in sorted(pids)]
        if pids and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        names = sorted({*os.listdir(self.directory)} - {*map(os.path.basename, (self.registry, self.state))})
        self._found += [f"file {name}" for name in names]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._found:
            terminalreporter.section("left behind by tests", red=True)
            for line in self._found:
                terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def _signals() -> tuple[dict[signal.Signals, Any], set[int]]:
    """Who handles what ends programs, and what is blocked."""
    handlers = {signum: signal.getsignal(signum) for signum in _ENDING}
    return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(200).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "it has ended"
