# SPDX-License-Identifier: LGPL-3.0-or-later
"""A shell that is started as a program, and jobs that it cannot run."""

import pytest

from .test_run import JOBID

pytestmark = pytest.mark.system


def test_a_cold_shell(cold, broker, start):
    start(["echo", "hello"]).wait()
    assert cold(str(JOBID)) == (0, "")
    assert broker.output() == b"hello\nhello\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "expected exactly one job id"),
        (["x y"], "x y"),
        (["--init", "{", "1"], "not valid JSON"),
        (["--wrong", "1"], "unknown option --wrong"),
        (["--init", '{"attrs": 1}', "1"], "field 'attrs'"),
    ],
)
def test_a_wrong_command_line(cold, words, text):
    code, errors = cold(*words)
    assert code == 1
    assert text in errors
    assert "Traceback" not in errors


def test_no_broker(cold):
    code, errors = cold("1", env={"FLUX_URI": "local:///no/such/socket"})
    assert code == 1
    assert "/no/such/socket was not found" in errors


def test_a_job_without_resources(broker, cold, start):
    start(["true"]).wait()
    broker.R = {}
    code, _ = cold(str(JOBID))
    assert code == 1
    assert broker.exceptions[0]["note"] == "failed to initialize shell info: payload: missing field 'version'"


def test_a_job_without_a_request(broker, cold, start):
    start(["true"]).wait()
    broker.J = None
    code, _ = cold(str(JOBID))
    assert code == 1
    assert broker.exceptions[0]["note"] == "job-info: no such job"
