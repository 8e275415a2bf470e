# SPDX-License-Identifier: LGPL-3.0-or-later
"""Manual pages: each command has one, made of its reference page; rosin help shows it on a terminal."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.cli.completion import bash, fish, zsh
from rosin.cli.main import COMMANDS
from rosin.cli.parsers import load_all
from rosin.testing.terminal import Terminal

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def manpages():
    spec = importlib.util.spec_from_file_location("manpages", DOCS / "manpages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(manpages):
    return manpages.pages("1.2")


def test_each_command_has_all_that_tells_of_it(pages, command):
    """Help, a reference page, a manual page, and words that shells complete."""
    assert set(pages) == {f"rosin-{name}.1" for name in COMMANDS}
    assert {name for name in COMMANDS if not (DOCS / "reference" / f"{name}.md").exists()} == set()
    commands = load_all()
    for script in (bash("rosin", commands), zsh("rosin", commands), fish("rosin", commands)):
        assert [name for name in COMMANDS if name not in script] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_of_each_command(command, name):
    result = command("help", name)
    assert (result.code, result.err) == (0, "")
    assert result.out.lower().startswith("usage: ")
    assert f"rosin {name}" in result.out.replace("rosin-", "rosin ")


def test_a_page(manpages):
    text = (
        "<!-- note -->\n\n# rosin x-y\n\nSee [a page](x.md), or `cat`.\n\n```\nrosin x-y A\n```\n\n"
        "| option | meaning |\n|---|---|\n| `-a, --b=C\\|D` | Say `it` \\| not |\n\n.dots\n\n"
        "## rosin x-y sub\n\n```\nrosin x-y \\sub\n```\n"
    )
    assert manpages.page("x-y", "do `it`", text, "1.2").splitlines() == [
        '.\\" Made of docs/reference of Rosin',
        '.TH "ROSIN\\-X\\-Y" "1" "" "rosin 1.2" "Rosin"',
        ".SH NAME",
        "rosin\\-x\\-y \\- do it",
        ".SH SYNOPSIS",
        ".nf",
        "rosin x\\-y A",
        ".fi",
        ".SH DESCRIPTION",
        ".PP",
        "See a page, or cat.",
        ".TP",
        "\\fB\\-a, \\-\\-b=C|D\\fR",
        "Say it | not",
        ".PP",
        "\\&.dots",
        '.SH "X\\-Y SUB"',
        ".PP",
        ".nf",
        "rosin x\\-y \\esub",
        ".fi",
        ".SH SEE ALSO",
        ".nf",
        "\\fBrosin help\\fR \\fICOMMAND\\fR",
        "https://github.com/rosin\\-project/rosin/blob/main/docs/index.md",
        ".fi",
    ]


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_pages_are_roff(pages, tmp_path):
    for name, text in pages.items():
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-K", "utf8"], input=text, capture_output=True, text=True
        )
        assert (name, done.returncode, done.stderr) == (name, 0, "")


@pytest.fixture
def installed(tmp_path):
    """An installation with one page, and a man that says what it was called with; how to run its rosin."""
    (tmp_path / "man").write_text('#!/bin/sh\necho "page: $1"\n')
    (tmp_path / "man").chmod(0o755)
    folder = tmp_path / "share" / "man" / "man1"
    folder.mkdir(parents=True)
    (folder / "rosin-run.1").touch()
    code = f"import sys; sys.prefix = {str(tmp_path)!r}; from rosin.cli.main import main; sys.exit(main())"
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return [sys.executable, "-c", code, "help"], env, str(folder / "rosin-run.1")


def test_help_shows_the_page_on_a_terminal(installed):
    words, env, page = installed
    with Terminal(*words, "run", env=env, columns=200) as terminal:
        terminal.expect(f"page: {page}")
        assert terminal.wait() == 0
    with Terminal(*words, "submit", env=env) as terminal:  # which has no page here
        terminal.expect("usage: rosin-submit")
        assert terminal.wait() == 0


def test_help_off_a_terminal(installed):
    words, env, _ = installed
    done = subprocess.run([*words, "run"], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("usage: rosin-run")
