# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin logger``: append lines to the broker's log."""

from __future__ import annotations

import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog, "Append each line of a message, or of the standard input, to the broker's log."
    )
    add = result.add_argument
    add("-s", "--severity", metavar="LEVEL", default="notice", help="one of " + ", ".join(_SEVERITIES))
    add("-n", "--appname", metavar="NAME", default="logger", help="name of the program that says it")
    add("message", metavar="MESSAGE", nargs="*", help="words of the message (default: standard input)")
    result.set_defaults(run=_logger)
    return result


def _logger(args: argparse.Namespace) -> None:
    if args.severity not in _SEVERITIES:
        raise ValueError("invalid severity: Use " + "|".join(_SEVERITIES))
    with connect() as h:
        # Each line is an entry: what follows a line's end could pass for an entry of somebody else.
        for line in " ".join(args.message).splitlines() if args.message else _input():
            if line:
                h.log(_SEVERITIES.index(args.severity), line, args.appname)


def _input() -> Iterator[str]:
    for data in sys.stdin.buffer:
        yield from data.decode(errors="replace").splitlines()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
