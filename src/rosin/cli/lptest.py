# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin lptest``: lines of all printable characters, to test what becomes of output."""

from __future__ import annotations

import sys

from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

#: From ``!`` to ``~``.
_FIRST, _CHARACTERS = 0x21, 0x5E
#: Characters that are written at a time, at least.
_PORTION = 65536


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Write lines of all printable characters, each begun one character later.")
    result.add_argument("length", metavar="LENGTH", nargs="?", default="79", help="characters a line (79)")
    result.add_argument("count", metavar="COUNT", nargs="?", default="200", help="lines (200)")
    result.set_defaults(run=_lptest)
    return result


def _lptest(args: argparse.Namespace) -> None:
    length, count = _number("length", args.length), _number("count", args.count)
    lines = [line(number, length) for number in range(min(count, _CHARACTERS))]  # then the same again
    period = "".join(lines)
    while count > 0:
        periods = min(max(1, _PORTION // len(period)), max(1, count // _CHARACTERS))
        if count < _CHARACTERS:
            sys.stdout.write("".join(lines[:count]))
            return
        sys.stdout.write(period * periods)
        count -= periods * _CHARACTERS


def line(number: int, length: int) -> str:
    """A line by its number, with its end."""
    circle = "".join(chr(_FIRST + (number + i) % _CHARACTERS) for i in range(_CHARACTERS))
    return (circle * (length // _CHARACTERS + 1))[:length] + "\n"


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"error parsing {what}: expected a number, as in 79, got '{text[:40]}'")
    return int(text)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
