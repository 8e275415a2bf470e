# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of broker modules: ``NAME=VALUE`` words and flags, declared by each module (RFC 5).

A module lists what it takes in ``arguments``; what it is loaded with is checked against the list before it
starts. An unknown argument, a value of a wrong form, a flag with a value: each is one line that names the
module, the argument and what is accepted.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _size
from rosin.errors import FormatError, did_you_mean
from rosin.rfc import fsd
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_UINT32 = (1 << 32) - 1


class Argument(NamedTuple):
    """One argument. ``form`` stands for its value (``FSD``), empty for a flag, whose value is True.

    ``read`` makes the value of the text, or raises ValueError that says what is expected. ``idle``: why an
    argument that flux-core's module takes has no effect here.
    """

    name: str
    form: str = ""
    text: str = ""
    read: Callable[[str], Any] = str
    idle: str = ""

    @property
    def usage(self) -> str:
        """How it is written: ``period=FSD``."""
        return f"{self.name}={self.form}" if self.form else self.name


def parse(module: str, declared: Iterable[Argument], args: Sequence[str]) -> dict[str, Any]:
    """The values of *args* by name; the last one of a name holds. Raises OSError EINVAL, one line."""
    known = {argument.name: argument for argument in declared}
    values: dict[str, Any] = {}
    for arg in args:
        name, sep, text = arg.partition("=")
        argument = known.get(name)
        if argument is None or bool(sep) != bool(argument.form):
            raise OSError(errno.EINVAL, f"{module}: unknown option {describe(arg)}{_hint(name, known)}")
        try:
            values[name] = argument.read(text) if argument.form else True
        except ValueError as exc:
            raise OSError(errno.EINVAL, f"{module}: {name}: {exc}, got {describe(text)}") from None
    return values


def idle(declared: Iterable[Argument], values: dict[str, Any]) -> list[Argument]:
    """Those of *values* that have no effect."""
    return [argument for argument in declared if argument.name in values and argument.idle]


def _hint(name: str, known: dict[str, Argument]) -> str:
    if not known:
        return "; this module takes none"
    if name in known:
        return f"; expected {known[name].usage}"
    usages = ", ".join(argument.usage for argument in known.values())
    return did_you_mean(name[:64], known) or f"; known: {usages}"


# -- values ---------------------------------------------------------------------------------------


def duration(text: str) -> float:
    """Seconds of a Flux standard duration (RFC 23) above 0."""
    try:
        seconds = fsd.parse(text)
    except FormatError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError('expected a duration above 0, such as "10s"')
    return seconds


def number(low: int, high: int = _UINT32) -> Callable[[str], int]:
    """A reader of decimal numbers within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
            raise ValueError(f"expected a number from {low} to {high}")
        return int(text)

    return read


def choice(*names: str) -> Callable[[str], str]:
    """A reader of one of some names."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        return text

    return read


def size(text: str) -> str:
    """A number of bytes with an optional suffix, as it is written."""
    try:
        _size.parse(text)
    except ValueError:
        raise ValueError('expected a size, such as "10M"') from None
    return text
