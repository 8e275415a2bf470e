# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource drain``, ``undrain``, ``reload`` and ``acquire-mute``: change the state of resources."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rosin.cli.base import connect, error
from rosin.cli.resource.options import add_format, add_selection

if TYPE_CHECKING:
    import argparse

    from rosin.cli.subcommands import AdminParser


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``resource``."""
    sub = parser.command("drain", _drain, "take resources out of use, or list those that are")
    _modes(sub, "replace the reason of what is drained already; twice: also the time")
    add_selection(sub)
    add_format(sub)
    sub.color()
    sub.add_argument("targets", metavar="TARGETS", nargs="?", help="ranks (idset) or hosts (hostlist)")
    sub.add_argument("reason", metavar="REASON", nargs="*", help="words of the reason")
    sub = parser.command("undrain", _undrain, "put drained resources back into use")
    _modes(sub, "do not fail for what is not drained")
    sub.add_argument("targets", metavar="TARGETS", help="ranks (idset) or hosts (hostlist)")
    sub.add_argument("reason", metavar="REASON", nargs="*", help="words of the reason")
    sub = parser.command("reload", _reload, "replace the inventory, for tests")
    sub.flag("-x", "--xml", text="PATH is a directory of <rank>.xml files of hwloc")
    sub.flag("-f", "--force", text="allow more ranks than there are brokers")
    sub.add_argument("path", metavar="PATH", help="file of R, read by the broker")
    parser.command("acquire-mute", _acquire_mute, "tell the scheduler no more about nodes that go down")


def _modes(sub: AdminParser, force: str) -> None:
    sub.add_argument("-f", "--force", action="count", default=0, help=force)
    sub.flag("-u", "--update", text="leave what is in that state already as it is")


def _mode(args: argparse.Namespace) -> str | None:
    if args.update and args.force:
        raise ValueError("Only one of --force and --update may be specified")
    if args.update:
        return "update"
    return (None, "overwrite", "force-overwrite")[min(args.force, 2)]


def _drain(args: argparse.Namespace) -> int:
    from rosin.resource.control import drain

    if args.targets is None:
        from rosin.cli.resource.status import show

        show(args, "drain", {"draining", "drained"}, True)
        return 0
    mode = _mode(args)
    with connect() as h:
        try:
            drain(h, args.targets, " ".join(args.reason) or None, mode).get()
        except OSError as exc:
            if exc.errno != errno.EEXIST:
                raise
            error(args.prog, f"{exc.strerror}; --force replaces the reason, --update leaves it")
            return 1
    return 0


def _undrain(args: argparse.Namespace) -> None:
    from rosin.resource.control import undrain

    mode = _mode(args)
    with connect() as h:
        undrain(h, args.targets, " ".join(args.reason) or None, mode).get()


def _reload(args: argparse.Namespace) -> None:
    from rosin.resource.control import reload

    with connect() as h:
        reload(h, os.path.realpath(args.path), xml=args.xml, force=args.force).get()


def _acquire_mute(_args: argparse.Namespace) -> None:
    with connect() as h:
        h.rpc("resource.acquire-mute", {}, nodeid=0).get()
