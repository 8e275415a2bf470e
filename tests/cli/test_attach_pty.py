# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job's terminal answers when it answers: before or after what is known of the job's end."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from .test_afterwards import FakeHandle, Timers, ended, follow, log, output_line


class Reactor(Timers):
    """One that looks at no descriptor."""

    def add_fd(self, *_args):
        pass

    remove_fd = add_signal = remove_signal = add_fd


@pytest.fixture
def job(monkeypatch):
    """A job with a terminal that has started: its three logs, and the stream of the terminal."""
    monkeypatch.setattr("os.isatty", lambda _fd: False)
    monkeypatch.setattr("rosin.cli.job.stdin.JobStdin.start", lambda _self: None)
    handle = FakeHandle()
    attach = follow(handle, read_only=False, unbuffered=False, stdin_ranks="all")
    handle.reactor = Reactor()
    main = handle.rpcs[0]
    main.feed(log("submit"), log("start"))
    execution = handle.rpcs[1]
    execution.feed(log("shell.init", service="s", pty="terminus.0", capture=1, **{"leader-rank": 0}))
    output, terminal = handle.rpcs[2:4]
    assert (terminal.topic, terminal.payload["type"]) == ("s.terminus.0", "attach")
    return SimpleNamespace(attach=attach, main=main, execution=execution, output=output, terminal=terminal)


SAID = ({"type": "attach"}, {"type": "data", "data": "hi\r\n"})
EXIT = {"type": "exit", "message": "session exiting", "status": 0}


def test_its_answers_count_when_the_end_of_the_job_is_known_before_them(job, capfd):
    job.main.feed(log("finish", status=0))
    job.execution.feed(ended())
    job.terminal.feed(*SAID, EXIT)
    assert capfd.readouterr().out.startswith("hi\r\n\033[999H[detached: session exiting]")
    assert job.attach.exit_code == 0


def test_what_it_shows_is_not_shown_twice(job, capfd):
    job.output.feed(output_line("hi\n"))
    job.attach.output.flush()
    assert capfd.readouterr().out == ""  # it is not known yet who shows it
    job.terminal.feed(*SAID)
    job.output.feed(output_line("more\n"))
    job.attach.output.flush()
    assert capfd.readouterr().out == "hi\r\n"


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_one_that_does_not_answer_is_replaced_by_the_log(job, capfd, how):
    job.output.feed(output_line("hi\n"), ended())
    job.main.feed(log("finish", status=3 << 8))
    if how == "refused":
        job.terminal.feed(OSError(errno.ENOSYS, "No service matching s.terminus.0 is registered"))
    job.execution.feed(ended())
    job.main.feed(log("clean"))
    job.attach.output.flush()
    assert capfd.readouterr().out == "hi\n"
    assert job.attach.exit_code == 3


def test_an_event_that_is_waited_for_is_no_end_of_the_job(job, capfd):
    """The log is read no further then, but the terminal is still to come."""
    job.attach._event_came()
    job.terminal.feed(*SAID, EXIT)
    assert capfd.readouterr().out.startswith("hi\r\n\033[999H[detached: session exiting]")
