# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pages that are followed line by line: their files are made, and their commands print what they show.

A block in Python, shell or TOML is the file that the text before it names last; of a ``console`` block each
line that begins with ``$`` is run, and prints the lines below it. A reader starts in an empty folder, or in
that of another page.
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
#: Pages that one follows one after the other.
FOLLOWED = [
    ["broker-module.md", "module-at-start.md"],
    ["job-manager-plugin.md"],
    ["scheduler.md"],
]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w/-]+\.(?:py|sh|toml))`")
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks(text):
    """The kind, the file name and the text of each block."""
    for block in _BLOCK.finditer(text):
        names = _FILE.findall(text[: block.start()])
        yield block[1], names[-1] if names else "", block[2]


def alike(output):
    """Without times and what names a single sender."""
    return re.sub(r"[\d.]+ ?m?s\b|\([0-9a-f]{8}![0-9a-f]{8}\)", "...", output)


def follow(text, folder, env):
    """Do what a page says; returns how many commands that were."""
    commands = 0
    for kind, name, block in blocks(text):
        if kind != "console":
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(block)
            continue
        for command, expected in _COMMAND.findall(block):
            commands += 1
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
            )
            assert alike(done.stdout) == alike(expected), command
    return commands


@pytest.mark.parametrize("pages", FOLLOWED, ids=lambda pages: pages[-1])
def test_page(pages, tmp_path):
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    plain = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with RealInstance() as instance:
        env = {**os.environ, "FLUX_URI": instance.uri, "PATH": path, **plain}
        for page in pages:
            assert follow((PAGES / page).read_text(encoding="utf-8"), tmp_path, env)
