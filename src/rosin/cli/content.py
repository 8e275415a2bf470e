# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin content``: load and store blobs of the content store."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch
from rosin.rfc import blobref

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Load and store blobs of the content store.")
    sub = result.command("load", _load, "print blobs")
    sub.flag("-b", "--bypass-cache", text="ask the backing store of rank 0")
    sub.add_argument(
        "blobref", metavar="BLOBREF", nargs="*", help="blobs (default: read from standard input)"
    )
    sub = result.command("store", _store, "store standard input and print its blobref")
    sub.flag("-b", "--bypass-cache", text="store it in the backing store of rank 0")
    sub.add_argument("--chunksize", metavar="N", type=int, default=0, help="make blobs of at most N bytes")
    result.command("flush", _flush, "write the cache to the backing store")
    result.command("dropcache", _dropcache, "drop what the cache can load again")
    group = result.commands("checkpoint", "look at the checkpoints of the key-value store")
    sub = group.command("list", _checkpoint_list, "list the checkpoints")
    sub.flag("-n", "--no-header", text="print no heading")
    sub.flag("-j", "--json", text="print JSON")
    sub = group.command("update", _checkpoint_update, "make a new checkpoint, without the kvs module")
    sub.add_argument("blobref", metavar="BLOBREF", help="the new root directory")
    return result


def _service(args: argparse.Namespace) -> tuple[str, int]:
    """The service and nodeid that ``--bypass-cache`` asks for."""
    return ("content-backing", 0) if args.bypass_cache else ("content", 0xFFFFFFFF)


def _load(args: argparse.Namespace) -> None:
    service, nodeid = _service(args)
    refs = args.blobref or sys.stdin.read().split()
    if not refs:
        raise ValueError("no blobrefs were specified: name them, or write them to standard input")
    with connect() as h, about("error loading blob"):
        for ref in refs:
            digest = _digest(ref)
            sys.stdout.buffer.write(h.rpc(f"{service}.load", digest, nodeid).get_raw())
            sys.stdout.flush()


def _digest(ref: str) -> bytes:
    try:
        return blobref.parse(ref)[1]
    except ValueError as exc:
        raise ValueError(f"error loading blob: Invalid argument: {exc}") from None


def _chunks(size: int) -> Iterator[bytes]:
    """Standard input in pieces of ``size`` bytes, 0: in one; an empty input is one empty piece."""
    stream = sys.stdin.buffer
    data = stream.read(size) if size else stream.read()
    yield data
    while size and len(data) == size:
        data = stream.read(size)
        if data:
            yield data


def _store(args: argparse.Namespace) -> None:
    if args.chunksize < 0:
        raise ValueError("--chunksize must not be negative")
    service, nodeid = _service(args)
    with connect() as h, about("error storing blob"):
        algo = h.attr_get("content.hash")
        for data in _chunks(args.chunksize):
            digest = h.rpc(f"{service}.store", data or None, nodeid).get_raw()
            print(blobref.from_digest(digest, algo))


def _flush(_args: argparse.Namespace) -> None:
    with connect() as h:
        h.rpc("content.flush").get()


def _dropcache(_args: argparse.Namespace) -> None:
    with connect() as h:
        h.rpc("content.dropcache").get()


def _checkpoint_list(args: argparse.Namespace) -> None:
    from rosin.kvs.checkpoint import kvs_checkpoint_lookup

    with connect() as h:
        checkpoints = kvs_checkpoint_lookup(h)
    if args.json:
        from rosin import _json

        for entry in checkpoints:
            print(_json.dumps(entry).decode())
        return
    if not args.no_header:
        print(f"{'Index':<10} {'Sequence':<10} {'Time':<20} Rootref")
    for index, entry in enumerate(checkpoints):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.get("timestamp", 0)))
        print(f"{index:<10} {entry.get('sequence', 0):<10} {stamp:<20} {entry['rootref']}")


def _checkpoint_update(args: argparse.Namespace) -> None:
    from rosin.cli.restore import kvs_is_loaded
    from rosin.kvs.checkpoint import kvs_checkpoint_lookup

    blobref.parse(args.blobref)
    with connect() as h:
        if kvs_is_loaded(h):
            raise ValueError("please unload kvs module before updating checkpoint")
        try:
            sequence = kvs_checkpoint_lookup(h)[0].get("sequence", 0) + 1
        except FileNotFoundError:
            sequence = 1
        value = {"version": 1, "rootref": args.blobref, "sequence": sequence, "timestamp": time.time()}
        h.rpc("content.checkpoint-put", {"value": value}).get()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
