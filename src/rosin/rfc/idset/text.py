# SPDX-License-Identifier: LGPL-3.0-or-later
"""The text of idsets (RFC 22) as pairs ``(low, high)`` of ascending ranges, both ends included.

A short text is read item by item, which finds the column of a fault. A long one is read with a few calls
over the whole of it, so that a million ids take a fraction of a second; if any of its checks fails, the
text is read again item by item to say where.
"""

from __future__ import annotations

from _operator import lt
from itertools import compress, islice

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

#: Ids must be below this, unless another limit is asked for: a set below it takes at most 16 MiB.
MAX_ID = 1 << 27
#: Values that are remembered.
_MANY = 1024
#: No limit may be above this: the number of members must be what ``len()`` can return.
MAX_LIMIT = (1 << 63) - 1

_LONG = 256
_REMEMBERED = 24
_DIGITS = b"0123456789"
# Of the separators of a text: 1 where a range (or single id) ends before it.
_ENDS = bytes(1 if byte == 0x2C else 0 for byte in range(256))


def decode_ranges(text: str, limit: int = MAX_ID) -> list[tuple[int, int]]:
    """Decode RFC 22 text to its ``(low, high)`` pairs; FormatError names the column of a fault."""
    if len(text) >= _LONG:
        return list(zip(*decode_ends(text, limit), strict=True))
    if len(text) <= _REMEMBERED and limit == MAX_ID:
        return list(_remembered(text))
    return _read(text, limit)


class Remembered(dict):  # type: ignore[type-arg]  # at run time there is no Any here
    """The values of a function; when there are too many it begins anew.

    To import functools, which has such a thing, takes half as long as a command.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, key: object) -> object:
        value = self._function(key)
        if len(self) >= _MANY:
            self.clear()
        self[key] = value
        return value


#: Read a short text; services read the same few again and again.
_remembered: Callable[[str], tuple[tuple[int, int], ...]]
_remembered = Remembered(lambda text: tuple(_read(text, MAX_ID))).__getitem__


def decode_ends(text: str, limit: int = MAX_ID) -> tuple[Sequence[int], Sequence[int]]:
    """Decode to the low and the high ends of the ranges; both are one object when there are only ids.

    Raises FormatError.
    """
    if len(text) >= _LONG:
        ends = _read_long(text, limit)
        if ends is not None:
            return ends
    pairs = _read(text, limit)
    return [low for low, _ in pairs], [high for _, high in pairs]


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges in order, those that overlap or touch each other as one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def encode_ranges(lows: Sequence[int], highs: Sequence[int]) -> str:
    """Write ascending ranges that are not adjacent, as :func:`decode_ends` returns them."""
    if lows is highs:
        return ",".join(map(str, lows))
    return ",".join(
        [str(low) if low == high else f"{low}-{high}" for low, high in zip(lows, highs, strict=True)]
    )


def encode_ids(ids: Iterable[int]) -> str:
    """Write ascending ids without making a set of them: for many small sets of large ids."""
    parts: list[str] = []
    low = high = -2
    for number in ids:
        if number == high + 1:
            high = number
            continue
        if low >= 0:
            parts.append(str(low) if low == high else f"{low}-{high}")
        low = high = number
    if low >= 0:
        parts.append(str(low) if low == high else f"{low}-{high}")
    return ",".join(parts)


def _read_long(text: str, limit: int) -> tuple[Sequence[int], Sequence[int]] | None:
    """Read a long text; None if anything is wrong with it."""
    if not text.isascii():
        return None
    data = (text[1:-1] if text[0] == "[" and text[-1] == "]" else text).encode()
    separators = data.translate(None, _DIGITS)
    if (
        separators.translate(None, b",-")  # other characters
        or b"--" in separators  # 1-2-3
        or b",0" in data  # never ascends, or has a leading zero
        or b"-0" in data
        or (data[:1] == b"0" and data[1:2].isdigit())
    ):
        return None
    try:
        numbers = list(map(int, data.replace(b"-", b",").split(b",")))
    except ValueError:  # an empty item, or a number of thousands of digits
        return None
    if numbers[-1] >= limit or not all(map(lt, numbers, islice(numbers, 1, None))):
        return None
    if b"-" not in separators:
        return numbers, numbers
    ends = separators.translate(_ENDS)
    return list(compress(numbers, b"\1" + ends)), list(compress(numbers, ends + b"\1"))


def _read(text: str, limit: int) -> list[tuple[int, int]]:
    body, column = text, 1
    if text.startswith("["):
        if not text.endswith("]"):
            raise FormatError("idset: unbalanced '[' at column 1")
        body, column = text[1:-1], 2
    if not body:
        return []
    pairs: list[tuple[int, int]] = []
    previous = -1
    for item in body.split(","):
        low_text, dash, high_text = item.partition("-")
        low = high = _number(low_text, column, limit)
        if low <= previous:
            raise FormatError(f"idset: {low} does not come after {previous} at column {column}")
        if dash:
            high = _number(high_text, column + len(low_text) + 1, limit)
            if high <= low:
                raise FormatError(f"idset: range {low}-{high} does not ascend at column {column}")
        pairs.append((low, high))
        previous = high
        column += len(item) + 1
    return pairs


def _number(text: str, column: int, limit: int) -> int:
    if text.isdigit() and text.isascii() and (text[0] != "0" or len(text) == 1) and len(text) <= 19:
        number = int(text)
        if number < limit:
            return number
    raise _fault(text, column, limit)


def _fault(text: str, column: int, limit: int) -> FormatError:
    if not text:
        return FormatError(f"idset: expected a number at column {column}")
    bad = next((i for i, c in enumerate(text) if not "0" <= c <= "9"), -1)
    if bad >= 0:
        what = "unbalanced" if text[bad] in "[]" else "unexpected"
        return FormatError(f"idset: {what} {text[bad]!r} at column {column + bad}")
    if text[0] == "0" and len(text) > 1:
        return FormatError(f"idset: leading zero at column {column}")
    return FormatError(f"idset: id at column {column} is above the limit of {limit - 1}")
