# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin job-validator and job-frobnicator: plugins of job ingest, tried on jobs from standard input."""

import json

import pytest

SITE = """
from rosin.job.validator import ValidatorPlugin

class Validator(ValidatorPlugin):
    \"\"\"nobody says no\"\"\"

    def __init__(self, parser):
        parser.add_argument("--word", default="no")

    def configure(self, args):
        self.word = args.word

    def validate(self, job):
        print("looking")
        if self.word in job.jobspec["tasks"][0]["command"]:
            return 22, f"{self.word} is said"
"""
JOBSPEC = {
    "version": 1,
    "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
    "tasks": [{"command": ["no"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0.0}},
}


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.py"
    path.write_text(SITE)
    return f"--plugins={path}"


def answers(result):
    return [json.loads(line) for line in result.out.splitlines()]


def test_jobspecs_alone(command, site):
    lines = f"{json.dumps(JOBSPEC)}\nnonsense\n"
    result = command("job-validator", site, "--jobspec-only", stdin=lines)
    assert (result.code, result.err) == (1, "looking\n")
    assert answers(result)[0] == {"errnum": 22, "errstr": "no is said"}
    assert answers(result)[1]["errnum"] == 22
    result = command("job-validator", site, "--word=yes", "--jobspec-only", stdin=json.dumps(JOBSPEC))
    assert (result.code, answers(result)) == (0, [{"errnum": 0}])


def test_whole_jobs(command, site):
    job = {"jobspec": {**JOBSPEC, "version": 3}, "userid": 1, "urgency": 16, "flags": 0}
    result = command("job-validator", "--plugins=jobspec", site, stdin=json.dumps(job) + "\n[]\n{}")
    texts = [answer["errstr"] for answer in answers(result)]
    assert texts[0] == "jobspec: version: expected 1, got 3, no is said"
    assert texts[1] == "expected an object with jobspec, userid, urgency and flags"
    assert texts[2].startswith("missing key 'flags'")
    assert result.code == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--plugins=nosuch"], 1, "validator plugin 'nosuch' not found: expected jobspec, feasibility, or"),
        (["--plugins=./no.py"], 1, "./no.py: no such file"),
        (["--nosuch"], 2, "unrecognized arguments: --nosuch"),
        (["--require-version=7"], 1, "jobspec: --require-version: expected 1 or any, got '7'"),
    ],
)
def test_what_cannot_be_used(command, words, code, text):
    result = command("job-validator", *words, stdin="")
    assert (result.code, result.out) == (code, "")
    assert text in result.err


def test_help_has_the_options_of_plugins(command, site):
    assert "--word" in command("job-validator", site, "--help").out
    listed = command("job-validator", site, "--list-plugins").out
    assert listed.startswith("jobspec               check the form of a jobspec")
