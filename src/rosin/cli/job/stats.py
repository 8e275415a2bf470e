# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job stats``: numbers of jobs as JSON."""

from __future__ import annotations

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    AdminParser(f"{prog} stats", "Print numbers of jobs by state and result as JSON.").parse_args(argv)
    with connect() as handle:
        print(handle.rpc("job-list.job-stats").get_str())
    return 0
