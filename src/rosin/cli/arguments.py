# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a command line may hold: declared as for argparse, which is imported only where it is needed.

To import argparse takes longer than what most commands do. So a parser is a list of declarations. A plain
command line is parsed by :mod:`rosin.cli.plain`. For any other, be it wrong, a call for help or an unusual
way to write what is right, a parser of :mod:`rosin.cli.argparsers` is made from the same declarations and
begins anew. What a line means, and what is said about it, is argparse's.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from argparse import Namespace as Namespace
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from rosin.cli.plain import Plain

    Command = Callable[[Namespace], int | None]
    #: Of what, a method of argparse, its arguments, and what stands for what it returns.
    Call = tuple["Declarations", str, tuple[Any, ...], dict[str, Any], "Declarations | None"]
else:
    #: What parsers return: all that is used of argparse's class.
    Namespace = type(sys.implementation)

#: The help of an option that no help text shows; argparse's word for it.
SUPPRESS = "==SUPPRESS=="
#: The number of words of an argument that takes all that are left; argparse's word for it.
REMAINDER = "..."


class Declarations:
    """Options and positional arguments of a parser, or of a group of them, as argparse's methods take them.

    Besides those of argparse there are two actions: ``words`` collects comma-separated words of all uses in
    one list, ``append_prefixed`` appends a value to the list of another option, with a ``prefix`` and as
    ``convert`` makes it (``--env-remove=X`` is ``--env=-X``).
    """

    def __init__(self, parser: Declarations | None = None) -> None:
        """``parser``: the one of which this is a group; the help shows options in the order of all calls."""
        self.calls: list[Call] = [] if parser is None else parser.calls

    def add_argument(self, *names: str, **keywords: Any) -> None:
        """Declare an option, or a positional argument."""
        self._call("add_argument", names, keywords)

    def add_argument_group(self, title: str, description: str | None = None) -> Any:
        """A group that the help shows under a title."""
        return self._call("add_argument_group", (title, description), {}, Declarations(self))

    def add_mutually_exclusive_group(self) -> Any:
        """A group of which one option may be used."""
        return self._call("add_mutually_exclusive_group", (), {}, Declarations(self))

    def set_defaults(self, **values: Any) -> None:
        """Declare members of the result that are no options, and defaults of those that are."""
        self._call("set_defaults", (), values)

    def _call(
        self, method: str, args: tuple[Any, ...], keywords: dict[str, Any], made: Declarations | None = None
    ) -> Any:
        self.calls.append((self, method, args, keywords, made))
        return made

    def replay(self, parser: Any) -> None:
        """Make these declarations on a parser, or a group of subcommands, of argparse."""
        objects = {self: parser}
        for owner, method, args, keywords, made in self.calls:
            result = getattr(objects[owner], method)(*args, **keywords)
            if made is None:
                continue
            if made.calls is self.calls:
                objects[made] = result
            else:
                made.replay(result)


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
