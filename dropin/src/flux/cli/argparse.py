# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.argparse: the parser of the commands."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from flux.util import help_formatter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FluxArgumentParser"]


class _HiddenAliases:
    """Takes further names of an option, which help does not show."""

    def add_argument(self, *args: Any, hidden_aliases: Iterable[str] = (), **kwargs: Any) -> argparse.Action:
        """As that of argparse; ``hidden_aliases`` is a tuple. Raises TypeError for a text."""
        if isinstance(hidden_aliases, str):
            meant = f"hidden_aliases=({hidden_aliases!r},)"
            raise TypeError(f"hidden_aliases must be a tuple or list, not a str. Did you mean {meant}?")
        aliases = tuple(hidden_aliases)
        action: argparse.Action = super().add_argument(*args, *aliases, **kwargs)  # type: ignore[misc]
        if aliases:
            action.hidden_option_strings = set(aliases)  # type: ignore[attr-defined]
        return action


class _Group(_HiddenAliases, argparse._ArgumentGroup):
    pass


class _Exclusive(_HiddenAliases, argparse._MutuallyExclusiveGroup):
    pass


class FluxArgumentParser(_HiddenAliases, argparse.ArgumentParser):
    """An ArgumentParser without abbreviations, with help as the commands print it.

    Args:
        posix: the first word that is no option ends the options; the parser then has one positional argument,
            with ``nargs=argparse.REMAINDER``.
        raw_description: help keeps the lines of the description.
        argwidth: the column at which help texts begin, at most.
    """

    def __init__(
        self,
        *args: Any,
        posix: bool = False,
        raw_description: bool = False,
        argwidth: int = 40,
        **kwargs: Any,
    ) -> None:
        formatter = help_formatter(argwidth=argwidth, raw_description=raw_description)
        super().__init__(*args, **{"formatter_class": formatter, "allow_abbrev": False, **kwargs})
        self.posix = posix

    def add_argument_group(self, *args: Any, **kwargs: Any) -> argparse._ArgumentGroup:
        """A group whose ``add_argument`` takes hidden aliases, too."""
        group = _Group(self, *args, **kwargs)
        self._action_groups.append(group)
        return group

    def add_mutually_exclusive_group(self, **kwargs: Any) -> argparse._MutuallyExclusiveGroup:
        """As :meth:`add_argument_group`."""
        group = _Exclusive(self, **kwargs)
        self._mutually_exclusive_groups.append(group)
        return group

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As that of argparse; with ``posix`` words stay as they are from the first that is no option on."""
        if not self.posix:
            return super().parse_args(args, namespace)
        words = list(sys.argv[1:] if args is None else args)
        end = self._options_end(words)
        result = super().parse_args(words[:end], namespace)
        rest = next((action for action in self._actions if action.nargs == argparse.REMAINDER), None)
        if rest is not None:
            before: Any = getattr(result, rest.dest, None) or []
            setattr(result, rest.dest, [*before, *words[end:]])
        elif words[end:]:
            self.error(f"unrecognized arguments: {' '.join(words[end:])}")
        return result

    def _is_option(self, word: str) -> bool:
        if len(word) < 2 or word == "--" or word[0] not in self.prefix_chars:
            return False
        return not self._negative_number_matcher.match(word) or bool(self._has_negative_number_optionals)

    def _options_end(self, words: list[str]) -> int:
        """How many words are options and their values."""
        at = 0
        while at < len(words) and self._is_option(words[at]):
            word = words[at]
            at += 1
            joined = "=" in word if word[1] in self.prefix_chars else len(word) > 2
            action = None if joined else self._option_string_actions.get(word)
            if action is not None:
                at += self._values(action.nargs, words[at:])
        return at

    def _values(self, nargs: Any, words: list[str]) -> int:
        """How many of the words that follow an option are values of it."""
        if nargs is None or isinstance(nargs, int):
            return min(1 if nargs is None else nargs, len(words))
        if nargs not in ("?", "*", "+"):
            return 0
        free = next(
            (at for at, word in enumerate(words) if self._is_option(word) or word == "--"), len(words)
        )
        return min(free, 1) if nargs == "?" else free
