# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resource counts of a jobspec (RFC 14) and their one-line form (RFC 45), as a scheduler asks about them."""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

_OPERATORS = ("+", "*", "^")
_MAX_IDS = 65536


class Count:
    """The acceptable values of one resource count.

    Attributes:
        min: the smallest acceptable value, at least 1.
        max: the largest, or None when there is no limit.
    """

    __slots__ = ("_ids", "_operand", "_operator", "max", "min")

    def __init__(
        self,
        minimum: int,
        maximum: int | None,
        operator: str = "+",
        operand: int = 1,
        ids: Idset | None = None,
    ) -> None:
        if minimum < 1:
            raise FormatError(f"count: {minimum} is less than 1")
        if maximum is not None and maximum < minimum:
            raise FormatError(f"count: max {maximum} is less than min {minimum}")
        if operator not in _OPERATORS:
            raise FormatError(f"count: unknown operator {operator!r}; use + * or ^")
        if operand < (1 if operator == "+" else 2) or (operator == "^" and minimum < 2):
            raise FormatError(f"count: {minimum} {operator} {operand} never grows")
        self.min = minimum
        self.max = maximum
        self._operator = operator
        self._operand = operand
        self._ids = ids

    def best(self, available: int) -> int:
        """Return the largest acceptable value that is at most ``available``; 0 when there is none."""
        limit = available if self.max is None else min(available, self.max)
        if limit < self.min:
            return 0
        if self._ids is not None:
            below = Idset.from_mask(self._ids.mask & ((1 << (limit + 1)) - 1)).last()
            return below or 0
        if self._operator == "+":
            return limit - (limit - self.min) % self._operand
        value = self.min
        if self._operator == "^" and self._operand > limit.bit_length():
            return value  # the next power is beyond the limit: do not compute it
        while True:
            following = value * self._operand if self._operator == "*" else value**self._operand
            if following > limit:
                return value
            value = following

    def scaled(self, factor: int) -> Count:
        """Return the count of ``factor`` times each value: nodes below a rack of which there are several."""
        if factor == 1:
            return self
        if self._ids is not None:
            if len(self._ids) > _MAX_IDS:
                raise FormatError(f"count: more than {_MAX_IDS} values below several parent resources")
            return Count(
                self.min * factor,
                None if self.max is None else self.max * factor,
                ids=Idset([value * factor for value in self._ids]),
            )
        if self._operator == "^":
            raise FormatError("count: a power series below several parent resources is not supported")
        operand = self._operand * factor if self._operator == "+" else self._operand
        return Count(
            self.min * factor, None if self.max is None else self.max * factor, self._operator, operand
        )

    def __repr__(self) -> str:
        return f"Count({self.min}, {self.max}, {self._operator!r}, {self._operand}, {self._ids!r})"


def parse(spec: Any) -> Count:
    """Make a Count of a jobspec's ``count``: an integer, an object or text (RFC 14). Raises FormatError."""
    if isinstance(spec, bool):
        raise FormatError("count: expected an integer, got a boolean")
    if isinstance(spec, int):
        return Count(spec, spec)
    if isinstance(spec, dict):
        minimum, maximum = spec.get("min"), spec.get("max")
        operator, operand = spec.get("operator", "+"), spec.get("operand", 1)
        for value in (minimum, operand) if maximum is None else (minimum, maximum, operand):
            if not isinstance(value, int) or isinstance(value, bool):
                raise FormatError("count: min, max and operand must be integers")
        return Count(minimum, maximum, operator, operand)  # type: ignore[arg-type]
    if isinstance(spec, str):
        return _parse_text(spec)
    raise FormatError(f"count: expected an integer, an object or text, got {type(spec).__name__}")


def _parse_text(text: str) -> Count:
    body = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    span, *step = body.split(":")
    if len(step) > 2:
        raise FormatError(f"count: {text!r} has too many parts")
    operand = _number(step[0], text) if step else 1
    operator = step[1] if len(step) > 1 else "+"
    if span.endswith("+"):
        return Count(_number(span[:-1], text), None, operator, operand)
    if step:
        low, dash, high = span.partition("-")
        if not dash:
            raise FormatError(f"count: {text!r} has a step but no range")
        return Count(_number(low, text), _number(high, text), operator, operand)
    ids = Idset.decode(body)
    first, last = ids.first(), ids.last()
    if first is None or last is None:
        raise FormatError("count: empty")
    contiguous = len(ids) == last - first + 1
    return Count(first, last, ids=None if contiguous else ids)


def _number(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit()) or (digits[0] == "0" and len(digits) > 1):
        raise FormatError(f"count: {text!r} is not a count; write 4, 2-8, 2-8:2:* or 2+")
    return int(digits)
