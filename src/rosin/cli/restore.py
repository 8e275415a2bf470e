# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin restore``: read an archive into the key-value store."""

from __future__ import annotations

import sys

from rosin import _size
from rosin.cli import keycount
from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Read a snapshot of the key-value store from an archive.")
    keycount.add_options(result, "restored", 256, "store N blobs")
    result.flag("--checkpoint", text="make it what the kvs module begins with when it is loaded")
    result.add_argument("--key", metavar="KEY", help="make it the directory KEY")
    result.add_argument(
        "--size-limit",
        metavar="SIZE",
        type=_size_argument,
        default=0,
        help="leave out values of more than SIZE bytes, for example 100M",
    )
    result.add_argument("infile", metavar="INFILE", help="the archive, or - for standard input")
    result.set_defaults(run=_restore)
    return result


def _size_argument(text: str) -> int:
    import argparse

    try:
        return _size.parse(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def kvs_is_loaded(h: Flux) -> bool:
    """Whether the kvs module is loaded on rank 0."""
    return any(module["name"] == "kvs" for module in h.rpc("module.list", nodeid=0).get()["mods"])


def _restore(args: argparse.Namespace) -> None:
    if not args.checkpoint and args.key is None:
        raise ValueError("Please specify a restore target with --checkpoint or --key")
    with connect() as h:
        if args.checkpoint and kvs_is_loaded(h):
            raise ValueError("please unload kvs module before using --checkpoint")
        root, timestamp = _read(h, args)
        if args.checkpoint:
            _say(args, f"writing snapshot {_short(root)} to checkpoint for next KVS start")
            with about("error updating checkpoint"):
                value = {"version": 1, "rootref": root, "sequence": 0, "timestamp": float(timestamp)}
                topic = "content-backing" if args.no_cache else "content"
                h.rpc(f"{topic}.checkpoint-put", {"value": value}, nodeid=0).get()
        else:
            _say(args, f"writing snapshot {_short(root)} to KVS key '{args.key}'")
            _put(h, args.key, root)
        if not args.no_cache:
            with about("error flushing content cache"):
                h.rpc("content.flush", nodeid=0).get()


def _read(h: Flux, args: argparse.Namespace) -> tuple[str, int]:
    """Store the archive; returns the root reference, and when the newest entry was made."""
    from rosin.handle.complete import complete
    from rosin.kvs.snapshot.restore import Restoration, Stores
    from rosin.kvs.snapshot.tarball import members

    stores = Stores(h, h.attr_get("content.hash"), args.maxreqs, args.no_cache)
    count = keycount.KeyCount(h, args, lambda n: f"restored {n} keys ({stores.count} blobs)", "restored")

    def added(path: str, target: str | None) -> None:
        count.add(path if target is None else f"{path} -> {target}")

    restore = Restoration(stores, added, count.line, args.size_limit)
    root = complete(h, restore.read(members(args.infile)))
    count.end()
    return root, restore.timestamp


def _put(h: Flux, key: str, root: str) -> None:
    from rosin import kvs
    from rosin.rfc import treeobj

    with about(f"error updating {key}"):
        txn = kvs.KVSTxn(h)
        txn.put_treeobj(key, treeobj.dirref(root))
        txn.commit()


def _short(ref: str) -> str:
    """What people want to see of a blobref."""
    algo, _, digest = ref.partition("-")
    return f"{algo}-{digest[:8]}"


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(f"{args.prog}: {text}", file=sys.stderr)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
