# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shape of the house: files that fit a reader's head, and imports that do not run in circles."""

from pathlib import Path

import pytest

from .imports import circles, graph

ROOT = Path(__file__).parents[1]
MAX_LINES = 400
FOLDERS = ("src", "tests", "benchmarks", "dropin", "docs", "examples")


def test_no_imports_in_circles():
    """A type that is imported for a type checker alone counts: who reads one file has to read the other."""
    assert [circle for root in ("src", "dropin/src") for circle in circles(graph(ROOT / root))] == []


def test_no_file_is_long():
    lengths = {
        str(path.relative_to(ROOT)): path.read_bytes().count(b"\n")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > 700
    assert [name for name, lines in lengths.items() if lines > MAX_LINES] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "import p.b", "b": "from p import c", "c": ""}, []),
        ({"a": "import p.b", "b": "import p.a", "c": "import p.a"}, [["p.a", "p.b"]]),
        (
            {"a": "from p.b import x", "b": "def f():\n    from p import c", "c": "import p.a"},
            [["p.a", "p.b", "p.c"]],
        ),
        ({"a": "T = 0\nif T:\n    from p.b import x", "b": "from p.a import y"}, [["p.a", "p.b"]]),
        ({"a": "import p.a"}, [["p.a"]]),
        ({"__init__": "from p.a import x", "a": "from p import x"}, [["p", "p.a"]]),
        ({"__init__": "from p.a import x", "a": "from p import b", "b": ""}, []),
    ],
)
def test_what_a_circle_is(tmp_path, files, expected):
    (tmp_path / "p").mkdir()
    for name, text in files.items():
        (tmp_path / "p" / f"{name}.py").write_text(text)
    assert circles(graph(tmp_path)) == expected
