# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin gc``: collect garbage of the key-value store while the instance works."""

from __future__ import annotations

import sys

from rosin.cli.base import connect
from rosin.cli.keycount import requests_argument
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Remove blobs that nobody refers to from the content store.")
    result.flag("--no-cache", text="ask the backing store of rank 0")
    result.add_argument(
        "--maxreqs",
        metavar="N",
        type=requests_argument,
        default=2,
        help="ask for N directories at a time (default 2)",
    )
    result.add_argument("-v", "--verbose", action="count", default=0, help="tell what is done")
    result.set_defaults(run=_gc)
    return result


def _gc(args: argparse.Namespace) -> None:
    from rosin.handle.complete import complete
    from rosin.kvs.snapshot.garbage import collect

    def trace(text: str) -> None:
        if args.verbose:
            print(f"{args.prog}: {text}", file=sys.stderr)

    with connect() as h:
        done = complete(h, collect(h, window=args.maxreqs, no_cache=args.no_cache, trace=trace))
    print(
        f"{args.prog}: gc complete: marked {done.marked}, reclaimed {done.deleted} blobs"
        f" (horizon epoch {done.epoch})",
        file=sys.stderr,
    )


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
