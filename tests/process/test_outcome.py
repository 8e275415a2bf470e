# SPDX-License-Identifier: LGPL-3.0-or-later
"""Wait statuses, against what flux-core's commands say and exit with for the same ones."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from rosin.process import outcome

CORE = 0x80
STOPPED = 19 << 8 | 0x7F

#: Wait status: exit code and line of flux job attach, returncode of flux jobs.
JOBS = [
    (0, 0, "", 0),
    (768, 3, "task(s) exited with exit code 3", 3),
    (128 << 8, 128, "task(s) exited with exit code 128", 128),
    (35584, 139, "task(s) Segmentation fault", 139),
    (65280, 255, "task(s) Unknown signal 127", 255),
    (11, 139, "job shell Segmentation fault", -11),
    (11 | CORE, 139, "job shell Segmentation fault", -11),
    (33, 161, "job shell Unknown signal 33", -33),
    (40, 168, "job shell Real-time signal 6", -40),
    (STOPPED, 1, "unexpected wait(2) status 4991", None),
    (0x7F, 1, "unexpected wait(2) status 127", None),
]


@pytest.mark.parametrize(("status", "code", "text", "returncode"), JOBS)
def test_jobs(status: int, code: int, text: str, returncode: int | None) -> None:
    assert outcome.job_report(status) == (code, text)
    assert outcome.return_code(status) == returncode


@pytest.mark.parametrize(
    ("status", "code", "signum", "text"),
    [
        (0, 0, 0, "Exit 0"),
        (2 << 8, 2, 0, "Exit 2"),
        (143 << 8, 143, 0, "Exit 143"),
        (15, 143, 15, "Terminated"),
        (11 | CORE, 139, 11, "Segmentation fault"),
        (STOPPED, 19, 0, "Exit 19"),  # as flux job status has it
    ],
)
def test_processes(status: int, code: int, signum: int, text: str) -> None:
    assert outcome.exit_code(status) == code
    assert outcome.termsig(status) == signum
    assert outcome.describe(status) == text


def test_a_status_of_an_exit_code() -> None:
    assert [outcome.exited(code) for code in (0, 1, 139, 256 + 3)] == [0, 256, 35584, 768]


@pytest.mark.parametrize("command", ["exit 3", "exit 200", "kill -9 $$", "ulimit -c 0; kill -6 $$"])
def test_both_system_calls_agree(command: str) -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ)
    result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert result is not None
    assert outcome.waited(result.si_code, result.si_status) == os.waitpid(pid, 0)[1]


def test_a_dumped_core_is_in_the_status() -> None:
    assert outcome.waited(os.CLD_DUMPED, 11) == 11 | CORE
    assert outcome.waited(os.CLD_KILLED, 11) == 11


@pytest.mark.parametrize(("errnum", "code"), [(2, 127), (13, 126), (1, 126), (8, 1), (None, 1)])
def test_what_could_not_be_started(errnum: int | None, code: int) -> None:
    assert outcome.unstarted(errnum) == code


def test_what_else_could_not_be_started() -> None:
    assert (outcome.unstarted(20, 126), outcome.unstarted(2, 126)) == (126, 127)


@pytest.mark.parametrize(
    ("signum", "text"),
    [
        (9, "Killed"),
        (33, "Unknown signal 33"),
        (0, "Unknown signal 0"),
        (1 << 40, "Unknown signal 1099511627776"),
    ],
)
def test_words(signum: int, text: str) -> None:
    assert outcome.signal_text(signum) == text


def test_other_words_for_an_unknown_signal() -> None:
    assert outcome.signal_text(127, "Signaled {}") == "Signaled 127"


@pytest.mark.parametrize("text", ["TERM", "SIGTERM", "15"])
def test_numbers_of_signals(text: str) -> None:
    assert outcome.signal_number(text) == signal.SIGTERM


def test_a_number_is_taken_as_it_is() -> None:
    assert (outcome.signal_number("40"), outcome.signal_number("-1")) == (40, -1)


@pytest.mark.parametrize("text", ["SIGWRONG", "term", "", "-", "1.5", "SIG_DFL", "SIG"])
def test_no_signal(text: str) -> None:
    with pytest.raises(ValueError, match=f"signal '{text}' is invalid"):
        outcome.signal_number(text)


def test_names() -> None:
    assert (outcome.signal_name(15), outcome.signal_name(40)) == ("SIGTERM", "signal 40")


def test_nobody_else_takes_a_status_apart() -> None:
    source = Path(outcome.__file__).parents[1]
    words = re.compile(r"\bW(IFSIGNALED|IFEXITED|TERMSIG|EXITSTATUS|COREDUMP)\b|waitstatus_to|strsignal\(")
    assert [path.name for path in source.rglob("*.py") if words.search(path.read_text())] == ["outcome.py"]
