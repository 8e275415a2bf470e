# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job last``: the ids of your most recent jobs."""

from __future__ import annotations

from rosin.cli.base import connect, die, id_text
from rosin.cli.subcommands import AdminParser


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} last", "Print the id of your most recent job, or of more of them.")
    options.add_argument(
        "slice", metavar="N|SLICE", nargs="?", default="1", help="a number, or [start:stop:step]"
    )
    args = options.parse_args(argv)
    text = args.slice
    if "[" not in text:
        if not text.lstrip("-").isdecimal():
            options.error(f"invalid number: {text}")
        text = f"[:{text}]"
    with connect() as handle:
        jobs = handle.rpc("job-manager.history.get", {"slice": text}).get()["jobs"]
    if not jobs:
        die(prog, "job history is empty")
    for jobid in jobs:
        print(id_text(jobid))
    return 0
