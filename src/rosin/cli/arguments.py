# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a command line may hold: declared as for argparse, which is imported only where it is needed.

To import argparse takes longer than what most commands do. So a parser is a list of
:mod:`~rosin.cli.declarations`. A plain command line is parsed by :mod:`rosin.cli.plain`. For any other, be it
wrong, a call for help or an unusual way to write what is right, a parser of :mod:`rosin.cli.argparsers` is
made from the same declarations and begins anew. What a line means, and what is said about it, is argparse's.
"""

from __future__ import annotations

import sys

from rosin.cli.declarations import REMAINDER, SUPPRESS, Declarations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from argparse import Namespace as Namespace
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from rosin.cli.plain import Plain

    Command = Callable[[Namespace], int | None]
else:
    #: What parsers return: all that is used of argparse's class.
    Namespace = type(sys.implementation)

__all__ = ["REMAINDER", "SUPPRESS", "Namespace", "Parser", "Subparsers"]


class Parser(Declarations):
    """A parser without abbreviations of options.

    With :meth:`parse_command` options end at the first word that is not one: what follows belongs to the
    command that is to be run.
    """

    def __init__(self, prog: str, **keywords: Any) -> None:
        super().__init__()
        self.prog = prog
        self._keywords = keywords

    def add_subparsers(self, **keywords: Any) -> Subparsers:
        """A group of subcommands, whose parsers are of the same class."""
        group: Subparsers = self._call("add_subparsers", (), keywords, Subparsers(type(self)))
        return group

    def parse_args(self, argv: Sequence[str] | None = None) -> Namespace:
        """Parse all words; an error ends the program with 2."""
        return self._parse(self._plain(), sys.argv[1:] if argv is None else argv)

    def parse_command(self, argv: Sequence[str]) -> Namespace:
        """Parse options; the words of the command are ``args.command`` (a leading ``--`` is dropped)."""
        plain = self._plain()
        end = plain.options_end(argv)
        args = self._parse(plain, argv[:end])
        args.command = list(argv[end:])
        if args.command[:1] == ["--"]:
            del args.command[0]
        return args

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and end the program with 2."""
        self.argparser().error(message)

    def print_usage(self, file: Any = None) -> None:
        """Print the line that says how the command is used."""
        self.argparser().print_usage(file)

    def argparser(self) -> argparse.ArgumentParser:
        """argparse's parser of these declarations."""
        parser = self._argparser()
        self.replay(parser)
        return parser

    def _argparser(self) -> argparse.ArgumentParser:
        from rosin.cli.argparsers import ArgumentParser

        return ArgumentParser(self.prog, **self._keywords)

    def _plain(self) -> Plain:
        from rosin.cli.plain import Plain

        return Plain(self)

    def _parse(self, plain: Plain, argv: Sequence[str]) -> Namespace:
        values = plain.parse(argv)
        return self.argparser().parse_args(argv, Namespace()) if values is None else Namespace(**values)


class Subparsers(Declarations):
    """Subcommands, whose parsers are of class ``kind``."""

    def __init__(self, kind: type[Parser]) -> None:
        super().__init__()
        self._kind = kind

    def add_parser(self, name: str, **keywords: Any) -> Any:
        """Declare a subcommand; returns its parser."""
        return self._call("add_parser", (name,), keywords, self._kind(name))
