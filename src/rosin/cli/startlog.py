# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin startlog``: when an instance was started and ended, from the KVS key ``admin.eventlog``."""

from __future__ import annotations

import time

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List when an instance was started and ended.")
    result.flag(
        "--check", text="exit with 1 if the instance was not shut down properly before its last start"
    )
    result.flag("--quiet", text="list nothing, for use with --check")
    result.flag("-v", "--show-version", text="show the version of flux-core that each start names")
    result.flag("--post-start-event", text="note a start; for rc1 alone")
    result.flag("--post-finish-event", text="note a proper end; for rc3 alone")
    result.set_defaults(run=_startlog)
    return result


def _startlog(args: argparse.Namespace) -> int:
    from rosin.modprobe import startlog

    with connect() as h:
        for name in ("start", "finish"):
            if getattr(args, f"post_{name}_event"):
                if h.attr_get("rank") != "0":
                    raise ValueError("events of the start log are posted from rank 0 alone")
                with about(f"Error committing {name} event"):
                    startlog.post(h, name, time.time())
                return 0
        with about("Error fetching eventlog"):
            runs = startlog.StartLog(startlog.events(h), time.time(), args.show_version)
    if not args.quiet:
        for line in runs.lines:
            print(line)
    return 1 if args.check and runs.crashed else 0


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
