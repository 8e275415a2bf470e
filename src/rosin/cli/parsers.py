# SPDX-License-Identifier: LGPL-3.0-or-later
"""The argument parsers of all commands, for completion and the reference pages.

Each command builds its parser when it runs. Here it is asked for help, and the parser that is about to print
it is taken instead; so a command needs no second description of itself.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from rosin.cli.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Main = Callable[[list[str], str], int]


class CommandEntry:
    """A command or subcommand.

    Attributes:
        words: what is typed after the program's name, such as ``("kvs", "get")``.
        text: one line that says what it does.
        parser: its argument parser, None for a command that only has subcommands from a table.
        commands: its subcommands.
    """

    __slots__ = ("commands", "parser", "text", "words")

    def __init__(self, words: tuple[str, ...], text: str, parser: argparse.ArgumentParser | None) -> None:
        self.words = words
        self.text = text
        self.parser = parser
        self.commands: list[CommandEntry] = []

    def walk(self) -> Iterator[CommandEntry]:
        """The command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()

    def options(self) -> list[argparse.Action]:
        """The options that the help shows."""
        actions = self.parser._actions if self.parser else []
        return [action for action in actions if action.option_strings and action.help != argparse.SUPPRESS]

    def arguments(self) -> list[argparse.Action]:
        """The positional arguments."""
        actions = self.parser._actions if self.parser else []
        return [
            action
            for action in actions
            if not action.option_strings
            and not isinstance(action, argparse._SubParsersAction)
            and action.help != argparse.SUPPRESS
        ]


class _Caught(BaseException):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(main: Main, argv: list[str], prog: str) -> argparse.ArgumentParser:
    """The parser that prints the help of ``main([*argv, "--help"], prog)``."""

    def catch(self: argparse.ArgumentParser, _file: object = None) -> NoReturn:
        raise _Caught(self)

    original = argparse.ArgumentParser.print_help
    argparse.ArgumentParser.print_help = catch  # type: ignore[method-assign,assignment]
    try:
        main([*argv, "--help"], prog)
    except _Caught as caught:
        return caught.parser
    finally:
        argparse.ArgumentParser.print_help = original  # type: ignore[method-assign]
    raise LookupError(f"{prog} {' '.join(argv)}: --help is not answered by an argument parser")


def load(name: str, prog: str = "rosin") -> CommandEntry:
    """A command of the table with all below it."""
    from importlib import import_module

    module_name, text = COMMANDS[name]
    module = import_module(f"rosin.cli.{module_name}")
    table = getattr(module, "SUBCOMMANDS", None)
    if table is None:
        return _from_parser((name,), text, parser_of(module.main, [], f"{prog}-{name}"))
    command = CommandEntry((name,), text, None)
    for sub, (_, sub_text) in sorted(table.items()):
        parser = parser_of(module.main, [sub], f"{prog}-{name}")
        command.commands.append(_from_parser((name, sub), sub_text, parser))
    return command


def _from_parser(words: tuple[str, ...], text: str, parser: argparse.ArgumentParser) -> CommandEntry:
    command = CommandEntry(words, text, parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                # An alias is no command of its own.
                if name in texts:
                    command.commands.append(_from_parser((*words, name), texts[name], sub))
    return command


def load_all(prog: str = "rosin") -> list[CommandEntry]:
    """All commands in the order of their names."""
    return [load(name, prog) for name in sorted(COMMANDS, key=str.lower)]
