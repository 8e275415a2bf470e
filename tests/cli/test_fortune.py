# SPDX-License-Identifier: LGPL-3.0-or-later
"""`rosin fortune` says something of the kind that is asked for, and its facts are true."""

import re

import pytest

from rosin.cli.fortune import FORTUNES
from rosin.cli.parsers import load
from rosin.rfc import fluid, fsd, urgency
from rosin.rfc.idset import Idset

EVERYTHING = {text + "\n" for texts in FORTUNES.values() for text in texts}
COMMANDS = [command for fact in FORTUNES["facts"] for command in re.findall("`rosin ([^`]*)`", fact)]


def test_each_category(command):
    for name, texts in FORTUNES.items():
        code, out, err = command("fortune", "-c", name)
        assert (code, err) == (0, "")
        assert out[:-1] in texts
    assert command("fortune").out in EVERYTHING
    assert command("fortune", "--category=all").out in EVERYTHING


def test_unknown_category(command):
    code, out, err = command("fortune", "-c", "weather")
    assert (code, out) == (2, "")
    assert "weather" in err


@pytest.mark.parametrize("text", COMMANDS)
def test_commands_and_options_exist(text):
    name, *rest = text.split()
    command = load(name)
    if rest and not rest[0].startswith("-") and command.commands:
        sub = rest.pop(0)
        command = next(each for each in command.commands if each.words[-1] == sub)
    known = {option for action in command.options() for option in action.option_strings}
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= known


def test_numbers():
    assert fsd.parse("1.5h") == fsd.parse("90m") == fsd.parse("5400")
    assert len(Idset("0-3,7")) == 5
    assert sum(map(urgency.in_range, range(100))) == 32
    ids = fluid.Generator(0, 0)
    made = [ids.next(now) for now in (1, 1, 2, 500)]
    assert made == sorted(made)
