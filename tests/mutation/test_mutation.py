# SPDX-License-Identifier: LGPL-3.0-or-later
"""A mutant survives a test that checks too little, and none that checks."""

import ast
import textwrap

import pytest
from tests.mutation.__main__ import main
from tests.mutation.mutate import mutants

SOURCE = textwrap.dedent(
    """
    def larger(a: int, b: int) -> int:
        if a > b:
            return a
        return b
    """
)
GOOD = "from rosin.small import larger\n\ndef test(): assert [larger(2, 1), larger(1, 3)] == [2, 3]\n"
BAD = "from rosin.small import larger\n\ndef test(): larger(2, 1)\n"


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def tree(tmp_path, test):
    package = tmp_path / "src" / "rosin"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "small.py").write_text(SOURCE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_small.py").write_text(test)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a = b < c", ["a = b <= c", "pass"]),
        ("a = b and c", ["a = b or c", "pass"]),
        ("a = not b", ["a = b", "pass"]),
        ("f(0, 1, 2, True)", ["f(1, 1, 2, True)", "f(0, 0, 2, True)", "pass"]),
        ("if a:\n    pass", ["if True:\n    pass", "if False:\n    pass"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("def f():\n    return None", []),
        ("if TYPE_CHECKING:\n    import a", []),
        ("a: Literal[0] = b", []),
        ('"""text"""', []),
    ],
)
def test_each_change(source, changed):
    assert sorted(mutant.source.strip() for mutant in mutants(source)) == sorted(changed)


def test_mutants_are_programs_that_differ():
    found = [mutant.source for mutant in mutants(SOURCE)]
    assert len(found) == len(set(found)) == 5
    assert all(ast.parse(source) for source in found)


def test_a_good_test_leaves_only_what_is_the_same(tmp_path, capsys):
    assert main(["--root", str(tree(tmp_path, GOOD)), "src/rosin/small.py"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("survived")] == [
        "survived src/rosin/small.py:3: a >= b"  # of equal numbers, either is the larger
    ]
    assert len(shown) == 6


def test_a_test_that_checks_nothing_kills_nothing(tmp_path, capsys):
    root = tree(tmp_path, BAD)
    assert main(["--root", str(root), "--limit", "2", "src/rosin/small.py"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["survived", "survived", "2"]
    assert (root / "src" / "rosin" / "small.py").read_text() == SOURCE  # only a copy was changed


def test_tests_that_fail_anyway_are_told(tmp_path, capsys):
    root = tree(tmp_path, "def test(): assert False\n")
    assert main(["--root", str(root), "src/rosin/small.py"]) == 2
    assert "fail without a mutant" in capsys.readouterr().out
