# SPDX-License-Identifier: LGPL-3.0-or-later
"""Command lines, run in an instance of flux-core and in one of Rosin, whose answers are compared.

The lines are in ``lines``: a file is run in a new instance of each, from its first line on. ``# start
OPTIONS`` in it is for ``flux start``; a line that begins with ``!`` is run, its answers are not compared.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
LINES = sorted((Path(__file__).parent / "lines").glob("*.txt"))

#: Rosin's commands by flux-core's name.
OURS = os.path.join(os.path.dirname(sys.executable), "flux")

# Runs in the instance: each line in a shell, all of them in one new directory.
_RUNNER = """
import json, os, subprocess, sys, tempfile
os.chdir(tempfile.mkdtemp(dir=sys.argv[1]))
for line in sys.stdin:
    command = ["timeout", "-k", "5", "20", "bash", "-c", json.loads(line)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    texts = [text.decode(errors="backslashreplace") for text in (done.stdout, done.stderr)]
    print(json.dumps([done.returncode, *texts]), flush=True)
"""


class Answer(NamedTuple):
    """Exit code, standard output and standard error of a line."""

    code: int
    out: str
    err: str


def run(flux: str, lines: Iterable[str], folder: object, options: list[str]) -> list[Answer]:
    """What each line answers in one new instance that ``flux start OPTIONS`` makes."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX")}
    env["PATH"] = f"{os.path.dirname(flux)}:{env['PATH']}"
    done = subprocess.run(
        [flux, "start", *options, sys.executable, "-c", _RUNNER, str(folder)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*json.loads(line)) for line in done.stdout.splitlines()]


def differences(flux: str, path: Path, folder: object) -> list[tuple[str, Answer, Answer]]:
    """The lines of a file that Rosin answers in another way: (line, flux-core's answer, Rosin's).

    Meant to differ are usage errors (exit code 2, each program's own text) and explanations that follow
    flux-core's error text on its line.
    """
    lines = path.read_text().splitlines()
    options = [word for line in lines if line.startswith("# start ") for word in line.split()[2:]]
    lines = [line for line in lines if line and line[0] != "#"]
    plain = [line.lstrip("!") for line in lines]
    rows = zip(lines, run(flux, plain, folder, options), run(OURS, plain, folder, options), strict=True)
    return [row for row in rows if row[0][0] != "!" and not _agree(*map(_plain, row[1:]))]


def _plain(answer: Answer) -> Answer:
    """An answer without what is different in each instance: job ids, times, blobrefs, paths."""
    texts = []
    for text in answer[1:]:
        text = re.sub(r"\bf[A-Za-z0-9]{6,12}\b|ƒ[A-Za-z0-9]+", "JOBID", text)
        text = re.sub(r"\b\d{9,}\.\d+", "TIME", text)
        text = re.sub(r"\bsha1-[0-9a-f]{40}\b", "BLOBREF", text)
        texts.append(text)
    return Answer(answer.code, *texts)


def _agree(real: Answer, rosin: Answer) -> bool:
    if rosin.code == 2 and real.code in (1, 2) and re.search("usage: |^Try ", rosin.err):
        return real.out == rosin.out
    lines = [[line for line in answer.err.splitlines() if line.strip()] for answer in (real, rosin)]
    return (
        real[:2] == rosin[:2]
        and len(lines[0]) == len(lines[1])
        and all(ours.startswith(theirs.rstrip(". ")) for theirs, ours in zip(*lines, strict=True))
    )


@pytest.mark.parametrize("path", LINES, ids=lambda path: path.stem)
def test_lines(flux: str, tmp_path: Path, path: Path) -> None:
    assert differences(flux, path, tmp_path) == []
