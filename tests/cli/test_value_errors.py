# SPDX-License-Identifier: LGPL-3.0-or-later
"""An error of a value names option, value, accepted form and an example."""

from __future__ import annotations

from argparse import Namespace

import pytest

from rosin.cli import options, request, submission, watch, when
from rosin.cli.arguments import Parser
from rosin.cli.base import duration
from rosin.cli.environment import job_environment, job_rlimits
from rosin.cli.eventlog import EventFormatter
from rosin.cli.job import control, events, id, urgency
from rosin.cli.subcommands import AdminParser
from rosin.job.jobid import JobID


@pytest.mark.parametrize(
    ("kind", "text", "form"),
    [
        (int, "x", "a whole number, as in 10"),
        (float, "x", "a number, as in 1.5"),
        (duration, "1:00", "a number with a unit, as in 90s"),
        (JobID, "!!", "as in f2Hb4sKD or 1234"),
    ],
)
@pytest.mark.parametrize("make", [Parser, AdminParser])
def test_types_of_options_say_what_they_take(make, kind, text, form, capsys):
    parser = make("prog")
    parser.add_argument("--limit", type=kind)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args([f"--limit={text}"])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert [word for word in ("argument --limit: invalid", text, form) if word not in err] == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: when.parse_since("xyz"), ("--since=xyz", "-1h")),
        (lambda: when.parse_since("nan"), ("--since=nan", "-1h")),
        (lambda: when.parse_since("+1h"), ("--since=+1h", "in the future", "-1h")),
        (lambda: options._begin_time("zz"), ("--begin-time=zz", "+1h")),
        (lambda: submission.time_limit("-1"), ("--time-limit=-1", "negative", "90s")),
        (lambda: submission.time_limit("1e999"), ("--time-limit=1e999", "finite", "90s")),
        (lambda: submission.parse_urgency("x"), ("--urgency=x", "0 to 31", "--urgency=20")),
        (lambda: submission.submit_flags(["x"]), ("--flags", "x", "waitable")),
        (lambda: submission.parse_signal("FOO"), ("--signal=FOO", "USR1@90s")),
        (lambda: request.whole_number("ntasks", "x"), ("--ntasks", "'x'", "--ntasks=4")),
        (lambda: submission.keyval("--setattr", "a..b=1"), ("--setattr=a..b=1", "--setattr=a.b=1")),
        (lambda: submission.keyval("--setopt", "=1"), ("--setopt==1", "--setopt=a.b=1")),
        (lambda: submission.keyval("--setattr", "^a=/no/x"), ("^a=/no/x", "No such file", "JSON")),
        (lambda: submission.constraint(["("]), ("--requires='('", "as in")),
        (lambda: job_environment(["="]), ("--env==", "NAME=VALUE", "--env=DEBUG=1")),
        (lambda: job_environment(["^/no/x"]), ("/no/x", "No such file", "--env-file")),
        (lambda: job_rlimits(["foo"]), ("--rlimit=foo", "core=0", "nofile")),
        (lambda: job_rlimits(["foo=1"]), ("--rlimit=foo=1", "core=0", "nofile")),
        (lambda: job_rlimits(["core=x"]), ("--rlimit", "core=x", "core=0")),
    ],
)
def test_values_of_options_say_what_they_take(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("main", "argv", "words"),
    [
        (urgency.main, ["1", "foo"], ('"foo"', "0 to 31")),
        (urgency.main, ["1", "32"], ("out of range", "0 to 31")),
        (control.raise_, ["--severity=9", "1"], ("--severity=9", "to 7")),
        (control.raiseall, ["--severity=-1", "x"], ("--severity=-1", "to 7")),
        (control.kill, ["-s", "FOO", "1"], ("FOO", "SIGUSR1")),
        (id.main, ["--to=foo", "1"], ("to=foo", "dothex")),
        (events.eventlog, ["--format=x", "1"], ("'x'", "text or json")),
        (events.wait_event, ["-m", "foo", "1", "x"], ("--match-context=foo", "status=0")),
    ],
)
def test_subcommands_of_job_say_what_they_take(main, argv, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv, "rosin-job")
    assert caught.value.code == 1
    err = capsys.readouterr().err
    assert [word for word in words if word not in err] == []


def test_seconds_are_a_time_too():
    assert when.parse_since("12.5") == 12.5


def test_watch_ends_with_2_for_a_time_that_is_none(capsys):
    with pytest.raises(SystemExit) as caught:
        watch._since("rosin-watch", "xyz")
    assert caught.value.code == 2
    assert "--since=xyz" in capsys.readouterr().err


def test_offsets_are_not_padded_in_colour():
    entry = {"timestamp": 3.0, "name": "submit"}
    args = Namespace(human=False, format="text", time_format="offset", color="always")
    assert "m0.000000" in events.Printer(args, "p")._formatter.format(entry)
    assert EventFormatter("text", "offset").format(entry).startswith("       0.000000 ")


def test_ids_in_f58_obey_the_wish_for_ascii(monkeypatch, capsys):
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    assert id.main(["--to=f58", "123456"], "rosin-job") == 0
    assert capsys.readouterr().out.startswith("f")
