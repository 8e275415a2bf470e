# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dates by their fields: what fields may say, and which moment is next."""

import time
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.modules.cron.calendar import FIELDS, Calendar, values

BY_NAME = {field.name: field for field in FIELDS}


@pytest.fixture(scope="module", autouse=True)
def _utc():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("minute", "*", set(range(60))),
        ("minute", "5", {5}),
        ("minute", "1,3,5-7", {1, 3, 5, 6, 7}),
        ("minute", "*/20", {0, 20, 40}),
        ("hour", "5-20/5", {5, 10, 15, 20}),
        ("hour", "20/2", {20, 22}),
        ("month", "jan,DEC", {0, 11}),
        ("weekday", "mon-fri", {1, 2, 3, 4, 5}),
        ("weekday", "sunday", {0}),
    ],
)
def test_fields(name, text, expected):
    assert values(BY_NAME[name], text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("minute", "60"),
        ("minute", ""),
        ("minute", "5-1"),
        ("minute", "*/0"),
        ("minute", "*/x"),
        ("minute", "1,,2"),
        ("minute", "-1"),
        ("minute", "mon"),
        ("mday", "0"),
        ("month", "12"),
        ("weekday", "7"),
        ("year", "99999"),
    ],
)
def test_what_fields_cannot_say(name, text):
    with pytest.raises(FormatError, match=rf"{name}: .*expected {BY_NAME[name].low} to {BY_NAME[name].high}"):
        values(BY_NAME[name], text)


def after(begin, **fields):
    moment = Calendar(fields).next(datetime.fromisoformat(begin).timestamp())
    return None if moment is None else datetime.fromtimestamp(moment).isoformat(" ")


@pytest.mark.parametrize(
    ("begin", "fields", "expected"),
    [
        ("2026-11-30 15:20:03", {"second": 0, "minute": "*/5"}, "2026-11-30 15:25:00"),
        ("2026-11-30 15:25:00", {"second": 0, "minute": "*/5"}, "2026-11-30 15:30:00"),
        ("2026-11-30 15:25:00", {}, "2026-11-30 15:25:01"),
        ("2026-12-31 23:59:59", {"second": 0}, "2027-01-01 00:00:00"),
        ("2026-11-30 15:20:03", {"second": 0, "minute": 0, "hour": 0, "mday": 31}, "2026-12-31 00:00:00"),
        ("2026-01-31 15:20:03", {"second": 0, "minute": 0, "hour": 0, "mday": 30}, "2026-03-30 00:00:00"),
        ("2026-11-30 15:20:03", {"second": 0, "minute": 1, "hour": 2, "month": 1}, "2027-02-01 02:01:00"),
        (
            "2026-11-30 15:20:03",
            {"second": 0, "minute": 0, "hour": 9, "weekday": "fri"},
            "2026-12-04 09:00:00",
        ),
        (
            "2026-11-30 15:20:03",
            {"second": 0, "minute": 0, "hour": 0, "mday": 29, "month": 1, "weekday": 1},
            "2044-02-29 00:00:00",
        ),
        ("2026-11-30 15:20:03", {"mday": 30, "month": 1}, None),
        ("2026-11-30 15:20:03", {"year": 125}, None),
        ("2026-11-30 15:20:03", {"year": 130, "second": 0}, "2030-01-01 00:00:00"),
    ],
)
def test_the_next_moment(begin, fields, expected):
    assert after(begin, **fields) == expected


def test_fields_as_clients_see_them():
    assert Calendar({"minute": "*/20", "hour": 5}).encode() == {
        "second": "0-59",
        "minute": "0,20,40",
        "hour": "5",
        "mday": "1-31",
        "month": "0-11",
        "year": "0-1100",
        "weekday": "0-6",
    }


@given(
    st.integers(0, 2_000_000_000),
    st.sampled_from(["*", "0", "*/7", "30-40"]),
    st.sampled_from(["*", "3", "8-17", "*/6"]),
    st.sampled_from(["*", "1", "10-20", "31"]),
    st.sampled_from(["*", "0-1", "1", "11"]),
    st.sampled_from(["*", "1-5", "0"]),
)
def test_no_moment_in_between_matches(now, minute, hour, mday, month, weekday):
    fields = {"second": 0, "minute": minute, "hour": hour, "mday": mday, "month": month, "weekday": weekday}
    moment = Calendar(fields).next(now)
    if moment is None:
        assert (mday, month) == ("31", "1")
        return
    sets = {name: values(BY_NAME[name], str(text)) for name, text in fields.items()}

    def matches(at):
        return (
            at.second == 0
            and at.minute in sets["minute"]
            and at.hour in sets["hour"]
            and at.day in sets["mday"]
            and at.month - 1 in sets["month"]
            and at.isoweekday() % 7 in sets["weekday"]
        )

    found = datetime.fromtimestamp(moment)
    assert moment > now
    assert matches(found)
    begin = datetime.fromtimestamp(now).replace(second=0) + timedelta(minutes=1)
    for _ in range(1500):  # more than a day: what follows is whole days, which have no other times
        if begin >= found:
            break
        assert not matches(begin)
        begin += timedelta(minutes=1)
