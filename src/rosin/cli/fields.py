# SPDX-License-Identifier: LGPL-3.0-or-later
"""One replacement field of an output format: its value, its conversion (``!d``) and its width (``:>8h``).

On top of Python's format specs: the suffix ``h`` writes a hyphen instead of an empty value, the suffix ``+``
marks a cut value with a plus sign, and ``FORMAT::SPEC`` of a ``!d`` time is a strftime format with a spec.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Getter = Callable[[Any], Any]

_EMPTY: tuple[str, ...] = ()


def empty_outputs() -> tuple[str, ...]:
    """The texts that count as no value at all: of no time, no duration, and no text."""
    global _EMPTY
    if not _EMPTY:
        epoch = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(0))
        _EMPTY = ("", "0s", "0.0", "0:00:00", "1970-01-01T00:00:00", epoch)
    return _EMPTY


def duration(seconds: float) -> str:
    """Seconds in their natural unit with four digits: 0.021s, 42s, 1.5m, 2h, 3d."""
    if seconds == float("inf"):
        return "inf"
    if seconds < 1e-3:
        return "0s"
    if seconds < 10:
        return f"{seconds:.3f}s"
    for limit, unit, suffix in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.4g}{suffix}"
    return f"{seconds / 86400:.4g}d"


class Moment:
    """A time for ``!d``; :meth:`format` takes ``STRFTIME::SPEC``. The epoch stands for no time."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __format__(self, spec: str) -> str:
        pattern, _, spec = spec.partition("::")
        text = ""
        if self.seconds:
            from datetime import datetime

            try:
                text = datetime.fromtimestamp(self.seconds).strftime(pattern or "%FT%T")
            except (ValueError, OverflowError, OSError):  # a job of many years ends beyond all calendars
                text = f"{self.seconds:.0f}"
        if spec.endswith("h"):
            spec = spec[:-1]
            text = text or "-"
        return format(text, spec)

    def __str__(self) -> str:
        return format(self, "")


def _moment(value: float) -> Moment:
    return Moment(float(value))


def _moment_text(value: float) -> str:
    return str(Moment(float(value)))


def _clock(value: float) -> str:
    """Hours, minutes and seconds; what has begun lasts for a second at least."""
    from datetime import timedelta

    seconds = 1 if 0 < value < 1 else round(value)
    days = abs(seconds) // 86400
    if days > timedelta.max.days:
        return f"{seconds // 86400} days, {timedelta(seconds=seconds % 86400)}"
    return str(timedelta(seconds=seconds))


def _percent(value: float) -> str:
    value *= 100
    return f"{value:.2f}%" if 0 < value < 1 else f"{value:.3g}%"


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "d": _moment,
    "D": _moment_text,
    "F": duration,
    "H": _clock,
    "P": _percent,
}
_PLAIN: dict[str, Callable[[Any], Any]] = {"": lambda value: value, "s": str, "r": repr, "a": ascii}


def convert(value: Any, conversion: str) -> Any:
    """Apply a conversion. Raises ValueError: it is unknown, or the value is neither a number nor empty."""
    function = _CONVERSIONS.get(conversion)
    if function is None:
        try:
            return _PLAIN[conversion](value)
        except KeyError:
            raise ValueError(f"Unknown conversion specifier {conversion}") from None
    if value is None or (not isinstance(value, int | float) and str(value) == ""):
        return Moment(0.0) if conversion == "d" else ""
    if not isinstance(value, int | float):
        raise ValueError(f"!{conversion}: expected a number of seconds, got {value!r}")
    return function(value)


def apply(value: Any, spec: str) -> str:
    """Format a converted value."""
    if value is None:
        value = ""
    mark = spec.endswith("+")
    if mark:
        spec = spec[:-1]
    if spec.endswith("h") and not isinstance(value, Moment):
        value = str(value)
        if value in empty_outputs():
            value = "-"
        spec = spec[:-1]
    if type(value) in (list, dict):  # these take no spec
        value = str(value)
    text = format(value, spec)
    if mark and len(text) < len(str(value)):
        return text[:-1] + "+"
    return text


def getter(field: str) -> Getter:
    """A function that reads the dotted ``field`` (with ``[index]`` steps) of an item.

    A part that a value does not have is None: what users write into a job is not always what a format
    expects.
    """
    from _string import formatter_field_name_split  # type: ignore[import-not-found]

    first, more = formatter_field_name_split(field)
    parts = list(more)

    def read(item: Any) -> Any:
        item = getattr(item, first)
        for is_attr, name in parts:
            item = getattr(item, name, None) if is_attr else item[name]
        return item

    if not all(is_attr for is_attr, _ in parts):
        return read
    from operator import attrgetter

    quick = attrgetter(".".join([first, *(name for _, name in parts)]))
    if not parts:
        return quick

    def read_quickly(item: Any) -> Any:
        try:
            return quick(item)
        except AttributeError:
            return read(item)

    return read_quickly


#: Wider columns are a mistake, and would cost as much memory.
WIDEST = 4096
#: What reading and formatting a value raises when format and value do not fit.
MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError)


def check(field: str, conversion: str, spec: str) -> None:
    """Refuse what no value could be formatted with. Raises ValueError."""
    if conversion and conversion not in _CONVERSIONS and conversion not in _PLAIN:
        raise ValueError(f"Unknown conversion specifier {conversion}")
    digits = ""
    for char in f"{spec} ":
        if char.isdecimal():
            digits += char
            continue
        if len(digits.lstrip("0")) > 4 or int(digits or 0) > WIDEST:
            raise ValueError(f"{{{field}:{spec}}}: a column has at most {WIDEST} characters")
        digits = ""


def _clean(read: Getter) -> Getter:
    """The same without control characters in text."""
    from rosin.cli.terminal import printable

    def clean(item: Any) -> Any:
        value = read(item)
        if isinstance(value, int | float) or value is None:
            return value
        text = str(value)
        return value if text.isprintable() else printable(text)

    return clean


def renderer(field: str, conversion: str, spec: str, clean: bool = False) -> Callable[[Any], str]:
    """A function that makes the text of a field of an item; ``clean``: values are shown as one line of plain
    text whatever control characters they hold."""
    read = _clean(getter(field)) if clean else getter(field)
    if conversion:
        return lambda item: apply(convert(read(item), conversion), spec)
    if not spec:
        return lambda item: "" if (value := read(item)) is None else str(value)
    return lambda item: apply(read(item), spec)


class Spec:
    """A format spec in its parts, to read its width and to change it."""

    __slots__ = ("_parts", "_prefix")

    def __init__(self, spec: str) -> None:
        self._prefix, sep, rest = spec.rpartition("::")
        self._prefix += sep
        self._parts = _spec_parts(rest)

    @property
    def width(self) -> int:
        return int(self._parts[2] or 0)

    @property
    def header(self) -> str:
        """What of the spec holds for a heading: alignment and width."""
        return self._parts[0][-1:] + self._parts[2]

    def widened(self, width: int) -> str:
        """The spec with another width; text is not cut below it."""
        parts = self._parts.copy()
        parts[2] = str(width)
        if parts[4] and parts[5] in ("", "s") and int(parts[4][1:]) < width:
            parts[4] = f".{width}"
        return self._prefix + "".join(parts)


def _spec_parts(spec: str) -> list[str]:
    """Fill and alignment, flags, width, grouping, precision, type, ours (``h``, ``+``); empty if it is wrong.

    By hand, because every ``rosin jobs`` would wait for the import of regular expressions.
    """
    aligned = next((at for at in (2, 1) if len(spec) >= at and spec[at - 1] in "<>=^"), 0)
    flags = _after_each(spec, aligned, "- +", "z", "#", "0")
    width = _after_digits(spec, flags)
    grouping = _after_each(spec, width, "_,")
    precision = grouping
    if spec[grouping : grouping + 1] == "." and spec[grouping + 1 : grouping + 2].isdecimal():
        precision = _after_digits(spec, grouping + 1)
    kind = _after_each(spec, precision, "bcdeEfFgGnosxX%")
    end = _after_each(spec, kind, "h", "+")
    if end < len(spec):
        return [""] * 7
    ends = (aligned, flags, width, grouping, precision, kind, end)
    return [spec[start:stop] for start, stop in zip((0, *ends), ends, strict=False)]


def _after_each(text: str, at: int, *choices: str) -> int:
    """The index behind one character of each of the choices, as far as they are there."""
    for choice in choices:
        at += at < len(text) and text[at] in choice
    return at


def _after_digits(text: str, at: int) -> int:
    while text[at : at + 1].isdecimal():
        at += 1
    return at


def sort_key(value: Any) -> tuple[int, Any]:
    """A key that orders mixed values: unset ones first, then numbers (also as text), then text."""
    if value is None or value in ("", "-"):
        return 0, 0
    try:
        return 1, float(value)
    except (TypeError, ValueError):
        pass
    text = str(value)
    try:
        return 1, float(text)
    except ValueError:
        return (2, text) if text else (0, 0)
