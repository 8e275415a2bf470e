# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource``: list resources and their state, drain and undrain them."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    from rosin.cli.resource import control, eventlog, listing, status

    result = AdminParser(prog, "List resources and their state, drain and undrain them.")
    for module in (listing, status, control, eventlog):
        module.add_commands(result)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.base import utf8_output

    utf8_output()
    args = parser(prog).parse_args(argv)
    args.prog = prog
    return args.run(args) or 0
