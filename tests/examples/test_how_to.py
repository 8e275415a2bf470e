# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pages that are followed line by line: their files are made, and their commands print what they show.

A block in Python or shell is the file that the text before it names last; of a ``console`` block each line
that begins with ``$`` is run, and prints the lines below it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
FOLLOWED = ["job-manager-plugin.md", "scheduler.md"]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w-]+\.(?:py|sh))`")
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks(text):
    """The kind, the file name and the text of each block."""
    for block in _BLOCK.finditer(text):
        names = _FILE.findall(text[: block.start()])
        yield block[1], names[-1] if names else "", block[2]


def alike(output):
    """Without how long something took."""
    return re.sub(r"in [\d.]+s", "in a while", output)


@pytest.mark.parametrize("page", FOLLOWED)
def test_page(page, tmp_path):
    with RealInstance() as instance:
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        plain = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env = {**os.environ, "FLUX_URI": instance.uri, "PATH": path, **plain}
        commands = 0
        for kind, name, text in blocks((PAGES / page).read_text(encoding="utf-8")):
            if kind != "console":
                (tmp_path / name).write_text(text)
                continue
            for command, expected in _COMMAND.findall(text):
                commands += 1
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=tmp_path,
                    env=env,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=120,
                )
                assert alike(done.stdout) == alike(expected), command
        assert commands
