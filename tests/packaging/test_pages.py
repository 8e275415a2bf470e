# SPDX-License-Identifier: LGPL-3.0-or-later
"""The pages of docs/: their links lead somewhere, and what they quote is what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [link.partition("#")[0] for link in _LINK.findall(text) if "://" not in link]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert missing == []


def test_every_how_to_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    unlisted = [
        path.name for path in (ROOT / "docs" / "how-to").glob("*.md") if f"(how-to/{path.name})" not in index
    ]
    assert unlisted == []


def test_every_environment_variable_that_is_read_has_its_line():
    pages = "".join(
        (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
        for name in ("environment", "shell", "rest")
    )
    read = re.compile(r'environ(?:\.get\(|\.pop\(|\[)"([A-Z_0-9]+)"|"([A-Z_0-9]+)" (?:not )?in os\.environ')
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("dropin/src/**/*.py")]
    names = {a or b for path in sources for a, b in read.findall(path.read_text(encoding="utf-8"))}
    assert {"FLUX_URI", "ROSIN_REGISTRY"} <= names
    assert sorted(name for name in names if f"`{name}`" not in pages) == []


@pytest.mark.parametrize(
    ("page", "example"),
    [
        ("broker-module.md", "counter.py"),
        ("scheduler.md", "lifo.py"),
        ("scheduler.md", "packed.py"),
        ("job-manager-plugin.md", "quota.py"),
        ("job-manager-plugin.md", "short.py"),
    ],
)
def test_quoted_module_is_the_example(page, example):
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    assert (ROOT / "examples" / example).read_text(encoding="utf-8").rstrip() in text


_FILE = re.compile(r"(?<![\w/=.%$-])(?:\./)?([\w-][\w/-]*\.(?:toml|py|sh|json))\b")
#: Files that are not there, which is what their example shows.
_MISSING = {"nosuch.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_commands_use_are_there(page):
    """A page that is followed line by line names the file of each block, or makes it by a command."""
    text = page.read_text(encoding="utf-8")
    unknown = []
    for block in re.finditer(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for command in re.finditer(r"^\$ .*", block[1], re.MULTILINE):
            before = text[: block.start(1) + command.start()]
            for name in _FILE.findall(command[0]):
                made = re.search(rf"`{re.escape(name)}`|> ?{re.escape(name)}\b", before + command[0])
                if not made and not (ROOT / name).exists() and name not in _MISSING:
                    unknown.append(f"{name}: {command[0]}")
    assert unknown == []
