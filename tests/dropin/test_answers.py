# SPDX-License-Identifier: LGPL-3.0-or-later
"""The drop-in answers what flux-core's bindings answered: the examples of tests/upstream/answers-*.txt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

UPSTREAM = Path(__file__).parents[1] / "upstream"
SOURCE = Path(__file__).parents[2] / "dropin" / "src"

#: Runs the examples of a file and prints those with another answer.
CHECK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from answers import agrees, examples, run, told
space, wrong = {"__name__": "__main__"}, []
for source, answer in examples(open(sys.argv[2], encoding="utf-8").read()):
    if not source.startswith("# "):
        result = run(source, space)
        if not agrees(answer, *result):
            wrong.append([source, answer, told(*result)])
print(json.dumps(wrong))
"""


def differences(name, *launcher):
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "80", "NO_COLOR": ""}
    done = subprocess.run(
        [sys.executable, *launcher, "-c", CHECK, str(UPSTREAM), str(UPSTREAM / name)],
        env=env,
        capture_output=True,
        text=True,
        timeout=58,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name",
    [
        "answers-util.txt",
        "answers-pool.txt",
        "answers-jobspec.txt",
        "answers-options.txt",
        "answers-commands.txt",
    ],
)
def test_answers_are_those_of_flux_core(name):
    assert differences(name) == []


@pytest.mark.system
@pytest.mark.parametrize("name", ["answers-handle.txt", "answers-job.txt", "answers-kvs-resource.txt"])
def test_answers_in_an_instance_are_those_of_flux_core(name):
    assert differences(name, "-m", "rosin", "start", sys.executable) == []
