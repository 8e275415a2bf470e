# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs put``, ``unlink``, ``link``, ``mkdir``, ``copy`` and ``move``: change keys."""

from __future__ import annotations

import errno
import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import about
from rosin.constants import FLUX_KVS_NO_MERGE, FLUX_KVS_READDIR, FLUX_KVS_SYNC, FLUX_KVS_TREEOBJ

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.cli.subcommands import AdminParser
    from rosin.handle.flux import Flux
    from rosin.kvs.txn import KVSTxn


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    put = parser.command("put", _put, "set keys")
    _commit_options(put)
    put.flag("-r", "--raw", text="store the value as it is; '-' reads it from standard input")
    put.flag("-t", "--treeobj", text="the value is a tree object (RFC 11); '-' reads it from standard input")
    put.flag("-n", "--no-merge", text="commit without merging with other commits")
    put.flag("-A", "--append", text="append to the value")
    put.flag("-S", "--sync", text="wait until everything is on disk")
    put.add_argument("pair", metavar="KEY=VALUE", nargs="+", help="keys with their values")
    unlink = parser.command("unlink", _unlink, "remove keys")
    _commit_options(unlink)
    unlink.flag("-R", "--recursive", text="remove directories with what is in them")
    unlink.flag("-f", "--force", text="do not complain about keys that do not exist")
    unlink.add_argument("key", metavar="KEY", nargs="+", help="keys to remove")
    link = parser.command("link", _link, "make a symbolic link")
    _commit_options(link)
    link.add_argument("-T", "--target-namespace", metavar="NAME", help="namespace of the target")
    link.add_argument("target", metavar="TARGET", help="key that the link leads to")
    link.add_argument("name", metavar="LINKNAME", help="key of the link")
    mkdir = parser.command("mkdir", _mkdir, "make directories")
    _commit_options(mkdir)
    mkdir.add_argument("key", metavar="KEY", nargs="+", help="directories to make")
    for name, run, text in (("copy", _copy, "copy a key"), ("move", _move, "rename a key")):
        sub = parser.command(name, run, text)
        sub.add_argument("-S", "--src-namespace", metavar="NAME", help="namespace of the source")
        sub.add_argument("-D", "--dst-namespace", metavar="NAME", help="namespace of the destination")
        sub.add_argument("source", metavar="SOURCE", help="key to read")
        sub.add_argument("destination", metavar="DESTINATION", help="key to write")


def _commit_options(sub: AdminParser) -> None:
    sub.namespace()
    sub.flag("-O", "--treeobj-root", text="print the new root as a tree object")
    sub.flag("-b", "--blobref", text="print the blobref of the new root")
    sub.flag("-s", "--sequence", text="print the sequence number of the new root")


def _commit(txn: KVSTxn, args: argparse.Namespace, flags: int = 0) -> None:
    with about("flux_kvs_commit"):
        root: dict[str, Any] = txn.commit_async(flags).get()
    if args.treeobj_root:
        from rosin import _json
        from rosin.rfc.treeobj import dirref

        print(_json.dumps_sorted(dirref(root["rootref"])).decode())
    elif args.blobref:
        print(root["rootref"])
    elif args.sequence:
        print(root["rootseq"])


def _txn(h: Flux, args: argparse.Namespace) -> KVSTxn:
    from rosin.kvs.txn import KVSTxn

    return KVSTxn(h, namespace=args.namespace)


def _put(args: argparse.Namespace) -> None:
    with connect() as h:
        txn = _txn(h, args)
        for pair in args.pair:
            key, sep, value = pair.partition("=")
            if not sep:
                raise ValueError("put: you must specify a value as key=value")
            _stage(txn, key, _value(value, args), args)
        flags = (FLUX_KVS_NO_MERGE if args.no_merge else 0) | (FLUX_KVS_SYNC if args.sync else 0)
        _commit(txn, args, flags)


def _value(text: str, args: argparse.Namespace) -> bytes:
    if text == "-" and (args.raw or args.treeobj):
        return sys.stdin.buffer.read()
    return text.encode(errors="surrogateescape")


def _stage(txn: KVSTxn, key: str, value: bytes, args: argparse.Namespace) -> None:
    if args.treeobj:
        from rosin.errors import FormatError
        from rosin.rfc.treeobj import decode

        try:
            txn.put_treeobj(key, decode(value))
        except FormatError as exc:
            raise ValueError(f"{key}: Protocol error: {exc}") from None
    elif args.append:
        txn.append(key, value)
    else:
        txn.put(key, value, raw=True)


def _unlink(args: argparse.Namespace) -> None:
    with connect() as h:
        txn = _txn(h, args)
        for key in args.key:
            with about(f"cannot unlink '{key}'"):
                if _removable(h, key, args):
                    txn.unlink(key)
        _commit(txn, args)


def _removable(h: Flux, key: str, args: argparse.Namespace) -> bool:
    """Whether a key is there to be removed. Raises OSError ENOTEMPTY, or ENOENT without ``--force``."""
    from rosin.kvs.lookup import lookup_async

    try:
        obj = lookup_async(h, key, args.namespace, FLUX_KVS_TREEOBJ).get()["val"]
    except OSError as exc:
        if exc.errno == errno.ENOENT and args.force:
            return False
        raise
    if args.recursive or obj["type"] not in ("dir", "dirref"):
        return True
    if lookup_async(h, key, args.namespace, FLUX_KVS_READDIR).get()["val"]["data"]:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")
    return True


def _link(args: argparse.Namespace) -> None:
    with connect() as h:
        txn = _txn(h, args)
        txn.symlink(args.name, args.target, args.target_namespace)
        _commit(txn, args)


def _mkdir(args: argparse.Namespace) -> None:
    with connect() as h:
        txn = _txn(h, args)
        for key in args.key:
            txn.mkdir(key)
        _commit(txn, args)


def _transfer(h: Flux, args: argparse.Namespace) -> None:
    """Copy by reference: the destination gets the tree object of the source."""
    from rosin.kvs.lookup import lookup_treeobj
    from rosin.kvs.txn import KVSTxn

    obj = lookup_treeobj(h, args.source, args.src_namespace)
    txn = KVSTxn(h, namespace=args.dst_namespace)
    txn.put_treeobj(args.destination, obj)
    txn.commit()


def _copy(args: argparse.Namespace) -> None:
    with connect() as h, about("flux_kvs_copy"), about(args.source):
        _transfer(h, args)


def _move(args: argparse.Namespace) -> None:
    from rosin.kvs.txn import KVSTxn

    with connect() as h, about("flux_kvs_move"), about(args.source):
        _transfer(h, args)
        txn = KVSTxn(h, namespace=args.src_namespace)
        txn.unlink(args.source)
        txn.commit()
