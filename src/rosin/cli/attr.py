# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin getattr``, ``setattr`` and ``lsattr``: broker attributes."""

from __future__ import annotations

import errno
import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command that ``prog`` names."""
    name = prog.rpartition("-")[2]
    if name == "getattr":
        result = AdminParser(prog, "Print the value of a broker attribute.")
        result.set_defaults(run=_getattr)
    elif name == "setattr":
        result = AdminParser(prog, "Set a broker attribute.")
        result.flag("-f", "--force", text="set it although it is not meant to change at run time")
        result.set_defaults(run=_setattr)
    else:
        result = AdminParser(prog, "List the names of the broker attributes.")
        result.flag("-v", "--values", text="list their values too")
        result.set_defaults(run=_lsattr)
        return result
    result.add_argument("name", metavar="NAME", help="the attribute")
    if name == "setattr":
        result.add_argument("value", metavar="VALUE", help="its new value")
    return result


def _getattr(args: argparse.Namespace) -> None:
    with connect() as h, about(args.name):
        value = h.attr_get(args.name)
    print(value)


def _setattr(args: argparse.Namespace) -> None:
    request = {"name": args.name, "value": args.value}
    if args.force:
        request["force"] = True
    with connect() as h:
        try:
            h.rpc("attr.set", request).get()
        except OSError as exc:  # flux-core's words are the broker's alone
            raise OSError(exc.errno, f"{args.name}: {exc.strerror}") from None


def _lsattr(args: argparse.Namespace) -> None:
    with connect() as h:
        names = sorted(h.rpc("attr.list").get()["names"])
        if not args.values:
            sys.stdout.writelines(f"{name}\n" for name in names)
            return
        pending = [(name, h.rpc("attr.get", {"name": name})) for name in names]
        for name, rpc in pending:
            try:
                value = rpc.get()["value"]
            except OSError as exc:
                # Listed names may be without a value.
                if exc.errno != errno.ENOENT:
                    raise
                value = "-"
            print(f"{name:<40}{value}")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
