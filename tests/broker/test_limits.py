# SPDX-License-Identifier: LGPL-3.0-or-later
"""Subscriptions whatever their number, and the rate of log lines."""

import pytest

from rosin.broker.complaints import INTERVAL, Complaints
from rosin.broker.peer import Subscriptions


@pytest.mark.parametrize("others", [0, 15, 16, 60_000])
def test_subscriptions_match_by_prefix(others: int) -> None:
    wanted = Subscriptions()
    for number in range(others):
        wanted.add(f"other-{number:05}.x")
    assert not wanted.match("job-state")
    wanted.add("job-")
    wanted.add("job-")
    assert wanted.match("job-state")
    assert wanted.match("job-")
    assert not wanted.match("job")
    wanted.remove("job-")
    assert wanted.match("job-state")
    wanted.remove("job-")
    wanted.remove("never")
    assert not wanted.match("job-state")
    assert len(wanted) == others
    wanted.add("")
    assert wanted.match("anything")


def test_a_kind_is_logged_once_a_minute() -> None:
    lines: list[str] = []
    now = 0.0
    complain = Complaints(lines.append, lambda: now)
    for _ in range(3):
        complain(("frame", 1), "bad")
        complain(("frame", 2), "also bad")
    assert lines == ["bad", "also bad"]
    now = INTERVAL
    complain(("frame", 1), "bad again")
    assert lines[2:] == ["bad again (2 more of this kind since the last line)"]


def test_kinds_are_forgotten_before_they_fill_memory() -> None:
    complain = Complaints(lambda _text: None, lambda: 0.0)
    for number in range(5000):
        complain(number, "x")
    assert len(complain._kinds) == 512
