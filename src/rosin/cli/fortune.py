# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin fortune``: a line to begin a session with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse

#: What each category has to say; commands stand between backquotes.
FORTUNES = {
    "facts": (
        "`rosin submit --cc=1-100 COMMAND` submits a hundred jobs at once.",
        "`rosin submit --dry-run COMMAND` prints the jobspec and submits nothing.",
        "`rosin jobs -a` also lists the jobs that are over.",
        "`rosin jobs --recursive` looks into jobs that are instances themselves.",
        "`rosin job id --to=words ID` spells a job's id so that it can be read out on the telephone.",
        "`rosin dmesg --follow` shows the broker's log as it is written.",
        "`rosin module trace` shows the messages of services as they pass.",
        "`rosin start COMMAND` ends its instance when COMMAND ends, and takes the jobs along.",
        "`rosin idset --count 0-3,7` counts five ids.",
        "`rosin hostlist --nth=-1 HOSTS` prints the last of the hosts.",
        "`rosin kvs wait VERSION` returns when the store has seen that many changes.",
        "1.5h, 90m and 5400 are one and the same duration.",
        "Job ids are made without asking anybody, and sort by the time of their submission.",
    ),
    "fun": (
        "There are 32 urgencies, and none of them is 'tomorrow'.",
        "A queue is a promise, kept in order.",
        "Rosin keeps the bow on the string, and the job on its node.",
        "The fastest job is the one that need not run.",
        "Exit code 0: the sincerest form of applause.",
        "Patience. A priority is only a number.",
    ),
    "valentines": (
        "My heart has one node, and its resources say: exclusive.",
        "I asked for a slot in your life, with no time limit.",
        "Until you came, I was in state DEPEND.",
    ),
    "art": (
        "    .\n   / \\\n  /   \\\n (  .  )\n  `---'\n  amber",
        "  =]=========>\n  a bow at rest",
    ),
}


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Print something to know, or to smile at.")
    result.add_argument(
        "-c",
        "--category",
        choices=("all", *FORTUNES),
        default="all",
        metavar="NAME",
        help="what kind: " + ", ".join(("all", *FORTUNES)),
    )
    result.set_defaults(run=_fortune)
    return result


def _fortune(args: argparse.Namespace) -> None:
    from random import choice

    names = list(FORTUNES) if args.category == "all" else [args.category]
    print(choice([text for name in names for text in FORTUNES[name]]))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
