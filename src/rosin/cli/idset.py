# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin idset``: combine sets of ids (RFC 22)."""

from __future__ import annotations

import sys
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, dispatch
from rosin.rfc.idset import Idset
from rosin.rfc.idset.text import MAX_LIMIT

if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Combine sets of ids; without arguments they are read from standard input.")
    group = result.add_mutually_exclusive_group()
    group.add_argument("-i", "--intersect", action="store_true", help="print ids that are in all sets")
    group.add_argument("-m", "--minus", action="store_true", help="print ids of the first set only")
    group.add_argument("-X", "--xor", action="store_true", help="print ids that are in an odd number of sets")
    result.flag("-e", "--expand", text="print single ids")
    result.add_argument(
        "-d", "--delimiter", metavar="S", default=" ", help="what separates ids with --expand (a blank)"
    )
    result.flag("-c", "--count", text="print the number of ids")
    result.flag("-b", "--brackets", text="print brackets around a set of several ids")
    result.flag("-q", "--quiet", text="print nothing; exit with 1 when the set is empty")
    result.add_argument("sets", metavar="IDSET", nargs="*", help="sets to combine (default: their union)")
    result.set_defaults(run=_idset)
    return result


def _idset(args: argparse.Namespace) -> int:
    words = args.sets or sys.stdin.read().split()
    sets = [Idset.decode(word, limit=MAX_LIMIT) for word in words] or [Idset()]
    if args.intersect:
        ids = reduce(lambda one, other: one & other, sets)
    elif args.minus:
        ids = reduce(lambda one, other: one - other, sets)
    elif args.xor:
        ids = reduce(lambda one, other: one ^ other, sets)
    else:
        ids = reduce(lambda one, other: one | other, sets)
    if args.quiet:
        return 0 if ids else 1
    if args.count:
        print(len(ids))
    elif args.expand:
        _expand(ids, args.delimiter)
    else:
        print(ids.encode(brackets=args.brackets))
    return 0


def _expand(ids: Idset, delimiter: str) -> None:
    """Print ids in portions: there may be more of them than fit in memory."""
    numbers = map(str, ids)
    before = ""
    while portion := list(islice(numbers, 65536)):
        sys.stdout.write(before + delimiter.join(portion))
        before = delimiter
    print()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
