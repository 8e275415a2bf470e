# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which shells still have tasks, and what becomes of the others."""

from __future__ import annotations

import errno

from tests.shell.fakes import FakeShell


def test_the_leader_stays_until_all_shells_are_done() -> None:
    shell = FakeShell()
    plugin = shell.load("tasks-complete")
    assert shell.held
    plugin.shell_finish()
    assert shell.held
    shell.request("tasks-complete", {"shell_rank": 1})
    assert (shell.held, shell.released) == (False, 1)
    plugin.shell_lost(1)  # it ended before it was lost
    assert shell.released == 1
    assert shell.h.responses == []


def test_a_single_shell_has_no_such_method() -> None:
    shell = FakeShell(size=1)
    shell.load("tasks-complete").shell_finish()
    assert not shell.held
    shell.request("tasks-complete", {"shell_rank": 0})
    assert shell.h.responses[0][:2] == ("tasks-complete", errno.ENOSYS)


def test_another_shell_tells_the_leader() -> None:
    shell = FakeShell(rank=7)
    shell.load("tasks-complete").shell_finish()
    assert shell.h.sent == [(f"{shell.service.name}.tasks-complete", {"shell_rank": 1}, 3)]
    assert not shell.held


def test_another_shell_tells_the_leader_when_it_fails() -> None:
    shell = FakeShell(rank=7)
    plugin = shell.load("tasks-complete")
    plugin.shell_exit()
    assert shell.h.sent == [(f"{shell.service.name}.tasks-complete", {"shell_rank": 1}, 3)]
    plugin.shell_finish()
    plugin.shell_exit()
    assert len(shell.h.sent) == 1


def test_a_leader_that_fails_tells_nobody() -> None:
    shell = FakeShell()
    shell.load("tasks-complete").shell_exit()
    assert shell.h.sent == []


def test_a_lost_shell_is_not_waited_for() -> None:
    shell = FakeShell()
    shell.load("exception", "tasks-complete").shell_finish()
    shell.request("exception", {"type": "other", "severity": 2, "shell_rank": 1})
    assert shell.held
    shell.request(
        "exception", {"type": "lost-shell", "severity": 2, "shell_rank": 1, "message": "shell 1 is lost"}
    )
    assert not shell.held
    assert shell.logged == [(4, "shell 1 is lost")]
    assert shell.h.responses == [("exception", 0, None)] * 2


def test_requests_of_a_wrong_form() -> None:
    shell = FakeShell()
    shell.load("exception", "tasks-complete")
    shell.request("tasks-complete", [])
    shell.request("exception", {"type": "lost-shell"})
    assert [(method, errnum) for method, errnum, _ in shell.h.responses] == [
        ("tasks-complete", errno.EPROTO),
        ("exception", errno.EPROTO),
    ]
