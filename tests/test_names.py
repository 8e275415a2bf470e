# SPDX-License-Identifier: LGPL-3.0-or-later
"""A name means one thing: no two public classes of the package share one."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "rosin"

#: Their names are those of the schemas in /openapi.json.
SCHEMAS = ("rest/models.py", "rest/own/schema/", "client/types.py")

#: Names of the public API that its users know, beside those of the formats behind them.
PUBLIC = {"Client", "Instance", "Jobspec", "ResourceSet"}


def shared(root: Path) -> dict[str, list[str]]:
    """The files of each name that several public classes have."""
    files = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        place = str(path.relative_to(root))
        if place.startswith(SCHEMAS):
            continue
        for node in ast.parse(path.read_text()).body:
            if (
                isinstance(node, ast.ClassDef)
                and not node.name.startswith("_")
                and not place.startswith(SCHEMAS)
            ):
                files[node.name].append(place)
    return {name: places for name, places in files.items() if len(places) > 1}


def test_a_name_means_one_thing():
    found = shared(SOURCE)
    assert {name: places for name, places in found.items() if name not in PUBLIC} == {}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "class A: ...", "b": "class B: ..."}, {}),
        ({"a": "class A: ...", "b": "class A(int): ..."}, {"A": ["a.py", "b.py"]}),
        ({"a": "class _A: ...", "b": "class _A: ..."}, {}),
        ({"a": "class A:\n    class B: ...", "b": "class B: ..."}, {}),
        ({"a": "class A: ...", "rest/models": "class A: ..."}, {}),
    ],
)
def test_what_is_shared(tmp_path, files, expected):
    for name, text in files.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert shared(tmp_path) == expected
