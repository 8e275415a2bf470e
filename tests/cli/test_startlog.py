# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin startlog: what is read from the log of starts and ends, and what is written there."""

import re

import pytest

from rosin.modprobe.startlog import StartLog
from rosin.testing.process import RealInstance


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")


def event(name, at, **context):
    return {"name": name, "timestamp": float(at), "context": {"version": 1, **context}}


def test_proper_ends_and_crashes():
    events = [
        event("start", 0, core_version="0.88.0"),
        event("finish", 90),
        event("start", 3600),
        event("start", 7200),
    ]
    runs = StartLog(events, 7242.0)
    assert runs.lines == [
        "1970-01-01 00:00 - 1970-01-01 00:01 (1.5m)",
        "1970-01-01 01:00 - crashed",
        "1970-01-01 02:00 - running (42s)",
    ]
    assert runs.crashed
    assert (
        StartLog(events, 0.0, show_version=True).lines[0].startswith(f"{'0.88.0':>25}  1970-01-01 00:00 - ")
    )


def test_a_proper_end_after_a_crash_is_what_counts():
    runs = StartLog([event("start", 0), event("start", 1), event("finish", 2), event("start", 3)], 4.0)
    assert not runs.crashed
    assert [line.split(" - ")[1].split()[0] for line in runs.lines] == ["crashed", "1970-01-01", "running"]


def test_others_events_are_passed_over():
    events = [event("finish", 0), event("start", 0, version=2), {"name": "start", "timestamp": 0.0}]
    assert StartLog([*events, event("stop", 1)], 2.0).lines == []


def test_a_real_log(tmp_path):
    attrs = [f"-Sstatedir={tmp_path}"]
    with RealInstance(*attrs) as instance:
        done = instance.run("startlog")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d - running \(.*s\)\n", done.stdout)
        assert instance.run("startlog", "--check", "--quiet").returncode == 0
        assert instance.run("startlog", "--post-start-event").returncode == 0  # as if the first had crashed
        done = instance.run("startlog", "--check")
        assert done.returncode == 1
        assert done.stdout.splitlines()[0].endswith("- crashed")
    with RealInstance(*attrs) as instance:
        done = instance.run("startlog", "--check")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)
        instance.run("startlog", "--post-finish-event")
        assert "running" not in instance.run("startlog").stdout
