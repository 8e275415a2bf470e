# SPDX-License-Identifier: LGPL-3.0-or-later
"""Command lines run in an instance of flux-core and in one of Rosin, whose answers are compared."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

#: Rosin's commands by flux-core's name.
OURS = os.path.join(os.path.dirname(sys.executable), "flux")

# Runs in the instance: each line in a shell, all of them in one new directory.
_RUNNER = """
import json, os, subprocess, sys, tempfile
os.chdir(tempfile.mkdtemp(dir=sys.argv[1]))
for line in sys.stdin:
    done = subprocess.run(["sh", "-c", json.loads(line)], stdin=subprocess.DEVNULL, capture_output=True)
    texts = [text.decode(errors="backslashreplace") for text in (done.stdout, done.stderr)]
    print(json.dumps([done.returncode, *texts]), flush=True)
"""


class Answer(NamedTuple):
    """Exit code, standard output and standard error of a line."""

    code: int
    out: str
    err: str


def run(flux: str, lines: Iterable[str], folder: object, *options: str) -> list[Answer]:
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


def differences(flux: str, text: str, folder: object, *options: str) -> list[tuple[str, Any, Any]]:
    """The lines of ``text`` that Rosin answers in another way: (line, flux-core's answer, Rosin's).

    Meant to differ are usage errors (exit code 2, each program's own text) and explanations that follow
    flux-core's error text on its line.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    theirs = run(flux, lines, folder, *options)
    ours = run(OURS, lines, folder, *options)
    rows = zip(lines, theirs, ours, strict=True)
    return [(line, real, rosin) for line, real, rosin in rows if not _agree(_plain(real), _plain(rosin))]


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
