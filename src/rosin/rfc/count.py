# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 resource counts and RFC 45 range strings: how many of a resource a job accepts.

A count is an integer, an object ``{min, max, operator, operand}``, an idset string (``"4,9,16"``), or a range
string (``"2-8:2:*"``, ``"3+"``). Nothing here expands a count: 1 to 10^9 costs as much as 1, and an idset as
much as its text.
"""

from __future__ import annotations

from _operator import itemgetter

from rosin.errors import FormatError
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rosin.rfc.idset import Idset

#: Largest number in a count. (flux-core reads counts into a C int.)
MAX_COUNT = 2**31 - 1

_KEYS = {"min", "max", "operator", "operand"}
_OPERATORS = ("+", "*", "^")


class Count:
    """The acceptable counts of a resource, in increasing order.

    ``min`` is the smallest and ``max`` the largest (None: no limit); ``operator`` and ``operand`` lead from
    each to the next. ``ranges`` are those of a count that was written as an idset with holes, ascending and
    apart from each other, else None; ``ids`` is that idset.
    """

    __slots__ = ("max", "min", "operand", "operator", "ranges")

    def __init__(
        self,
        minimum: int,
        maximum: int | None = None,
        operator: str = "+",
        operand: int = 1,
        ids: Idset | None = None,
    ) -> None:
        self.min = minimum
        self.max = maximum
        self.operator = operator
        self.operand = operand
        self.ranges = None if ids is None else tuple(ids.ranges())

    @property
    def ids(self) -> Idset | None:
        """The set of a count that was written as an idset with holes, else None."""
        if self.ranges is None:
            return None
        from rosin.rfc.idset import Idset, mask_of_ranges

        return Idset.from_mask(mask_of_ranges(self.ranges))

    def values(self) -> Iterator[int]:
        """Iterate over the acceptable counts, up to :data:`MAX_COUNT` where there is no ``max``."""
        if self.ranges is not None:
            for low, high in self.ranges:
                yield from range(low, high + 1)
            return
        value: int | None = self.min
        limit = MAX_COUNT if self.max is None else self.max
        while value is not None and value <= limit:
            yield value
            value = self._following(value, limit)

    def _following(self, value: int, limit: int) -> int | None:
        """The count after *value*; None when it is above *limit*, however far."""
        if self.operator == "+":
            following = value + self.operand
        elif self.operator == "*":
            following = value * self.operand
        elif self.operand > limit.bit_length():
            return None  # a power with more digits than any memory holds
        else:
            following = value**self.operand
        return following if following <= limit else None

    def largest(self, available: int) -> int | None:
        """Return the largest acceptable count that is not above *available*, or None."""
        limit = available if self.max is None else min(available, self.max)
        if limit < self.min:
            return None
        if self.ranges is not None:
            from _bisect import bisect_right

            _, high = self.ranges[bisect_right(self.ranges, limit, key=itemgetter(0)) - 1]
            return min(high, limit)
        if self.operator == "+":
            return limit - (limit - self.min) % self.operand
        best = self.min  # what follows is a multiple or a power, so that it takes few steps
        while (following := self._following(best, limit)) is not None:
            best = following
        return best

    def encode(self) -> int | str | dict[str, Any]:
        """Return the count as a jobspec holds it: an integer, an object, or a string where ids have holes."""
        if self.ranges is not None:
            return str(self)
        if self.max == self.min:
            return self.min
        obj: dict[str, Any] = {"min": self.min}
        if self.max is not None:
            obj["max"] = self.max
        if self.max is not None or self.operator != "+" or self.operand != 1:
            obj["operator"] = self.operator
            obj["operand"] = self.operand
        return obj

    def __contains__(self, number: int) -> bool:
        return self.largest(number) == number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Count):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.min, self.max, self.operator, self.operand, self.ranges))

    def __repr__(self) -> str:
        return f"Count({str(self)!r})"

    def __str__(self) -> str:
        """Write the count as an integer, an idset or the shortest range string."""
        if self.ranges is not None:
            return ",".join([str(low) if low == high else f"{low}-{high}" for low, high in self.ranges])
        if self.max == self.min:
            return str(self.min)
        text = f"{self.min}+" if self.max is None else f"{self.min}-{self.max}"
        if self.operator != "+":
            return f"{text}:{self.operand}:{self.operator}"
        return text if self.operand == 1 else f"{text}:{self.operand}"


def parse(value: Any, minimum: int = 1) -> Count:
    """Decode a jobspec count: an int of at least *minimum*, an object or a string. Raises FormatError.

    An object's operator and operand need each other, as RFC 14 says.
    """
    if type(value) is int:
        number = _number(value, minimum, "")
        return Count(number, number)
    if type(value) is str:
        return parse_string(value)
    if type(value) is not dict:
        raise FormatError(f"expected an integer >= {minimum}, a string or an object, got {describe(value)}")
    for key in value:
        if key not in _KEYS:
            raise FormatError(f"unknown key {describe(key)} (known: min, max, operator, operand)")
    if "min" not in value:
        raise FormatError("missing key 'min'")
    if ("operator" in value) != ("operand" in value):
        raise FormatError("operator and operand need each other")
    top = _number(value["max"], 1, "max: ") if "max" in value else None
    operator, operand = value.get("operator", "+"), _number(value.get("operand", 1), 1, "operand: ")
    return _checked(_number(value["min"], 1, "min: "), top, operator, operand)


def parse_string(text: str) -> Count:
    """Decode an idset or a range string, in brackets or not. Raises FormatError."""
    body = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "," in body:
        # Few counts need it, and every command would pay for it.
        from rosin.rfc.idset.text import decode_ranges, merge_ranges

        try:
            ranges = tuple(merge_ranges(decode_ranges(body)))
        except FormatError:
            raise FormatError(f"expected an idset or a range such as 2-8:2, got {describe(text)}") from None
        if ranges[0][0] == 0:
            raise FormatError(f"a count cannot be 0, got {describe(text)}")
        count = Count(ranges[0][0], ranges[-1][1])
        count.ranges = ranges if len(ranges) > 1 else None
        return count
    span, *rest = body.split(":")
    if len(rest) > 2:
        raise FormatError(f"expected MIN-MAX:OPERAND:OPERATOR, got {describe(text)}")
    low_text, dash, high_text = span.partition("-")
    unbounded = not dash and span.endswith("+")
    numbers = [_digits(low_text.removesuffix("+") if unbounded else low_text, text)]
    numbers += [_digits(high_text, text)] if dash else []
    numbers += [_digits(rest[0], text)] if rest else []
    if rest and not (dash or unbounded):
        raise FormatError(f"only a range has an operand, got {describe(text)}")
    top = None if unbounded else numbers[1] if dash else numbers[0]
    return _checked(numbers[0], top, rest[1] if len(rest) == 2 else "+", numbers[-1] if rest else 1)


def _digits(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdecimal()) or text[0] == "0" or len(text) > 10:
        raise FormatError(
            f"expected an integer >= 1, an idset or a range such as 2-8:2, got {describe(whole)}"
        )
    return _number(int(text), 1, "")


def _number(value: Any, minimum: int, what: str) -> int:
    if type(value) is not int or value < minimum:
        raise FormatError(f"{what}expected an integer >= {minimum}, got {describe(value)}")
    if value > MAX_COUNT:
        raise FormatError(f"{what}expected an integer <= {MAX_COUNT}, got {describe(value)}")
    return value


def _checked(low: int, high: int | None, operator: Any, operand: int) -> Count:
    if operator not in _OPERATORS:
        raise FormatError(f"operator: expected one of + * ^, got {describe(operator)}")
    if high is not None and high < low:
        raise FormatError(f"max {high} is below min {low}")
    if operator != "+" and operand < 2:
        raise FormatError(f"operand: expected an integer >= 2 for operator {operator}, got {operand}")
    if operator == "^" and low < 2:
        raise FormatError(f"min: expected an integer >= 2 for operator ^, got {low}")
    return Count(low, high, operator, operand)
