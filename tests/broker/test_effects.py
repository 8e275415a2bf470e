# SPDX-License-Identifier: LGPL-3.0-or-later
"""Nothing that a start or a configuration takes is without effect and without a word."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from rosin.broker import attrtable, configtable

from .effects import ATTRIBUTES, CONFIGURATION, FREE

TESTS = Path(__file__).parents[1]


@cache
def functions(path: str) -> dict[str, str]:
    """The functions of a test file with their decorators and the file's other lines."""
    text = (TESTS / path).read_text()
    nodes = ast.parse(text).body
    return {node.name: text for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def assert_shown(name: str, test: str) -> None:
    path, _, function = test.partition("::")
    assert function in functions(path), f"{name}: there is no test {test}"
    # The name, or what it ends in, is in the file of the test.
    word = re.split(r"[.\[\]*]+", name.rstrip(".*[]"))[-1]
    assert word in functions(path)[function], f"{name}: {test} does not use it"


def test_every_attribute_has_an_effect_or_says_why_not() -> None:
    rows = {row.name for row in attrtable.TABLE if not row.flags & attrtable.READONLY}
    assert rows - FREE == {*ATTRIBUTES, *attrtable.IDLE}
    assert not ATTRIBUTES.keys() & attrtable.IDLE.keys()


def test_every_key_has_an_effect_or_says_why_not() -> None:
    assert {key.name for key in configtable.TABLE if not key.idle} == set(CONFIGURATION)


@pytest.mark.parametrize(("name", "test"), [*ATTRIBUTES.items(), *CONFIGURATION.items()])
def test_the_effect_is_shown(name: str, test: str) -> None:
    assert_shown(name, test)
