# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin top``: an instance and its running jobs, as they change."""

from __future__ import annotations

import os
import sys

from rosin.cli.base import add_color
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_KEYS = """keys:
  j, k, arrows up and down     choose a job
  Enter                        look into the chosen job, if it is an instance (blue)
  h, l, arrows left and right  choose a queue
  d                            tell jobs that failed from others
  q                            go back to the instance before, or end
  Ctrl-L                       draw the screen anew
"""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    from rosin.cli.arguments import SUPPRESS

    result = AdminParser(prog, "Show the resources and the running jobs of an instance.", epilog=_KEYS)
    add_color(result)
    result.add_argument("-q", "--queue", metavar="NAME", help="only jobs and resources of this queue")
    result.add_argument("--test-exit", action="store_true", help=SUPPRESS)
    result.add_argument("--test-exit-dump", metavar="FILE", help=SUPPRESS)
    result.add_argument("target", metavar="TARGET", nargs="?", help="instance to show (default: this one)")
    result.set_defaults(run=_top)
    return result


def _top(args: argparse.Namespace) -> None:
    if not sys.stdin.isatty():
        raise ValueError("stdin is not a terminal")
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise ValueError("the terminal (TERM) cannot place text: set TERM to what it is, such as xterm")
    from rosin.cli.colour import use_color
    from rosin.cli.resolvers import reach
    from rosin.cli.top.terminal import CursesTerminal
    from rosin.cli.top.view import View

    uri = None if args.target is None else reach(args.target)
    with View.of(uri, None) as view:
        if args.queue is not None:
            view.model.choose_queue(args.queue)
        with CursesTerminal(use_color(args.color)) as terminal:
            view.run(terminal, once=args.test_exit or args.test_exit_dump is not None)
        if args.test_exit_dump is not None:
            with open(args.test_exit_dump, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in view.model.lines())


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
