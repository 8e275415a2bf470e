# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin admin``: what only who runs an instance needs."""

from __future__ import annotations

import sys

from rosin.cli.arguments import REMAINDER
from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, perform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Tell what an instance does at its end and around jobs.")
    sub = result.command("cleanup-push", _cleanup_push, "run a command when the initial program has ended")
    sub.add_argument(
        "cmdline",
        metavar="COMMAND",
        nargs=REMAINDER,
        help="command; it goes before those that are there (default: commands from stdin, a line each)",
    )
    sub = result.command("system-scripts", _system_scripts, "show prolog, epilog and housekeeping scripts")
    sub.flag("-v", "--verbose", text="show scripts of what is not configured, too")
    sub.color()
    return result


def _cleanup_push(args: argparse.Namespace) -> None:
    # Each goes to the front: the last is sent first.
    commands = [" ".join(args.cmdline)] if args.cmdline else [line.strip() for line in sys.stdin][::-1]
    if any(not command.strip() for command in commands):
        raise ValueError("cannot push an empty command line: expected a command, as in 'rm -rf /tmp/x'")
    with connect() as h, about("cleanup-push"):
        h.rpc("runat.push", {"name": "cleanup", "commands": commands}).get()


def _system_scripts(args: argparse.Namespace) -> None:
    from rosin.cli.systemscripts import show

    show(args.verbose, args.color)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return perform(parser(prog), argv, prog)
