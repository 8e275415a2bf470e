# SPDX-License-Identifier: LGPL-3.0-or-later
"""What flux-core answers to command lines that programs send is what we answer, each on its own broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import json, subprocess, sys
words, out = json.loads(sys.argv[1]), []
for line in json.loads(sys.argv[2]):
    done = subprocess.run([*words, *line], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    out.append([done.returncode, done.stdout])
print(json.dumps(out))
"""
_LINES = [
    ["queue", "idle", "--timeout=inf"],
    ["queue", "drain", "--timeout=inf"],
    ["module", "debug", "-S", "010", "heartbeat"],
    ["module", "debug", "-c", "0x8", "heartbeat"],
    ["module", "debug", "heartbeat"],
    ["python", "--list-versions"],
    ["resource", "eventlog", "-f", "foo"],
    ["resource", "R", "--from-stdin"],
    ["resource", "R", "-s", "allocated"],
]


def _answers(start: list[str], words: list[str], directory: Path) -> list[list[object]]:
    line = [*start, sys.executable, "-c", _SCRIPT, json.dumps(words), json.dumps(_LINES)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, cwd=directory)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[list[object]] = json.loads(done.stdout)
    return answers


@pytest.mark.timeout(250)
def test_answers_to_command_lines(flux: str, tmp_path: Path) -> None:
    ours = [sys.executable, "-c", "import sys; from rosin.cli.main import main; sys.exit(main())"]
    theirs = _answers([flux, "start"], [flux], tmp_path)
    got = _answers([*ours, "start"], ours, tmp_path)
    assert [pair for pair in zip(_LINES, got, theirs, strict=True) if pair[1] != pair[2]] == []
