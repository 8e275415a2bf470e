# SPDX-License-Identifier: LGPL-3.0-or-later
"""Points in time as users write them."""

from __future__ import annotations

import time

import pytest

from rosin.cli.when import parse_time

# Sunday 2026-11-22 11:30:15 UTC
NOW = 1795347015.0
HOUR, DAY = 3600, 86400
TODAY = 1795305600.0


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", NOW),
        ("+1h", NOW + HOUR),
        ("-15m", NOW - 900),
        ("+90", NOW + 90),
        ("2026-11-22T12:00:00", TODAY + 12 * HOUR),
        ("2026-11-22 12:00", TODAY + 12 * HOUR),
        ("2026-11-22T12:00:00+01:00", TODAY + 11 * HOUR),
        ("2026-11-23", TODAY + DAY),
        ("3pm", TODAY + 15 * HOUR),
        ("3 pm", TODAY + 15 * HOUR),
        ("12am", TODAY),
        ("12pm", TODAY + 12 * HOUR),
        ("8:30", TODAY + 8.5 * HOUR),
        ("20:15:30", TODAY + 20.25 * HOUR + 30),
        ("noon", TODAY + 12 * HOUR),
        ("midnight", TODAY),
        ("today", TODAY),
        ("tomorrow", TODAY + DAY),
        ("tomorrow 3pm", TODAY + DAY + 15 * HOUR),
        ("noon tomorrow", TODAY + DAY + 12 * HOUR),
        ("yesterday at 8am", TODAY - DAY + 8 * HOUR),
        ("monday", TODAY + DAY),
        ("next fri 9:00", TODAY + 5 * DAY + 9 * HOUR),
        ("sunday", TODAY + 7 * DAY),
        ("Dec 1", TODAY + 9 * DAY),
        ("Dec 1st, 3pm", TODAY + 9 * DAY + 15 * HOUR),
        ("Nov 23 2026", TODAY + DAY),
        ("11/23/2026 8am", TODAY + DAY + 8 * HOUR),
        ("in 2 hours", NOW + 2 * HOUR),
        ("in 1 day 2 hours", NOW + DAY + 2 * HOUR),
        ("an hour from now", NOW + HOUR),
        ("3 days ago", NOW - 3 * DAY),
    ],
)
def test_times(text, when):
    assert parse_time(text, NOW) == when


def test_a_date_that_is_over_means_the_next_year():
    assert time.gmtime(parse_time("Jan 5", NOW))[:3] == (2027, 1, 5)


@pytest.mark.parametrize(
    "text",
    ["", "foo", "25:00", "13pm", "0am", "+foo", "-", "3", "12:61", "Feb 31", "in hours", "in 2", "2 foo ago"],
)
def test_bad_times(text):
    with pytest.raises(ValueError):
        parse_time(text, NOW)
