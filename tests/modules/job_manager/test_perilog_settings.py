# SPDX-License-Identifier: LGPL-3.0-or-later
"""[job-manager.prolog], [job-manager.epilog] and [job-manager.perilog]."""

import pytest

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins import load
from rosin.modules.job_manager.plugins.perilog_settings import PerilogSettings

from .perilogs import query, settings


def test_what_tables_say_when_they_say_nothing():
    both = PerilogSettings.parse(settings(prolog={"command": ["a"]}, epilog={"command": ["b"]}))
    assert both.describe() == {
        "prolog": {
            "command": ["a"],
            "per_rank": False,
            "cancel_on_exception": True,
            "timeout": 1800.0,
            "kill-timeout": 60.0,
        },
        "epilog": {
            "command": ["b"],
            "per_rank": False,
            "cancel_on_exception": False,
            "timeout": 0.0,
            "kill-timeout": 60.0,
        },
    }


def test_the_command_is_that_of_the_imp_unless_told_otherwise():
    found = PerilogSettings.parse({**settings(prolog={}), "exec": {"imp": "/x/imp"}}).prolog
    assert found is not None
    assert found.command == ["/x/imp", "run", "prolog"]


def test_values_that_mean_something_special():
    found = PerilogSettings.parse(
        settings(prolog={"command": ["a"], "timeout": "infinity", "kill-timeout": -1})
    ).prolog
    assert found is not None
    assert (found.timeout, found.kill_timeout) == (0.0, 60.0)


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"prolog": {}}, "job-manager.prolog: no command specified and exec.imp not defined"),
        ({"prolog": {"command": "x"}}, "job-manager.prolog.command: expected an array"),
        ({"epilog": {"command": []}}, "job-manager.epilog.command: expected an array"),
        ({"epilog": {"command": ["x"], "timeout": 5}}, "job-manager.epilog.timeout: expected"),
        (
            {"epilog": {"command": ["x"], "timeout": "soon"}},
            "job-manager.epilog.timeout: expected a duration",
        ),
        ({"prolog": {"command": ["x"], "kill-timeout": "5s"}}, "prolog.kill-timeout: expected a number of"),
        ({"prolog": {"command": ["x"], "kill-timeout": float("inf")}}, "kill-timeout: expected a number of"),
        ({"prolog": {"command": ["x"], "per-rank": 1}}, "job-manager.prolog.per-rank: expected"),
        ({"prolog": {"command": ["x"], "per_rank": True}}, "prolog.per_rank: unknown key; did you mean"),
        ({"perilog": {"log-ignore": "x"}}, "job-manager.perilog.log-ignore: expected"),
        ({"perilog": {"log-ignore": [1]}}, "expected an array of regular expressions"),
        ({"perilog": {"log-ignore": ["("]}}, "'(' is no regular expression"),
        ({"perilog": {"x": 1}}, "job-manager.perilog.x: unknown key"),
        ({"prolog": []}, "job-manager.prolog: expected a table"),
    ],
)
def test_a_wrong_table_is_refused_and_named(bench, tables, text):
    with pytest.raises(FormatError) as caught:
        PerilogSettings.parse(settings(**tables))
    assert text in str(caught.value)
    load.load(bench.manager.jobtap, "perilog.so")
    with pytest.raises(OSError, match="job-manager"):
        bench.manager.jobtap.configure(settings(**tables))
    assert query(bench)["conf"] == {"prolog": {}, "epilog": {}}
