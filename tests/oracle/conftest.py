# SPDX-License-Identifier: LGPL-3.0-or-later
"""Cross-checks against a flux-core, when the environment variable ``FLUX`` names its ``flux`` command.

``FLUX=/usr/bin/flux pytest tests/oracle``. Without it these tests are skipped, so they carry no marks of
RFCs. Fixtures:

- ``flux``: the path, for commands that need no instance: ``subprocess.run([flux, "R", ...])``.
- ``ask(code, inputs)``: many questions to flux-core's Python bindings in one process. ``code`` is a program's
  text that defines ``answer(x)``; the result holds for each input what it returned (JSON values both ways),
  or a `Refused` with the error's text if it raised. 10,000 answers take about a second::

      got = ask("from flux.idset import IDset\\ndef answer(x): return str(IDset(x))", inputs)

- ``rng``: a `random.Random`; the seed is in ``SEED`` (default 0) and printed when a test fails.

A check of many inputs compares whole lists: ``assert differing(inputs, ours, theirs) == []``.
"""

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

_SECONDS = 300

# Runs in flux-core's interpreter. Answers go to the process's own stdout, whatever `code` prints.
_SERVER = """
import json, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
names = {}
exec(json.loads(sys.stdin.readline()), names)
for line in sys.stdin:
    try:
        reply = {"value": names["answer"](json.loads(line))}
    except Exception as exc:
        reply = {"error": f"{type(exc).__name__}: {exc}"}
    print(json.dumps(reply), file=out, flush=True)
"""


class Refused:
    """An error for an input, with its text. All are equal: the texts are each program's own."""

    def __init__(self, text: object) -> None:
        self.text = str(text)

    def __repr__(self) -> str:
        return f"Refused({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refused)

    def __hash__(self) -> int:
        return hash(Refused)


Ask = Callable[[str, Iterable[Any]], list[Any]]


@pytest.fixture(scope="session")
def flux() -> str:
    """The path of flux-core's command."""
    path = os.environ.get("FLUX")
    if not path:
        pytest.skip("FLUX does not name a flux command")
    return path


@pytest.fixture(scope="session")
def ask(flux: str) -> Ask:
    """Answers of flux-core's Python bindings."""

    def ask(code: str, inputs: Iterable[Any]) -> list[Any]:
        lines = [json.dumps(value) for value in (code, *inputs)]
        process = subprocess.run(
            [flux, "python", "-c", _SERVER],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        replies = [json.loads(line) for line in process.stdout.splitlines()]
        if len(replies) < len(lines) - 1:
            at = lines[len(replies) + 1]
            pytest.fail(f"flux-core ended with {process.returncode} at {at}: {process.stderr[-2000:]}")
        return [reply["value"] if "value" in reply else Refused(reply["error"]) for reply in replies]

    return ask


@pytest.fixture
def rng() -> random.Random:
    """Random numbers that come again."""
    seed = int(os.environ.get("SEED", "0"))
    print(f"SEED={seed}")
    return random.Random(seed)


def differing(inputs: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The first ten (input, ours, theirs) that are not equal."""
    rows = zip(inputs, ours, theirs, strict=True)
    return [row for row in rows if row[1] != row[2]][:10]


def answers(function: Callable[[Any], Any], inputs: Iterable[Any], error: type[Exception]) -> list[Any]:
    """What ``function`` makes of each input, with a `Refused` where it raises ``error``."""
    result = []
    for value in inputs:
        try:
            result.append(function(value))
        except error as exc:
            result.append(Refused(exc))
    return result
