# SPDX-License-Identifier: LGPL-3.0-or-later
"""The scripts of the page without a browser: units under node, types by tsc, and what all of them keep to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rosin.rest import pages

STATIC = Path(pages.__file__).parent / "static"
UNITS = Path(__file__).parent / "units"
SCRIPTS = sorted((STATIC / "js").rglob("*.js"))

node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node 20")
tsc = pytest.mark.skipif(shutil.which("tsc") is None, reason="needs tsc: npm install -g typescript")


@node
@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.test.mjs")), ids=lambda path: path.name.split(".")[0])
def test_units(unit):
    done = subprocess.run(["node", "--test", unit], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@tsc
def test_types(tmp_path):
    options = {
        "checkJs": True,
        "noEmit": True,
        "strict": True,
        "target": "es2023",
        "module": "es2022",
        "moduleResolution": "bundler",
        "lib": ["es2024", "dom", "dom.iterable"],
        "types": [],
    }
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "include": [f"{STATIC}/js/**/*.js"]}))
    done = subprocess.run(["tsc", "-p", config], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


def test_everything_is_small():
    for path in SCRIPTS:
        assert len(path.read_text().splitlines()) < 300, path
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 2_000_000


def test_nothing_becomes_markup():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    )
    assert [path for path in SCRIPTS if forbidden.search(path.read_text())] == []


def test_there_is_one_style_sheet_and_no_style_or_script_in_pages():
    assert [path.name for path in STATIC.rglob("*.css")] == ["app.css", "welcome.css"]
    shell = (STATIC.parent / "templates" / "shell.html").read_text()
    assert "style=" not in shell
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=", shell)


def test_all_scripts_are_fetched_at_once():
    assert sorted(path.relative_to(STATIC / "js").as_posix() for path in SCRIPTS) == sorted(pages.scripts())
