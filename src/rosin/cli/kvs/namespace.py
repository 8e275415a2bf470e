# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs namespace``: create, remove and list namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import about

if TYPE_CHECKING:
    import argparse

    from rosin.cli.subcommands import AdminParser


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    group = parser.commands("namespace", "create, remove and list namespaces")
    create = group.command("create", _create, "create namespaces")
    create.add_argument("-o", "--owner", metavar="UID", type=int, help="their owner (default: you)")
    create.add_argument("-r", "--rootref", metavar="BLOBREF", help="directory to begin with")
    create.add_argument("name", metavar="NAME", nargs="+", help="names of namespaces")
    remove = group.command("remove", _remove, "remove namespaces")
    remove.add_argument("name", metavar="NAME", nargs="+", help="names of namespaces")
    group.command("list", _list, "list namespaces")


def _create(args: argparse.Namespace) -> None:
    from rosin.kvs.namespace import namespace_create_async

    with connect() as h:
        algo = h.attr_get("content.hash")
        for name in args.name:
            with about(name):
                namespace_create_async(h, name, args.owner, rootref=args.rootref, algo=algo).get()


def _remove(args: argparse.Namespace) -> None:
    from rosin.kvs.namespace import namespace_remove_async

    with connect() as h:
        for name in args.name:
            with about(name):
                namespace_remove_async(h, name).get()


def _list(_args: argparse.Namespace) -> None:
    with connect() as h:
        entries = h.rpc("kvs.namespace-list").get()["namespaces"]
    print(f"{'NAMESPACE':<36} {'OWNER':>10} {'FLAGS':>10}")
    for entry in entries:
        # An unknown owner may come as -1 or as the largest 32-bit number.
        owner = entry["owner"] & 0xFFFFFFFF
        print(f"{entry['namespace']:<36} {owner:>10} 0x{entry['flags']:08x}")
