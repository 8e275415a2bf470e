# SPDX-License-Identifier: LGPL-3.0-or-later
"""The warning before a job's time limit."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest
from tests.shell.fakes import JOBID, FakeShell

from rosin.shell.errors import ShellError
from rosin.shell.plugins.expiration import parse_option

WATCH = "job-info.update-watch"


def R(expiration: float) -> dict[str, Any]:
    lite = [{"rank": "3", "children": {"core": "0"}}]
    return {"R": {"version": 1, "execution": {"R_lite": lite, "expiration": expiration}}}


def start(option: Any = 1, **kwargs: Any) -> FakeShell:
    shell = FakeShell({"signal": option}, **kwargs)
    shell.load("signal").shell_start()
    return shell


def test_a_job_without_an_end_is_not_warned() -> None:
    shell = start()
    assert shell.logged == [(5, "job has no expiration, SIGUSR1 will not be sent")]
    assert shell.h.timers == []


def test_the_same_end_again_is_no_reason_to_warn_again() -> None:
    shell = start()
    end = time.time() + 10
    for expiration in (end, end, end + 1000):
        shell.h.find(WATCH).answer(R(expiration))
    first, second = shell.h.timers
    assert first.after == 0.0
    assert first.cancelled
    assert second.after > 900


def test_it_is_sent_to_the_whole_job() -> None:
    shell = start({"signum": 40, "timeleft": "5s"})
    shell.h.find(WATCH).answer(R(time.time()))
    shell.h.timers[0].callback()
    assert shell.h.sent[-1] == ("job-manager.kill", {"id": JOBID, "signum": 40}, None)
    assert shell.logged[-1] == (5, "job will expire in 5.0s, sending signal 40 to job")
    shell.h.find("job-manager.kill").answer(OSError(errno.EPERM, "no"))
    assert shell.logged[-1] == (3, "failed to send signal 40 to job: no")


def test_an_update_that_fails() -> None:
    shell = start()
    shell.h.find(WATCH).answer(OSError(errno.EIO, "gone"))
    assert shell.logged[-1][1].startswith("error getting R from job-info watch response: ")


@pytest.mark.parametrize(("option", "rank"), [(0, 3), (1, 7), ({"timeleft": 0}, 3)])
def test_nobody_is_to_be_warned(option: Any, rank: int) -> None:
    assert start(option, rank=rank).h.sent == []


@pytest.mark.parametrize(
    "option", ["x", {"signum": 0}, {"signum": "TERM"}, {"signum": 65}, {"timeleft": "soon"}, [1]]
)
def test_what_is_no_warning(option: Any) -> None:
    with pytest.raises(ShellError):
        parse_option(option)
