# SPDX-License-Identifier: LGPL-3.0-or-later
"""Both ``flux`` packages give the answers of tests/upstream/answers-*.txt, each on both brokers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

UPSTREAM = Path(__file__).parents[1] / "upstream"
DROPIN = Path(__file__).parents[2] / "dropin" / "src"
NAMES = sorted(path.name for path in UPSTREAM.glob("answers-*.txt"))

#: Prints the examples of a file to which the imported package has another answer.
CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
from answers import agrees, examples, run, told
space = {"__name__": "__main__"}
for source, answer in examples(open(sys.argv[2], encoding="utf-8").read()):
    if not source.startswith("# "):
        result = run(source, space)
        if source not in sys.argv[3:] and not agrees(answer, *result):
            print(f">>> {source}\\n{answer}\\n-- and not --\\n{told(*result)}")
"""


#: What Rosin's broker answers otherwise: it says what is wrong with an empty topic.
OTHERWISE = ['fails(h.rpc("", {}).get)']
#: Recorded where no instance could say which hosts there are.
ALONE = ("answers-jobspec.txt", "answers-util.txt", "answers-pool.txt")


@pytest.fixture
def program(tmp_path):
    """The check as a file, for which flux-core's parsers look."""
    path = tmp_path / "check.py"
    path.write_text(CHECK)
    return str(path)


def check(name, *command, otherwise=()):
    done = subprocess.run(
        [*command, str(UPSTREAM), str(UPSTREAM / name), *otherwise],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": ""},
        capture_output=True,
        text=True,
        timeout=58,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", NAMES)
def test_flux_core_answers_what_is_stored(flux, program, name):
    check(name, *([] if name in ALONE else [flux, "start"]), flux, "python", program)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ALONE)))
def test_flux_core_on_rosin(flux, program, name):
    check(name, sys.executable, "-m", "rosin", "start", flux, "python", program, otherwise=OTHERWISE)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ALONE)))
def test_the_drop_in_on_flux_core(flux, program, name):
    check(name, flux, "start", "env", f"PYTHONPATH={DROPIN}", sys.executable, program)
