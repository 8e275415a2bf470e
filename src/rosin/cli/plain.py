# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plain command lines, parsed without argparse and with its result.

Plain is a line without fault that has exact options, whose values do not begin with a hyphen, and all
positional arguments in one run; what follows the first word of a command (REMAINDER) is the command's. About
any other line nothing is said here: it is for argparse, which may find that it is right as well.
"""

from __future__ import annotations

from rosin.cli.declarations import REMAINDER, SUPPRESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rosin.cli.declarations import Declarations

#: The actions that take no value.
_FLAGS = ("store_true", "store_false", "store_const", "count", "help")


class _NotPlain(Exception):
    """It is for argparse."""


class _Argument:
    """An option or a positional argument."""

    __slots__ = ("action", "default", "dest", "exclusive", "keywords", "nargs", "type")

    def __init__(
        self, names: Sequence[str], keywords: dict[str, Any], exclusive: Declarations | None
    ) -> None:
        self.keywords = keywords
        self.exclusive = exclusive
        self.action = keywords.get("action", "store")
        self.type = keywords.get("type") or keywords.get("convert")
        self.nargs = 0 if self.action in _FLAGS else keywords.get("nargs")
        self.dest = keywords.get("dest") or _dest(names)
        self.default = keywords.get("default", {"store_true": False, "store_false": True}.get(self.action))

    def typed(self, text: str) -> Any:
        """The value of the argument's type. Raises _NotPlain if there is none, or it is not a choice."""
        try:
            value = text if self.type is None else self.type(text)
        except Exception as exc:
            raise _NotPlain from exc
        choices = self.keywords.get("choices")
        if choices is not None and value not in choices:
            raise _NotPlain
        return value

    def used(self, before: Any, text: str) -> Any:
        """The value after a use with this text."""
        if self.action == "store":
            return self.typed(text)
        if self.action == "append":
            return [*(before or ()), self.typed(text)]
        if self.action == "append_prefixed":
            return [*(before or ()), self.keywords.get("prefix", "") + self.typed(text)]
        if self.action == "words":
            return [*(before or ()), *filter(None, text.split(","))]
        raise _NotPlain

    def raised(self, before: Any) -> Any:
        """The value after a use of an option that takes none."""
        if self.action == "count":
            return (before or 0) + 1
        if self.action == "store_const":
            return self.keywords["const"]
        if self.action == "help":
            raise _NotPlain
        return self.action == "store_true"

    def following(self) -> int:
        """How many of the following words an option takes: an optional argument needs ``=``."""
        return 1 if self.nargs is None else self.nargs if isinstance(self.nargs, int) else 0


def _dest(names: Sequence[str]) -> str:
    if names[0][0] != "-":
        return names[0]
    name = next((name for name in names if name[:2] == "--"), names[0])
    return name.lstrip("-").replace("-", "_")


class Plain:
    """A parser of the plain command lines that fit some declarations."""

    def __init__(self, declared: Declarations) -> None:
        self.arguments: list[_Argument] = []
        self.options: dict[str, _Argument] = {}
        self.positionals: list[_Argument] = []
        self._defaults: dict[str, Any] = {}
        self._commands: dict[str, Declarations] | None = None
        self._command_dest = SUPPRESS
        names, keywords = ("-h", "--help"), {"action": "help", "default": SUPPRESS}
        self._add(names, _Argument(names, keywords, None))
        exclusive: list[Declarations] = []
        for owner, method, args, keywords, made in declared.calls:
            if method == "add_argument":
                self._add(args, _Argument(args, keywords, owner if owner in exclusive else None))
            elif method == "set_defaults":
                self._set_defaults(keywords)
            elif made is not None and method == "add_mutually_exclusive_group":
                exclusive.append(made)
            elif made is not None and method == "add_subparsers":
                self._command_dest = keywords.get("dest", SUPPRESS)
                self._commands = _by_name(made)

    def _add(self, names: Sequence[str], argument: _Argument) -> None:
        if "default" not in argument.keywords and argument.dest in self._defaults:
            argument.default = self._defaults[argument.dest]
        self.arguments.append(argument)
        if names[0][0] == "-":
            self.options.update(dict.fromkeys(names, argument))
        else:
            self.positionals.append(argument)

    def _set_defaults(self, values: dict[str, Any]) -> None:
        self._defaults.update(values)
        for argument in self.arguments:
            if argument.dest in values:
                argument.default = values[argument.dest]

    def parse(self, words: Sequence[str]) -> dict[str, Any] | None:
        """What argparse returns for these words, None if they are for argparse."""
        try:
            return _Line(self, words).values if self._commands is None else self._command(words)
        except _NotPlain:
            return None

    def _command(self, words: Sequence[str]) -> dict[str, Any]:
        parser = (self._commands or {}).get(words[0]) if words else None
        if parser is None or self.positionals:
            raise _NotPlain
        values = self.defaults()
        if self._command_dest != SUPPRESS:
            values[self._command_dest] = words[0]
        more = Plain(parser).parse(words[1:])
        if more is None:
            raise _NotPlain
        return values | more

    def defaults(self) -> dict[str, Any]:
        """The result for no words at all, as far as it is not converted by a type."""
        values: dict[str, Any] = {}
        for argument in self.arguments:
            if argument.default != SUPPRESS:
                values.setdefault(argument.dest, argument.default)
        return self._defaults | values

    def options_end(self, words: Sequence[str]) -> int:
        """Index of the first word that is no option and no option's argument."""
        at = 0
        while at < len(words):
            word = words[at]
            if word == "--" or len(word) < 2 or word[0] != "-":
                return at
            at += 1
            option = self.options.get(word) or self._beginning(word)
            if option is not None:
                at += option.following()
            elif word[1] != "-":
                at += self._clustered(word)
        return at

    def _beginning(self, word: str) -> _Argument | None:
        """The only long option that begins with this word, which may be short for it."""
        found = [option for option in self.options if option.startswith(word)] if word[:2] == "--" else []
        return self.options[found[0]] if len(found) == 1 else None

    def _clustered(self, word: str) -> int:
        """The same for flags in one word (``-xl``), the last of which may take an argument."""
        for place, flag in enumerate(word[1:], 1):
            option = self.options.get(f"-{flag}")
            if option is None:
                return 0
            if option.nargs != 0:
                return option.following() if place == len(word) - 1 else 0
        return 0


def _by_name(subparsers: Declarations) -> dict[str, Declarations]:
    """The subcommands by their names and aliases."""
    return {
        name: parser
        for _, _, args, keywords, parser in subparsers.calls
        for name in (*args, *keywords.get("aliases", ()))
        if parser is not None
    }


class _Line:
    """The values of one command line."""

    def __init__(self, parser: Plain, words: Sequence[str]) -> None:
        self._options = parser.options
        self._seen: list[_Argument] = []
        self.values = parser.defaults()
        self._assign(parser.positionals, self._take_options(words, _fixed(parser.positionals)))
        for argument in parser.arguments:
            if argument in self._seen:
                continue
            if argument.keywords.get("required"):
                raise _NotPlain
            default = argument.default
            if isinstance(default, str) and self.values.get(argument.dest, "") is default:
                self.values[argument.dest] = argument.typed(default)

    def _take_options(self, words: Sequence[str], fixed: int | None) -> list[str]:
        """Take the options; returns the other words. After so many of them (``fixed``) no option follows."""
        rest: list[str] = []
        left = list(reversed(words))
        ended = False
        while left:
            word = left.pop()
            if _is_option(word):
                ended = bool(rest)
                self._option(word, left)
            elif ended:
                raise _NotPlain
            else:
                rest.append(word)
                if fixed is not None and len(rest) >= fixed:
                    return rest + left[::-1]
        return rest

    def _option(self, word: str, left: list[str]) -> None:
        """Take an option; ``left`` are the words after it, the next one last."""
        option = self._options.get(word)
        if option is not None:
            self._apply(option, None if option.nargs == 0 else _value(option, left))
        elif word[:2] == "--":
            name, _, value = word.partition("=")
            option = self._options.get(name)
            if option is None or option.nargs not in (None, "?") or not value:
                raise _NotPlain
            self._apply(option, value)
        else:
            self._cluster(word[1:], left)

    def _cluster(self, flags: str, left: list[str]) -> None:
        """Take options of one letter in one word, the last of which may have its value there."""
        for place, flag in enumerate(flags, 1):
            option = self._options.get(f"-{flag}")
            if option is None:
                raise _NotPlain
            if option.nargs == 0:
                self._apply(option, None)
                continue
            rest = flags[place:]
            if option.nargs is not None or rest[:1] == "=":
                raise _NotPlain
            self._apply(option, rest or _value(option, left))
            return

    def _apply(self, option: _Argument, text: str | None) -> None:
        """Do what the option says, with the text of its value if it takes one."""
        if option.exclusive and any(
            other is not option and other.exclusive is option.exclusive for other in self._seen
        ):
            raise _NotPlain
        self._seen.append(option)
        before = self.values.get(option.dest)
        self.values[option.dest] = option.raised(before) if text is None else option.used(before, text)

    def _assign(self, positionals: list[_Argument], words: list[str]) -> None:
        """Give the words that are no options to the positional arguments: one each, the rest to the last."""
        self._seen += positionals
        for place, argument in enumerate(positionals, 1):
            if argument.action != "store" or argument.default == SUPPRESS:
                raise _NotPlain
            if argument.nargs is not None:
                if place < len(positionals):
                    raise _NotPlain
                self.values[argument.dest] = _several(argument, words)
                return
            if not words:
                raise _NotPlain
            self.values[argument.dest] = argument.typed(words.pop(0))
        if words:
            raise _NotPlain


def _fixed(positionals: list[_Argument]) -> int | None:
    """How many words come before those of a command; None if no command is among them."""
    return len(positionals) - 1 if positionals and positionals[-1].nargs == REMAINDER else None


def _is_option(word: str) -> bool:
    return word[:1] == "-" and word != "-"


def _value(option: _Argument, left: list[str]) -> str:
    """The next word, which is the option's value."""
    if option.nargs is not None or not left or _is_option(left[-1]):
        raise _NotPlain
    return left.pop()


def _several(argument: _Argument, words: list[str]) -> Any:
    """The value of an argument that takes any number of words."""
    if argument.nargs == REMAINDER:
        return [argument.typed(word) for word in words]
    if words and argument.nargs in ("*", "+"):
        return [argument.typed(word) for word in words]
    if len(words) == 1 and argument.nargs == "?":
        return argument.typed(words[0])
    if words or argument.nargs not in ("*", "?") or "choices" in argument.keywords:
        raise _NotPlain
    if argument.type is not None and isinstance(argument.default, str):
        raise _NotPlain
    return [] if argument.nargs == "*" and argument.default is None else argument.default
