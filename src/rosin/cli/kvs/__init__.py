# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs``: read and change the key-value store."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser, add_from, dispatch

#: Module of this package -> its subcommands.
_MODULES = {
    "namespace": ("namespace",),
    "get": ("get", "readlink"),
    "change": ("put", "unlink", "link", "mkdir", "copy", "move"),
    "listing": ("dir", "ls"),
    "root": ("version", "wait", "getroot", "sync"),
    "eventlog": ("eventlog",),
}


def parser(prog: str, word: str = "") -> AdminParser:
    """The options of the command; only those of the subcommand ``word`` if it is one."""
    result = AdminParser(prog, "Read and change the key-value store.")
    add_from(result, "kvs", _MODULES, word)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog, argv[0] if argv else ""), argv, prog)
