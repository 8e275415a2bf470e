# SPDX-License-Identifier: LGPL-3.0-or-later
"""docs/internals/architecture.md: its layers are those that are checked, and its tree is what is there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "internals" / "architecture.md").read_text(encoding="utf-8")
SOURCES = ROOT / "src" / "rosin"

_NAME = re.compile(r"`(rosin\.\w+)(?:\.\*)?`")


def layers_of_page():
    """From the top; those of one row are beside each other but for what is below."""
    table = PAGE.partition("\n## Layers\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d \| (.*?) \|", table, re.MULTILINE)
    parts = [part for row in rows for part in row.split("below")]
    return [set(_NAME.findall(part)) for part in parts]


def test_layers_are_those_of_the_contract():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(one for one in tool["importlinter"]["contracts"] if one["type"] == "layers")
    assert layers_of_page() == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_everything_is_in_a_layer():
    files = [path for path in SOURCES.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    there = {f"rosin.{path.stem}" for path in files} - {"rosin.__init__", "rosin.__main__"}
    assert there == set().union(*layers_of_page())


def drawn():
    """What the page's tree names, below src/rosin; a folder ends with a slash.

    A line has names, two spaces, and what they are. What is indented below a line is in its folder.
    """
    above = [""]
    for line in PAGE.partition("\n```tree\n")[2].partition("```\n")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names, _, what = line.strip().partition("  ")
        assert what, line
        assert above[depth:], f"not in one folder: {line}"
        yield from (above[depth] + name for name in names.split())
        del above[depth + 1 :]
        if re.fullmatch(r"\w+/", names):
            above.append(above[depth] + names)


def test_what_the_tree_names_is_there():
    missing = [
        name for name in drawn() if not (SOURCES / name).is_dir() and not (SOURCES / f"{name}.py").is_file()
    ]
    assert missing == []


def test_every_folder_is_in_the_tree():
    folders = [path for path in SOURCES.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) > 50
    assert {f"{path.relative_to(SOURCES)}/" for path in folders} - set(drawn()) == set()
