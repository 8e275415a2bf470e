# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 1, 2 and 7: what of the project's conventions can be seen in its files."""

import re
import tomllib
from pathlib import Path

import pytest

from rosin.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
SPDX = "SPDX-License-Identifier: LGPL-3.0-or-later"
FOLDERS = ("src", "tests", "docs", "benchmarks", "examples", "dropin")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def sources():
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.rfc(1, "share-alike")
@pytest.mark.rfc(2, "lgpl", "or-later")
def test_licence():
    text = (ROOT / "LICENSE").read_text()
    assert text.split()[:7] == ["GNU", "LESSER", "GENERAL", "PUBLIC", "LICENSE", "Version", "3,"]
    assert PROJECT["project"]["license"] == "LGPL-3.0-or-later"
    assert PROJECT["project"]["license-files"] == ["LICENSE", "COPYING"]


@pytest.mark.rfc(2, "spdx")
def test_source_files_name_the_licence():
    files = sources()
    assert len(files) > 300
    # A program's first line may name its interpreter.
    assert [path for path in files if SPDX not in "".join(path.read_text().splitlines(True)[:2])] == []


@pytest.mark.rfc(1, "style-documented")
@pytest.mark.rfc(2, "c4", "no-agreement")
def test_contributing_tells_the_rules():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    assert "Rosin follows [RFC 1]" in text
    assert "## The code" in text
    assert "By contributing you agree that your work is distributed under LGPL-3.0-or-later." in text
    assert not re.search(r"copyright assignment|contributor licen[cs]e agreement|\bCLA\b", text)


@pytest.mark.rfc(47, "stated")
def test_contributors_are_told_of_the_code_of_conduct():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    conduct = text.partition("## Conduct\n")[2].partition("\n## ")[0]
    assert "(RFC 47)" in conduct
    assert "Turn to the maintainers" in conduct


@pytest.mark.rfc(1, "versions")
def test_version_is_semantic():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", PROJECT["project"]["version"])


@pytest.mark.rfc(7, "black")
def test_format_is_checked_and_differs_from_blacks_in_width_only():
    assert "ruff format --check ." in (ROOT / "Makefile").read_text()
    assert "format" not in PROJECT["tool"]["ruff"]
    assert PROJECT["tool"]["ruff"]["line-length"] == 110


@pytest.mark.rfc(1, "contracts-documented")
def test_commands_and_formats_have_pages():
    reference = ROOT / "docs" / "reference"
    assert [name for name in COMMANDS if not (reference / f"{name}.md").exists()] == []
    # tests/test_rfc_library.py compares its modules with those of rosin.rfc.
    assert (reference / "rest.md").exists()
    assert (reference / "rfc-library.md").exists()
