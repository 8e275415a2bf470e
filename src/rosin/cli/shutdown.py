# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin shutdown``: end an instance."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect, optional_argument
from rosin.cli.subcommands import AdminParser, about, dispatch
from rosin.constants import FLUX_RPC_STREAMING

if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux

_WARNING, _INFO, _DEBUG = 4, 6, 7


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "End an instance, and print its log until it has ended.")
    result.flag("--skip-gc", text="do not collect garbage of the key-value store this time")
    result.flag("--gc", text="collect garbage of the key-value store at the end")
    result.add_argument("--dump", metavar="PATH", help="write the key-value store to an archive")
    result.flag("--background", text="return at once")
    result.flag("--quiet", text="print warnings and errors only")
    result.add_argument("-v", action="count", dest="verbose", default=0, help="print debug messages too")
    result.add_argument(
        "--verbose",
        type=int,
        metavar="LEVEL",
        **optional_argument(1),
        default=0,
        help="1: print debug messages too",
    )
    result.flag("-y", "--yes", text="answer questions with yes")
    result.flag("-n", "--no", text="answer questions with no")
    result.add_argument("target", metavar="TARGET", nargs="?", help="instance to end (default: this one)")
    result.set_defaults(run=_shutdown)
    return result


def _attr(h: Flux, name: str) -> str | None:
    try:
        return h.attr_get(name)
    except FileNotFoundError:
        return None


def _ask(question: str) -> bool:
    while True:
        answer = input(f"{question} [Y/n]? ").strip().lower()
        if answer[:1] in ("", "y", "n"):
            return answer[:1] != "n"
        print("Please answer y or n")


def _collect_garbage(h: Flux, args: argparse.Namespace) -> bool:
    """Whether the store has seen more commits than ``kvs.gc-threshold`` allows, and the user agrees."""
    threshold = h.rpc("config.get").get().get("kvs", {}).get("gc-threshold", 0)
    version = h.rpc("kvs.getroot", {"namespace": "primary"}).get()["rootseq"]
    if threshold <= 0 or version <= threshold or args.skip_gc:
        return False
    if args.yes or args.no:
        return bool(args.yes)
    if not sys.stdin.isatty():
        raise ValueError("gc threshold exceeded, specify -y or -n")
    return _ask("gc threshold exceeded, do you want to perform garbage collection")


def _prepare_dump(h: Flux, args: argparse.Namespace) -> None:
    dump = _attr(h, "content.dump") or ""
    wanted = dump
    if args.skip_gc:
        wanted = "" if dump == "auto" else dump
    elif args.dump:
        wanted = args.dump
    elif args.gc or _collect_garbage(h, args):
        wanted = "auto"
    if wanted != dump:
        with about("setattr content.dump"):
            h.attr_set("content.dump", wanted)
    if wanted:  # what "auto" leaves behind, a dump or the cleaned store, is the instance's affair
        what = "collect garbage of the KVS" if wanted == "auto" else f"dump KVS to {wanted}"
        sys.stderr.write(f"{args.prog}: shutdown will {what} (this may take some time)\n")


def _shutdown(args: argparse.Namespace) -> None:
    if (args.gc or args.dump) and args.skip_gc:
        raise ValueError("--skip-gc cannot be used with --gc or --dump")
    if args.yes and args.no:
        raise ValueError("Only one of --yes or --no may be specified")
    uri = None
    if args.target is not None:
        from rosin.cli.resolvers import reach

        uri = reach(args.target)
    level = _WARNING if args.quiet else _DEBUG if args.verbose > 0 else _INFO
    with connect(uri) as h:
        rank = h.rank
        if rank != 0:
            raise ValueError(f"this is rank {rank}; the instance can be shut down at rank 0 only")
        _prepare_dump(h, args)
        if args.background:
            h.rpc("shutdown.start", {"loglevel": level}).get()
            return
        for response in h.rpc("shutdown.start", {"loglevel": level}, flags=FLUX_RPC_STREAMING):
            sys.stderr.write(response["log"])


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
