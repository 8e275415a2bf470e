# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util.formats: output formats with the classes that programs subclass."""

from __future__ import annotations

import re
from datetime import datetime
from functools import total_ordering
from string import Formatter
from typing import TYPE_CHECKING, Any, Self

from rosin.cli.fields import Moment, Spec, apply, convert, sort_key
from rosin.cli.format import OutputFormat as _OutputFormat
from rosin.cli.format import join_part, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["AltField", "Deduplicator", "DisplayValue", "OutputFormat", "UtilDatetime", "UtilFormatter"]

#: Python's format specs, with the suffixes of Flux.
_SPEC = re.compile(
    r"(?:(.)?([<>=^]))?([-+ ])?(z)?(\#)?(0)?(\d+)?([_,])?(?:(\.)(\d+))?([bcdeEfFgGnosxX%])?(h)?(\+)?",
    re.DOTALL,
)


class UtilDatetime(datetime):
    """A time that takes ``STRFTIME::SPEC`` as its format. The epoch stands for no time, an empty text."""

    def __format__(self, fmt: str) -> str:
        return format(Moment(self.timestamp()), fmt)


class UtilFormatter(Formatter):
    """Formats with the conversions ``!d !D !F !H !P`` and the suffixes ``h`` and ``+`` of specs."""

    def convert_field(self, value: Any, conv: str | None) -> Any:
        """Convert a value. Raises TypeError for one that is neither a number nor empty."""
        if conv == "d":
            return UtilDatetime.fromtimestamp(0.0 if str(value) == "" else value)
        if conv is None or conv not in "DFHP":
            return super().convert_field(value, conv)
        try:
            return convert(value, conv)
        except ValueError as exc:
            raise TypeError(str(exc)) from None

    def format_field(self, value: Any, spec: str) -> str:
        """The text of a converted value."""
        if not isinstance(value, UtilDatetime):
            return apply(value, spec)
        text = format(value, spec.removesuffix("+"))
        return text[:-1] + "+" if spec.endswith("+") and len(text) < len(str(value)) else text


class AltField:
    """A text with another one in ASCII, ``{field.ascii}``."""

    def __init__(self, default: str, ascii: str) -> None:
        self.default = default
        self.ascii = ascii

    def __str__(self) -> str:
        return self.default

    def __format__(self, fmt: str) -> str:
        return format(self.default, fmt)


@total_ordering
class DisplayValue:
    """A value that can be ordered among others of all types: unset ones (None, "", "-"), then numbers and
    texts that are some, then other texts.
    """

    __slots__ = ("_key", "value")

    EMPTY, NUMERIC, STRING = 0, 1, 2

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = sort_key(value)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, DisplayValue) else NotImplemented

    def __lt__(self, other: DisplayValue) -> bool:
        return self._key < other._key

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"DisplayValue({self.value!r}, type_order={self._key[0]}, sort_value={self._key[1]!r})"


class FormatSpec:
    """A format spec in its parts, "" for what is not there: ``fill align sign pos_zero alt zero_pad width_str
    grouping decimal precision_str type``, and ``hyphen`` and ``truncate``, the suffixes ``h`` and ``+``.

    Of a time's ``STRFTIME::SPEC`` it is the latter. ``width`` and ``precision`` are numbers that can be set;
    no text is cut below its width.
    """

    components = (
        "fill",
        "align",
        "sign",
        "pos_zero",
        "alt",
        "zero_pad",
        "width_str",
        "grouping",
        "decimal",
        "precision_str",
        "type",
        "hyphen",
        "truncate",
    )

    def __init__(self, spec: str) -> None:
        match = _SPEC.fullmatch(spec.rpartition("::")[2] if "::" in spec else spec)
        parts = match.groups(default="") if match else [""] * len(self.components)
        for name, part in zip(self.components, parts, strict=True):
            setattr(self, name, part)

    width_str: str
    precision_str: str
    type: str

    @property
    def width(self) -> int | str:
        """The width, "" without one."""
        return int(self.width_str) if self.width_str else ""

    @width.setter
    def width(self, val: int) -> None:
        self.width_str = str(val)
        if self.type in ("", "s") and 0 < self.precision < val:
            self.precision = val

    @property
    def precision(self) -> int:
        """The precision, 0 without one."""
        return int(self.precision_str or 0)

    @precision.setter
    def precision(self, val: int) -> None:
        self.precision_str = str(val)

    def __str__(self) -> str:
        return "".join(getattr(self, name) for name in self.components)


class _HeaderFormatter(UtilFormatter):
    """Takes dotted names for names: ``{id.f58}`` is the argument ``id.f58``."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if field_name in kwargs:
            return kwargs[field_name], None
        return super().get_field(field_name, args, kwargs)


class OutputFormat(_OutputFormat):
    """A parsed format: :class:`rosin.cli.format.OutputFormat` whose lines ``formatter`` makes.

    ``prepend`` goes before each field in :meth:`get_format`. ``nullify_expansion_sentinel`` drops the widths
    of ``+:`` fields. ``fmt`` is the format with ``prepend``, ``fmt_orig`` without, ``format_list`` its parts
    as lists of text, field, spec and conversion.
    """

    formatter: type[Formatter] = UtilFormatter
    HeaderFormatter = _HeaderFormatter
    FormatSpec = FormatSpec

    def __init__(
        self,
        fmt: str,
        headings: Mapping[str, str] | None = None,
        prepend: str | None = "0.",
        nullify_expansion_sentinel: bool = False,
    ) -> None:
        if "{0." in fmt:
            fmt = "".join(
                join_part(text, field.removeprefix("0."), spec, conversion)
                for text, field, spec, conversion in parse(fmt)
            )
        super().__init__(fmt, headings)
        self.prepend = prepend or ""
        self.format_list = [list(part) for part in self.parts]
        self.fmt_orig = self.source
        self.fmt = self.get_format_prepended(self.prepend, (), False, nullify_expansion_sentinel)
        if headings is not None:
            self.headings = headings  # type: ignore[misc]

    def get_format_prepended(
        self,
        prepend: str,
        except_fields: Iterable[str] | None = None,
        include_sort_prefix: bool = True,
        nullify_expansion_sentinel: bool = False,
    ) -> str:
        """The format with ``prepend`` before each field but those of ``except_fields``, which it has not."""
        parts = self.remaining(except_fields or (), nullify_expansion_sentinel)
        words = [
            join_part(text, prepend + field if field else "", spec, conversion)
            for text, field, spec, conversion in parts
        ]
        return (self._sort_prefix() if include_sort_prefix else "") + "".join(words)

    def get_format(self, orig: bool = False, include_sort_prefix: bool = True) -> str:
        """The format, or with ``orig`` the one that it was made of."""
        fmt = self.fmt_orig if orig else self.fmt
        return self._sort_prefix() + fmt if include_sort_prefix else fmt

    def header_format(self) -> str:
        """The format of the heading line: fields with no more than alignment and width."""
        return "".join(join_part(text, field, Spec(spec).header, "") for text, field, spec, _ in self.parts)

    def copy(self, except_fields: Iterable[str] | None = None, nullify_expansion: bool = False) -> Self:
        """The same format without some fields; ``nullify_expansion`` drops the widths of ``+:`` fields."""
        fmt = self.get_format_prepended("", except_fields, True, nullify_expansion)
        return type(self)(fmt, headings=self.headings, prepend=self.prepend)

    def format(self, obj: Any) -> str:
        """The line of an object. Raises KeyError, AttributeError, TypeError and ValueError."""
        try:
            return self.formatter().format(self.get_format_prepended("0.", (), False), obj)
        except KeyError as exc:
            raise KeyError(f"Invalid format field {exc} for {type(obj)}") from None

    def _renderer(self, field: str, conversion: str, spec: str) -> Callable[[Any], str]:
        formatter, fmt = self.formatter(), join_part("", f"0.{field}", spec, conversion)
        return lambda obj: formatter.format(fmt, obj)


class Deduplicator:
    """Collects items, of those with the same line the first one.

    ``except_fields`` do not count for the line. ``combine(existing, new)`` is called for each further item.
    """

    def __init__(
        self,
        formatter: OutputFormat,
        except_fields: Iterable[str] | None = None,
        combine: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.formatter = formatter.copy(except_fields or (), nullify_expansion=True)
        self.combine = combine
        self.hash: dict[str, Any] = {}

    @property
    def items(self) -> list[Any]:
        """The items."""
        return list(self.hash.values())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def append(self, item: Any) -> None:
        """Add an item."""
        line = self.formatter.format(item)
        if line not in self.hash:
            self.hash[line] = item
        elif self.combine is not None:
            self.combine(self.hash[line], item)
