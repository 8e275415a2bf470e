# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin logger``: append a line to the broker's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse

_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Append a line to the broker's log.")
    add = result.add_argument
    add("-s", "--severity", metavar="LEVEL", default="notice", help="one of " + ", ".join(_SEVERITIES))
    add("-n", "--appname", metavar="NAME", default="logger", help="name of the program that says it")
    add("message", metavar="MESSAGE", nargs="*", help="words of the line")
    result.set_defaults(run=_logger)
    return result


def _logger(args: argparse.Namespace) -> None:
    if args.severity not in _SEVERITIES:
        raise ValueError("invalid severity: Use " + "|".join(_SEVERITIES))
    with connect() as h:
        h.log(_SEVERITIES.index(args.severity), " ".join(args.message), args.appname)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
