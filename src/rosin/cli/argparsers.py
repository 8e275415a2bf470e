# SPDX-License-Identifier: LGPL-3.0-or-later
"""argparse's parsers of what :mod:`rosin.cli.arguments` declares: for help, errors and unusual lines."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from rosin.cli.base import DURATION_FORM, JOBID_FORM

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the values of options are, by the name of their type.
_ACCEPTED = {
    "JobID": JOBID_FORM,
    "duration": DURATION_FORM,
    "float": "a number, as in 1.5",
    "int": "a whole number, as in 10",
    "setting": "KEY=VALUE, as in limit=3 or user.limit=3",
}


class ArgumentParser(argparse.ArgumentParser):
    """The parser of a :class:`~rosin.cli.arguments.Parser`."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", formatter)
        super().__init__(prog, allow_abbrev=False, **kwargs)
        self.register("action", "append_prefixed", _AppendPrefixed)
        self.register("action", "words", _Words)

    def _add_action(self, action: argparse.Action) -> Any:
        """Add a declaration; what may be left out is not told as missing."""
        if not action.option_strings and action.nargs in (argparse.ZERO_OR_MORE, argparse.REMAINDER):
            action.required = False
        return super()._add_action(action)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A word that this parser does not know is an error of its own, told with its own usage.

        argparse hands such words up to the parser of the command, which prints the wrong usage.
        """
        namespace, extra = super().parse_known_args(args, namespace)
        if extra:
            self.unrecognized(extra)
        return namespace, extra

    def unrecognized(self, words: list[str]) -> NoReturn:
        """Report words that have no meaning here."""
        self.error(f"unrecognized arguments: {' '.join(words)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert the value of an option; an error says what it takes, too."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as exc:
            accepted = _ACCEPTED.get(getattr(action.type, "__name__", ""))
            if accepted is None:
                raise
            raise argparse.ArgumentError(action, f"{exc.message}: it takes {accepted}") from None


class AdminArgumentParser(ArgumentParser):
    """The parser of an :class:`~rosin.cli.subcommands.AdminParser`."""

    _commands: argparse._SubParsersAction[AdminArgumentParser] | None = None
    _words: tuple[str, ...] = ()

    def add_subparsers(self, **kwargs: Any) -> Any:
        self._commands = super().add_subparsers(**kwargs)
        return self._commands

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = sys.argv[1:] if args is None else args
        end = self._command_at(words)
        words = self._whole(words, end)
        self._words = tuple(words)
        words = [*map(self._complete, words[:end]), *words[end:]]
        namespace, extra = super().parse_known_args(words, namespace)
        if self._commands is not None and not hasattr(namespace, "run"):
            self.error("missing subcommand")
        return namespace, extra

    def _whole(self, words: list[str], end: int) -> list[str]:
        """The words with unique beginnings of long options made whole, as getopt_long(3) does."""
        result: list[str] = []
        for at, word in enumerate(words):
            if at >= end or word == "--" or (word[:1] != "-" and self._commands is not None):
                return [*result, *words[at:]]
            name, equals, value = word.partition("=")
            if name[:2] == "--" and name not in self._option_string_actions:
                found = [option for option in self._option_string_actions if option.startswith(name)]
                word = f"{found[0]}{equals}{value}" if len(found) == 1 else word
            result.append(word)
        return result

    def _command_at(self, words: list[str]) -> int:
        """Where the words of a command (REMAINDER) begin at the earliest: they are its own, as they are."""
        if any(action.nargs == argparse.REMAINDER for action in self._actions):
            for at, word in enumerate(words):
                if word == "--" or word[:1] != "-":
                    return at
        return len(words)

    def unrecognized(self, words: list[str]) -> NoReturn:
        if words[0][:1] == "-":
            self._unknown_option(words[0])
        self.error(f"unexpected argument '{words[0]}'")

    def _unknown_option(self, word: str) -> NoReturn:
        first, space, rest = self.prog.partition(" ")
        typed = f"{first.replace('-', ' ', 1)}{space}{rest}"
        option = word.partition("=")[0]
        self._fail(f"unrecognized option '{option}'\nTry '{typed} --help' for more information.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action is self._commands and value not in self._commands.choices:
            known = ", ".join(choice.dest for choice in self._commands._choices_actions)
            self.error(f"Unknown subcommand: {value} (expected one of {known})")
        super()._check_value(action, value)

    def _complete(self, word: str) -> str:
        """Give an option with an optional argument its default, so that the next word is not taken for it."""
        if word[:1] != "-" or len(word) < 2:
            return word
        action = self._option_string_actions.get(word)
        if action is None and word[:2] != "--":
            flags = [self._option_string_actions.get(f"-{flag}") for flag in word[1:]]
            if all(flag is not None and flag.nargs == 0 for flag in flags[:-1]):
                action = flags[-1]
        if action is None or action.nargs != "?" or not action.option_strings:
            return word
        return f"{word}={action.const}" if word[:2] == "--" else f"{word}{action.const}"

    def error(self, message: str) -> NoReturn:
        """End with a usage error; one about a missing argument would hide an option that there is not."""
        words = self._words[: self._words.index("--")] if "--" in self._words else self._words
        for word in words:
            option = word.partition("=")[0] if word[:2] == "--" else word[:2]
            known = word[:1] != "-" or option in ("-", *self._option_string_actions)
            if not known and not option[1].isdigit():
                self._unknown_option(option)
        self._fail(message)

    def _fail(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog.replace(' ', '-', 1)}: {message}\n")


_width: int | None = None


def formatter(prog: str) -> argparse.HelpFormatter:
    """The layout of help texts.

    argparse makes one for every option that is added; it must not look for the terminal each time.
    """
    global _width
    if _width is None:
        try:
            _width = (int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) or 80) - 2
        except (OSError, ValueError):
            _width = 78
    return argparse.HelpFormatter(prog, max_help_position=36, width=_width)


class _AppendPrefixed(argparse.Action):
    """Append a value to the list of another option, with a prefix (``--env-remove=X`` is ``--env=-X``)."""

    def __init__(self, *args: Any, prefix: str = "", convert: Callable[[str], str] = str, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._prefix = prefix
        self._convert = convert

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_option: Any
    ) -> None:
        items = list(getattr(namespace, self.dest) or ())
        items.append(self._prefix + self._convert(values))
        setattr(namespace, self.dest, items)


class _Words(argparse.Action):
    """Collect comma-separated words of all uses in one list."""

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_option: Any
    ) -> None:
        items = list(getattr(namespace, self.dest) or ())
        items += [word for word in values.split(",") if word]
        setattr(namespace, self.dest, items)
