# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs version``, ``wait``, ``getroot`` and ``sync``: the root of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import about
from rosin.constants import FLUX_KVS_SYNC

if TYPE_CHECKING:
    import argparse

    from rosin.cli.subcommands import AdminParser


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    parser.command("version", _version, "print the sequence number of the root").namespace()
    wait = parser.command("wait", _wait, "wait until the root has a sequence number")
    wait.namespace()
    wait.add_argument("version", metavar="VERSION", type=int, help="sequence number to wait for")
    root = parser.command("getroot", _getroot, "print the root")
    root.namespace()
    root.flag("-s", "--sequence", text="print its sequence number")
    root.flag("-o", "--owner", text="print the user id of its owner")
    root.flag("-b", "--blobref", text="print its blobref")
    parser.command("sync", _sync, "write everything to disk")


def _root(args: argparse.Namespace, what: str = "flux_kvs_getroot") -> dict[str, object]:
    from rosin.kvs.namespace import getroot_async

    with connect() as h, about(what):
        root: dict[str, object] = getroot_async(h, args.namespace).get()
    return root


def _version(args: argparse.Namespace) -> None:
    print(_root(args, "flux_kvs_get_version")["rootseq"])


def _getroot(args: argparse.Namespace) -> None:
    root = _root(args)
    if args.owner:
        print(root["owner"])
    elif args.sequence:
        print(root["rootseq"])
    elif args.blobref:
        print(root["rootref"])
    else:
        from rosin import _json
        from rosin.rfc.treeobj import dirref

        print(_json.dumps_sorted(dirref(str(root["rootref"]))).decode())


def _wait(args: argparse.Namespace) -> None:
    from rosin.kvs.namespace import wait_version_async

    with connect() as h, about("flux_kvs_wait_version"):
        wait_version_async(h, args.version, args.namespace).get()


def _sync(_args: argparse.Namespace) -> None:
    from rosin.kvs.txn import KVSTxn

    with connect() as h, about("flux_kvs_commit"):
        KVSTxn(h, namespace="primary").commit_async(FLUX_KVS_SYNC).get()
