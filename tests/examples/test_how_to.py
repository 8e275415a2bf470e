# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pages that are followed line by line: their files are made, and their commands print what they show.

A block in Python, shell or TOML is the file that the text before it names last; of a ``console`` block each
line that begins with ``$`` is run, and prints the lines below it. A reader starts in an empty folder, or in
that of another page.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]  # a page runs many programs

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
#: Pages that one follows one after the other.
FOLLOWED = [
    ["broker-module.md", "module-at-start.md"],
    ["job-manager-plugin.md"],
    ["licences.md"],
    ["scheduler.md"],
    ["submission-plugin.md"],
    ["ingest-plugin.md"],
]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:This is )?`([\w./-]+\.(?:py|sh|toml)|(?<=This is `)[\w-]+)`")
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks(text):
    """The kind, the file name and the text of each block."""
    for block in _BLOCK.finditer(text):
        names = _FILE.findall(text[: block.start()])
        yield block[1], names[-1] if names else "", block[2]


def alike(output):
    """Without times and what names a single sender."""
    return re.sub(r"[\d.]+ ?m?s\b|\([0-9a-f]{8}![0-9a-f]{8}\)|\d+ deselected", "...", output)


def follow(page, folder, env):
    """Do what a page says; returns how many commands that were."""
    commands = 0
    for kind, name, block in blocks((PAGES / page).read_text(encoding="utf-8")):
        if kind == "diff":
            subprocess.run(["git", "apply", "-"], cwd=folder, input=block, text=True, check=True)
        elif kind != "console":
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(block)
        else:
            for command, expected in _COMMAND.findall(block):
                commands += 1
                assert alike(run(command, folder, env)) == alike(expected), command
    return commands


def run(command, folder, env):
    """What a command prints."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.stdout


@pytest.fixture
def instance():
    with RealInstance() as instance:
        yield instance


def environment(instance, python, **more):
    """That of a user who has activated an environment, and whose Python leaves nothing behind."""
    path = f"{os.path.dirname(python)}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "FLUX_URI": instance.uri, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


#: What pytest says is the same whatever plugins there are.
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.mark.parametrize("pages", FOLLOWED, ids=lambda pages: pages[-1])
def test_page(pages, tmp_path, instance):
    env = environment(instance, sys.executable, **PLAIN)
    for page in pages:
        assert follow(page, tmp_path, env)


def test_nested_instances(tmp_path):
    with RealInstance("-s2", "--test-hosts=one,two") as instance:
        assert follow("nested.md", tmp_path, environment(instance, sys.executable))


def test_package_with_a_command(tmp_path, instance):
    """It is installed offline, into an environment that has Rosin and what builds packages."""
    home, folder = tmp_path / "environment", tmp_path / "folder"
    folder.mkdir()
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    (site,) = home.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_path('purelib')}\n")
    script = (ROOT / "scripts" / "rosin").read_text(encoding="utf-8")
    (home / "bin" / "rosin").write_text(script.replace("#!python", f"#!{python}"))
    (home / "bin" / "rosin").chmod(0o755)
    offline = dict.fromkeys(("PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK"), "1")
    offline |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_ROOT_USER_ACTION": "ignore"}  # 0: without isolation
    env = environment(instance, python, **PLAIN, **offline)
    assert follow("command.md", folder, env)
    # Whoever does not activate the environment has it as well.
    env["PATH"] = "/usr/bin:/bin"
    assert run(f"{home}/bin/rosin hello you", folder, env) == "hello, you, from 1 of us\n"


def test_command_in_the_tree(tmp_path, instance):
    """In a copy of the tree, which stands before the one that is installed."""
    kept = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "images")
    shutil.copytree(ROOT, tmp_path / "rosin", ignore=kept)
    env = environment(instance, sys.executable, PYTHONPATH=str(tmp_path / "rosin" / "src"))
    assert follow("command-in-tree.md", tmp_path / "rosin", env)
