# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util.actions: what programs with flux-core's look give to argparse."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from rosin.cli.colour import use_color

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "ColorAction",
    "FilterAction",
    "FilterActionSetUpdate",
    "FilterActionUser",
    "FilterTrueAction",
    "TreedictAction",
    "YesNoAction",
    "help_formatter",
]


def set_treedict(in_dict: dict[str, Any], key: str, val: Any) -> None:
    """Set the value at a dotted key, making dictionaries on the way."""
    *path, last = key.split(".")
    for part in path:
        in_dict = in_dict.setdefault(part, {})
    in_dict[last] = val


class _HelpFormatter(argparse.HelpFormatter):
    """Writes options as ``-s, --long=ARG``, long ones alone indented to the same column."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        hidden = getattr(action, "hidden_option_strings", ())
        names = [name for name in action.option_strings if name not in hidden]
        alone = len(names) == 1 and len(names[0]) > 2
        text = "    " * alone + ", ".join(names)
        return text if action.nargs == 0 else f"{text}={self._format_args(action, action.dest.upper())}"


class _RawHelpFormatter(_HelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The same; descriptions keep their lines."""


def help_formatter(
    argwidth: int = 40, raw_description: bool = False
) -> Callable[[str], argparse.HelpFormatter]:
    """A ``formatter_class`` for argparse; ``argwidth``: columns for the options."""
    formatter = _RawHelpFormatter if raw_description else _HelpFormatter
    return lambda prog: formatter(prog, max_help_position=argwidth)


class TreedictAction(argparse.Action):
    """Collects ``a.b.c=VALUE`` words as nested dictionaries; VALUE is JSON if it can be."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        result: dict[str, Any] = {}
        for word in values:
            key, equals, text = word.partition("=")
            if not equals:
                raise ValueError(f"Missing required value for key {word}")
            try:
                value = json.loads(text)
            except ValueError:
                value = text
            set_treedict(result, key, value)
        setattr(namespace, self.dest, result)


class FilterAction(argparse.Action):
    """Stores a value and sets ``filtered``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, values)
        namespace.filtered = True


class FilterActionSetUpdate(argparse.Action):
    """Adds comma-separated words to a set and sets ``filtered``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        getattr(namespace, self.dest).update(values.split(","))
        namespace.filtered = True


class FilterActionUser(FilterAction):
    """Stores a value and sets ``filtered`` and ``filtereduser``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        super().__call__(parser, namespace, values, option_string)
        namespace.filtereduser = True


class FilterTrueAction(argparse.Action):
    """Stores ``const`` and sets ``filtered``."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        const: Any = True,
        default: Any = False,
        required: bool = False,
        help: str | None = None,
        metavar: str | None = None,
    ) -> None:
        super().__init__(
            option_strings, dest, nargs=0, const=const, default=default, required=required, help=help
        )

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, self.const)
        namespace.filtered = True


class YesNoAction(argparse.Action):
    """Stores True for ``yes`` and False for ``no``. Raises ValueError."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        help: str | None = None,
        metavar: str | None = "[yes|no]",
    ) -> None:
        super().__init__(option_strings, dest, help=help, metavar=metavar)

    def __call__(self, parser: Any, namespace: Any, value: Any, option_string: str | None = None) -> None:
        if value not in ("yes", "no"):
            raise ValueError(f"{option_string} requires either 'yes' or 'no'")
        setattr(namespace, self.dest, value == "yes")


class _ColorWhen(str):
    """``auto``, ``always`` or ``never``."""

    __slots__ = ()

    @property
    def enabled(self) -> bool:
        """Whether standard output is to be coloured."""
        return use_color(self)


class ColorAction(argparse.Action):
    """The option ``--color[=WHEN]``: WHEN is ``auto``, ``always`` (also without a word) or ``never``."""

    ColorWhen = _ColorWhen

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        nargs: str | int | None = "?",
        default: str = "auto",
        metavar: str | None = "WHEN",
        help: str | None = "Use color; WHEN can be 'never', 'always' or 'auto' (default)",
        **kwargs: Any,
    ) -> None:
        if default == "auto" and os.environ.get("NO_COLOR"):
            default = "never"
        when = _ColorWhen(default)
        super().__init__(
            option_strings, dest, nargs=nargs, default=when, metavar=metavar, help=help, **kwargs
        )

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        when = "always" if values is None else values
        if when not in ("auto", "always", "never"):
            parser.error(f"Invalid argument to --color: '{when}'")
        setattr(namespace, self.dest, _ColorWhen(when))
