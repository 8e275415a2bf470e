# SPDX-License-Identifier: LGPL-3.0-or-later
"""A package that tests run less of than its floor says fails the check, by name."""

import json
import tomllib

import pytest

from .coverage_floors import FLOORS, compare, figures, floor, main, package
from .sources import sources


def file(lines, all_lines, branches=0, all_branches=0):
    summary = {
        "covered_lines": lines,
        "num_statements": all_lines,
        "covered_branches": branches,
        "num_branches": all_branches,
    }
    return {"summary": summary}


REPORT = {
    "files": {
        "src/rosin/handle/flux.py": file(90, 100, 10, 20),
        "src/rosin/handle/uri.py": file(20, 20, 0, 10),
        "src/rosin/queue.py": file(1, 2),
        "src/rosin/modules/kvs/module.py": file(1, 3),
        "src/rosin/rest/__init__.py": file(0, 0),
    }
}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("src/rosin/queue.py", "rosin"),
        ("src/rosin/broker/boot.py", "rosin.broker"),
        ("src/rosin/broker/services/log.py", "rosin.broker"),
        ("src/rosin/modules/__init__.py", "rosin.modules"),
        ("src/rosin/modules/kvs/module.py", "rosin.modules.kvs"),
    ],
)
def test_packages(path, name):
    assert package(path) == name


def test_lines_and_branches_count_alike():
    reached = figures(REPORT)
    assert list(reached) == ["rosin", "rosin.handle", "rosin.modules.kvs", "rosin.rest"]
    assert reached["rosin.handle"] == 100 * (90 + 10 + 20) / (100 + 20 + 20 + 10)
    assert reached["rosin"] == 50
    assert reached["rosin.rest"] == 100


def test_a_line_for_each_package_below_its_floor():
    reached = {"a": 80.0, "b": 79.996, "c": 90.0, "new": 55.5}
    assert compare(reached, {"a": 80, "b": 80, "c": 70, "gone": 10}) == [
        "b: tests run 79.99 % of it, its floor is 80 %",
        "gone: has a floor in coverage_floors.toml, but no files",
        "new: has no floor: write one of 54 to coverage_floors.toml",
    ]
    assert compare({"a": 80.0}, {"a": 80}) == []


@pytest.mark.parametrize(("figure", "expected"), [(100.0, 100), (99.99, 98), (80.99, 79), (81.01, 80)])
def test_a_floor_is_a_little_below_the_figure(figure, expected):
    assert floor(figure) == expected


def test_the_check(tmp_path, capsys):
    report, floors = tmp_path / "report.json", tmp_path / "floors.toml"
    report.write_text(json.dumps(REPORT))
    arguments = [str(report), "--floors", str(floors)]
    assert main([*arguments, "--write"]) == 0
    assert tomllib.loads(floors.read_text()) == {
        "rosin": 49,
        "rosin.handle": 79,
        "rosin.modules.kvs": 32,
        "rosin.rest": 100,
    }
    assert main(arguments) == 0
    assert capsys.readouterr() == ("", "")
    floors.write_text(floors.read_text().replace("= 49", "= 51"))
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", "rosin: tests run 50.00 % of it, its floor is 51 %\n")


def test_every_package_has_a_floor():
    floors = tomllib.loads(FLOORS.read_text())
    assert sorted(floors) == sorted({package(f"src/rosin/{name}") for name in sources()})
    assert all(type(value) is int and 0 <= value <= 100 for value in floors.values())
