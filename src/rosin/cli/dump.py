# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin dump``: write the key-value store to an archive."""

from __future__ import annotations

import os
import sys
import time

from rosin.cli import keycount
from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Write a snapshot of the key-value store to an archive.")
    keycount.add_options(result, "archived", 2, "ask for N objects")
    result.flag("--checkpoint", text="dump the newest checkpoint, not what the kvs module has now")
    result.flag("--ignore-failed-read", text="leave out what the content store cannot load")
    result.add_argument(
        "outfile",
        metavar="OUTFILE",
        help="the archive: a name that ends with .tar, .tgz, .tbz or .txz, or - for standard output",
    )
    result.set_defaults(run=_dump)
    return result


def _root(h: Flux, args: argparse.Namespace) -> tuple[str, float]:
    """The root reference, and since when it is what it is."""
    from rosin import kvs

    if args.checkpoint:
        with about("error fetching checkpoints"):
            newest = kvs.kvs_checkpoint_lookup(h, args.no_cache)[0]
        return newest["rootref"], newest.get("timestamp", 0.0)
    with about("error fetching current KVS root"):
        return kvs.getroot_async(h).get()["rootref"], time.time()


def _dump(args: argparse.Namespace) -> None:
    from rosin.handle.complete import complete
    from rosin.kvs.snapshot.dump import Dump
    from rosin.kvs.snapshot.tarball import ArchiveWriter
    from rosin.kvs.snapshot.walk import loader

    with connect() as h:
        root, since = _root(h, args)
        count = keycount.KeyCount(h, args, lambda n: f"archived {n} keys", "archived")

        def failed(text: str) -> None:
            if not args.ignore_failed_read:
                raise OSError(text)
            count.line(text)

        with ArchiveWriter(args.outfile) as archive:
            dump = Dump(archive, count.add, failed, int(since), (os.getuid(), os.getgid()))
            complete(h, dump.write(loader(h, args.no_cache), root, args.maxreqs))
        count.end()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    if "-" in argv and sys.stdout.isatty():
        raise SystemExit(f"{prog}: standard output is a terminal: name a file, such as kvs.tgz")
    return dispatch(parser(prog), argv, prog)
