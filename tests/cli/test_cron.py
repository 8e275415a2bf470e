# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin cron: entries from the command line, and how they are shown."""

import re

import pytest

from rosin.cli.cron import ago, members, row


@pytest.fixture
def cron(rosin):
    """The command; all entries are deleted after the test."""
    yield lambda *words, **options: rosin("cron", *words, **options)
    numbers = [line.split()[0] for line in rosin("cron", "list").out.splitlines()[1:]]
    if numbers:
        rosin("cron", "delete", "-k", *numbers)


def number_of(done):
    assert (done.code, done.err) == (0, "")
    return done.out.partition("cron-")[2].split()[0]


def test_an_interval_runs(cron, rosin, tmp_path):
    rosin("cron", "sync", "-d")
    mark = tmp_path / "mark"
    done = cron("interval", "-c1", "-N", "nm", "-d", str(tmp_path), "0.01s", "echo $FLUX_URI >mark; exit 3")
    number = number_of(done)
    assert done.out == f"interval: cron-{number} created\n"
    while "Failed:rc=3" not in cron("list").out:
        pass
    assert mark.read_text().startswith("local://")
    listed = cron("list").out.splitlines()
    assert listed[0] == "    ID CMD/NAME        STATE        #RUNS            LASTRUN  STATUS            "
    assert re.match(rf" +{number} nm +Stopped +1/1 .*ago  Failed:rc=3", listed[1])
    dump = cron("dump", number).out
    assert 'name = "nm"\n' in dump
    assert "task.1.code = 3\n" in dump
    assert "stopped = true\n" in dump
    assert cron("dump", "-k", "stats.failure", number).out == "1\n"
    assert re.match(rf"Removed cron-{number}: nm last ran .* for [\d.]+ms\n", cron("delete", number).out)
    rosin("cron", "sync", "heartbeat.pulse")


def test_events_and_dates(cron):
    event = number_of(cron("event", "-n2", "-a3", "-i", "5s", "-o", "rank=0,timeout=1.5", "a.b", "true", "x"))
    dump = cron("dump", event).out
    for line in ('command = "true x"', "typedata.nth = 2", "typedata.after = 3", "timeout = 1.5"):
        assert f"{line}\n" in dump
    done = cron("at", "tomorrow 12:00", "true")
    assert re.fullmatch(r"at: cron-\d+ created: scheduled in [\d.]+s at .* 12:00:00 \d{4}\n", done.out)
    assert "0/1" in cron("list").out
    done = cron("tab", stdin="# a comment\n\n*/5 * * * * echo  five\n0 0 1 1 * x\n")
    assert len(done.out.splitlines()) == 2
    assert '"echo  five"' in cron("dump", number_of(done)).out


def test_stopping_and_starting(cron):
    number = number_of(cron("interval", "1h", "true"))
    assert cron("stop", number).out == f"Stopped cron-{number}\n"
    assert cron("stop", number).err.startswith(f"rosin-cron: cron-{number}: Invalid argument: ")
    assert cron("start", number).out == f"Started cron-{number}\n"


def test_the_event_to_keep_to(cron):
    assert cron("sync").out == 'sync: sync to event "heartbeat.pulse" epsilon=0.015s.\n'
    assert cron("sync", "-e", "5s", "foo").out == 'sync: sync to event "foo" epsilon=5.000s.\n'
    assert cron("sync", "-d").out == "sync: sync disabled.\n"
    assert cron("sync", "-e", "15ms", "heartbeat.pulse").code == 0


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("interval", "5x", "true"), 2, "invalid Flux standard duration '5x'"),
        (("interval", "5s"), 1, "no command given"),
        (("interval", "0s", "true"), 1, "create: Invalid argument: interval: expected seconds > 0"),
        (("event", "-o", "foo=1", "x", "true"), 1, "--options: 'foo=1': expected KEY=NUMBER of rank,"),
        (("at", "nonsense", "true"), 1, "Failed to parse datetime arg: "),
        (("tab", "/no/such"), 1, "/no/such: No such file or directory"),
        (("dump", "99"), 1, "cron-99: No such cron entry found"),
        (("delete", "99"), 1, "cron-99: No such file or directory: there is no cron-99"),
        (("start", "x"), 2, "invalid number 'x'"),
    ],
)
def test_what_cannot_be(cron, words, code, fault):
    done = cron(*words)
    assert (done.code, done.out) == (code, "")
    assert fault in done.err


def test_a_bad_crontab(cron):
    done = cron("tab", stdin="* * * * true\n")
    assert done.err.startswith(
        "rosin-cron: Failed to process crontab line 1: * * * * true: expected five fields"
    )
    assert "month: '12': expected 0 to 11" in cron("tab", stdin="* * * 12 * true\n").err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "in the future"),
        (1, "a second ago"),
        (42, "42 seconds ago"),
        (100, "a minute ago"),
        (600, "10 minutes ago"),
        (3600 * 5, "5.0 hours ago"),
        (86400 * 3, "3.0 days ago"),
        (86400 * 30, "4 weeks ago"),
        (86400 * 100, "3 months ago"),
        (86400 * 730, "2.0 years ago"),
    ],
)
def test_times_that_have_passed(seconds, text):
    assert ago(seconds) == text


@pytest.mark.parametrize(
    ("task", "status"),
    [
        (None, "None"),
        ({"state": "Exited", "code": 0, "start-time": 1.0}, "Success"),
        ({"state": "Failed", "code": 127, "start-time": 1.0}, "Exec-Error"),
        ({"state": "Running", "start-time": 1.0}, "Running"),
    ],
)
def test_a_line(task, status):
    entry = {"id": 7, "name": "n", "repeat": 0, "stopped": False, "stats": {"count": 3}}
    line = row({**entry, "tasks": [task] if task else []}, 11.0)
    last = "10 seconds ago" if task else "None"
    assert line == f"     7 n               Active           3 {last:>18}  {status:<18}"


def test_keys_of_an_entry():
    entry = {"id": 1, "stats": {"count": 2}, "tasks": [{"pid": 3}]}
    assert dict(members(entry)) == {"id": 1, "stats.count": 2, "task.1.pid": 3}
