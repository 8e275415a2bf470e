# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource``: list resources and their state, drain and undrain them."""

from __future__ import annotations

from rosin.cli.subcommands import AdminParser, add_from

#: Module of this package -> its subcommands.
_MODULES = {
    "listing": ("list", "info", "R"),
    "status": ("status",),
    "control": ("drain", "undrain", "reload", "acquire-mute"),
    "eventlog": ("eventlog",),
}


def parser(prog: str, word: str = "") -> AdminParser:
    """The options of the command; only those of the subcommand ``word`` if it is one."""
    result = AdminParser(prog, "List resources and their state, drain and undrain them.")
    add_from(result, "resource", _MODULES, word)
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.base import utf8_output

    utf8_output()
    args = parser(prog, argv[0] if argv else "").parse_args(argv)
    args.prog = prog
    return args.run(args) or 0
