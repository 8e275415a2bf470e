# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs get`` and ``readlink``: read and watch keys."""

from __future__ import annotations

import errno
import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import about
from rosin.constants import (
    FLUX_KVS_READLINK,
    FLUX_KVS_STREAM,
    FLUX_KVS_TREEOBJ,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
    FLUX_KVS_WATCH_FULL,
    FLUX_KVS_WATCH_UNIQ,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.cli.subcommands import AdminParser
    from rosin.handle.flux import Flux


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    get = parser.command("get", _get, "print the values of keys")
    get.namespace()
    get.flag("-r", "--raw", text="print values as they are, without a newline")
    get.flag("-t", "--treeobj", text="print the tree objects (RFC 11)")
    get.add_argument("-a", "--at", metavar="TREEOBJ", help="read a snapshot: a dirref object, from getroot")
    get.flag("-l", "--label", text="print KEY= before each value")
    get.flag("-W", "--waitcreate", text="wait for a key that does not exist")
    get.flag("-w", "--watch", text="print the value again whenever it is written")
    get.flag("-u", "--uniq", text="with --watch, only when it has changed")
    get.flag("-A", "--append", text="with --watch, print only what was appended")
    get.flag("-f", "--full", text="with --watch, notice also what changes the directories above")
    get.add_argument("-c", "--count", metavar="N", type=int, help="with --watch, end after N values")
    get.flag("-S", "--stream", text="receive a large value in pieces")
    get.add_argument("key", metavar="KEY", nargs="+", help="keys to read")
    link = parser.command("readlink", _readlink, "print what symbolic links point to")
    link.namespace()
    link.add_argument("-a", "--at", metavar="TREEOBJ", help="read a snapshot: a dirref object")
    link.flag("-o", "--namespace-only", text="print the namespace alone")
    link.flag("-k", "--key-only", text="print the key alone")
    link.add_argument("key", metavar="KEY", nargs="+", help="links to read")


def lookup_flags(args: argparse.Namespace) -> int:
    """The lookup flags that the options of ``get`` ask for. Raises ValueError if they conflict."""
    if args.at and (args.watch or args.waitcreate or args.stream):
        raise ValueError(
            "--at cannot be used with --watch, --waitcreate or --stream: a snapshot never changes"
        )
    options = (
        (args.treeobj, FLUX_KVS_TREEOBJ),
        (args.watch, FLUX_KVS_WATCH),
        (args.waitcreate, FLUX_KVS_WAITCREATE),
        (args.watch and args.uniq, FLUX_KVS_WATCH_UNIQ),
        (args.watch and args.append, FLUX_KVS_WATCH_APPEND),
        (args.watch and args.full, FLUX_KVS_WATCH_FULL),
        (args.stream, FLUX_KVS_STREAM),
    )
    return sum(flag for wanted, flag in options if wanted)


def text_of(response: Any, raw: bool, as_treeobj: bool) -> bytes:
    """What is printed for a lookup response."""
    from rosin import _json

    obj = response["val"]
    if as_treeobj:
        return _json.dumps_sorted(obj) + b"\n"
    from rosin.rfc.treeobj import val_data

    data = val_data(obj)
    # A value without bytes is nothing, not an empty line.
    return data if raw or not data else data + b"\n"


def check_snapshot(text: str | None) -> None:
    """Check the argument of ``--at``. Raises ValueError."""
    if text is None:
        return
    from rosin.errors import FormatError
    from rosin.rfc.treeobj import decode

    try:
        kind = decode(text)["type"]
    except FormatError as exc:
        raise ValueError(f"--at={text}: Invalid argument: {exc}") from None
    if kind != "dirref":
        raise ValueError(f"--at={text}: Invalid argument: expected a dirref object, as 'getroot' prints it")


def _get(args: argparse.Namespace) -> None:
    flags = lookup_flags(args)
    if args.count is not None and args.count < 0:
        raise ValueError("--count must not be negative")
    check_snapshot(args.at)
    with connect() as h:
        if args.watch:
            _Watch(h, args).run(flags)
            return
        for key in args.key:
            with about(key):
                _get_one(h, key, flags, args)


def _get_one(h: Flux, key: str, flags: int, args: argparse.Namespace) -> None:
    from rosin.kvs.lookup import lookup_async

    out = sys.stdout.buffer
    rpc = lookup_async(h, key, args.namespace, flags, args.at)
    text = f"{key}=".encode() if args.label else b""
    if not args.stream:
        out.write(text + text_of(rpc.get(), args.raw, args.treeobj))
        return
    whole = not args.raw and not args.treeobj
    some = False
    for response in rpc:
        piece = text_of(response, args.raw or whole, args.treeobj)
        out.write(text + piece)
        text, some = b"", some or bool(piece)
    if whole and some:
        out.write(b"\n")


class _Watch:
    """``get --watch``: the values of all keys as they come, until there were as many as are wanted."""

    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        self._h = h
        self._args = args
        self._left = args.count or 0
        self._watched = len(args.key)

    def run(self, flags: int) -> None:
        """Print until the end. Raises OSError for the first key that fails."""
        from rosin.kvs.lookup import lookup_async

        for key in self._args.key:
            with about(key):
                lookup_async(self._h, key, self._args.namespace, flags).then(self._print, key)
        self._h.reactor_run()

    def _print(self, rpc: Any, key: str) -> None:
        args, out = self._args, sys.stdout.buffer
        try:
            with about(key):
                text = text_of(rpc.get(), args.raw, args.treeobj)
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
            self._watched -= 1
            if not self._watched:
                self._h.reactor_stop()
            return
        out.write((f"{key}=".encode() if args.label else b"") + text)
        out.flush()
        rpc.reset()
        self._left -= 1
        if self._left == 0:
            self._h.reactor_stop()


def _readlink(args: argparse.Namespace) -> None:
    from rosin.kvs.lookup import lookup_async

    check_snapshot(args.at)
    with connect() as h:
        for key in args.key:
            with about(key):
                target = lookup_async(h, key, args.namespace, FLUX_KVS_READLINK, args.at).get()["val"]
                if target.get("type") != "symlink":
                    raise OSError(errno.EINVAL, "Invalid argument")
            print(link_text(target["data"], args.namespace_only, args.key_only))


def link_text(data: dict[str, str], namespace_only: bool = False, key_only: bool = False) -> str:
    """A link as ``NAMESPACE::KEY``, or ``KEY`` when it has no namespace, or one of the two."""
    namespace, key = data.get("namespace"), data["target"]
    if namespace is None:
        return key
    return namespace if namespace_only else key if key_only else f"{namespace}::{key}"
