# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs``: read and change the key-value store."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser, dispatch


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    from rosin.cli.kvs import change, eventlog, get, listing, namespace, root

    result = AdminParser(prog, "Read and change the key-value store.")
    for module in (namespace, get, change, listing, root, eventlog):
        module.add_commands(result)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
