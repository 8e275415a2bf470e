# SPDX-License-Identifier: LGPL-3.0-or-later
"""The hosts of a list (RFC 29) as runs such as ``node[08-12]``, kept in parallel columns.

A million separate names cost a few lists, which the whole-list operations of Python (``map``, ``compress``,
``count``) go through many times faster than statements go through a list of objects. Flags of all runs are
bytes, one for each run, so that columns of flags combine as large integers.
"""

from __future__ import annotations

from itertools import compress, islice, repeat
from operator import ne, sub

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIGITS = "0123456789"
#: Digits of the longest number; names that end in a longer one are kept as names without a number.
MAX_DIGITS = 18
#: The width of a name without a number.
NAME = 31

_FEW = 8  # so few runs are appended one by one


class Runs:
    """Runs of hosts in order. Runs that continue one another are joined: equal lists have equal columns.

    Attributes:
        prefixes: what stands before the number, which never ends in a digit; or all of a name.
        lows, highs: the first and the last number; -1 in a name without a number.
        widths: digits of the lowest number if it needs leading zeros, else 0; or ``NAME``.
    """

    __slots__ = ("highs", "lows", "prefixes", "widths")

    def __init__(self) -> None:
        self.prefixes: list[str] = []
        self.lows: list[int] = []
        self.highs: list[int] = []
        self.widths = bytearray()

    def push(self, prefix: str, low: int, high: int, width: int) -> None:
        """Append one run, joined to the last one where the names go on."""
        if self._goes_on(prefix, low, width):
            self.highs[-1] = high
        else:
            self.prefixes.append(prefix)
            self.lows.append(low)
            self.highs.append(high)
            self.widths.append(width)

    def push_name(self, name: str) -> None:
        """Append one plain name, which is not parsed."""
        prefix, number, length = split(name)
        if number >= 0:
            length = length if length > 1 and name[-length] == "0" else 0
        self.push(prefix, number, number, length)

    def append(self, other: Runs) -> None:
        """Append the runs of another object."""
        if other.lows and self._goes_on(other.prefixes[0], other.lows[0], other.widths[0]):
            high, other = other.highs[0], other.part(1, len(other.lows))
            self.highs[-1] = high
        self.prefixes += other.prefixes
        self.lows += other.lows
        self.highs += other.highs
        self.widths += bytes(other.widths)  # a bytearray does not take itself

    def extend(self, prefixes: list[str], lows: list[int], highs: list[int], widths: bytes) -> None:
        """Append columns of runs that may continue one another."""
        if len(lows) <= _FEW:
            for run in zip(prefixes, lows, highs, widths, strict=True):
                self.push(*run)
            return
        new = Runs()
        new.prefixes, new.lows, new.highs, new.widths = prefixes, lows, highs, bytearray(widths)
        new._join()
        self.append(new)

    def extend_alike(self, prefix: str, lows: list[int], highs: list[int], width: int) -> None:
        """Append runs of one prefix and width."""
        self.extend([prefix] * len(lows), lows, highs, bytes((width,)) * len(lows))

    def part(self, start: int, stop: int) -> Runs:
        """Return the runs from ``start`` to before ``stop`` as a new object."""
        new = Runs()
        new.prefixes = self.prefixes[start:stop]
        new.lows = self.lows[start:stop]
        new.highs = self.highs[start:stop]
        new.widths = self.widths[start:stop]
        return new

    def has_length(self, at: int, number: int, length: int) -> bool:
        """Return whether run ``at`` writes a number with ``length`` digits (``NAME``: none)."""
        width = self.widths[at]
        return width == length or (width < length == len(str(number)))

    def alike(self) -> bool:
        """Return whether there are runs and all have one prefix."""
        return bool(self.prefixes) and self.prefixes.count(self.prefixes[0]) == len(self.prefixes)

    def count(self) -> int:
        """Return the number of hosts."""
        return len(self.lows) + sum(self.highs) - sum(self.lows)

    def _goes_on(self, prefix: str, low: int, width: int) -> bool:
        """Return whether the names of the last run go on with ``low``."""
        if low <= 0 or not self.highs or self.highs[-1] + 1 != low or self.prefixes[-1] != prefix:
            return False
        last = self.widths[-1]
        return last == width or (not width and low >= 10 ** (last - 1))

    def _join(self) -> None:
        """Join the runs that continue one another."""
        lows, widths = self.lows, self.widths
        heads = bytes(len(lows)) if self.alike() else changes(self.prefixes)
        if 0 not in heads:
            return
        gaps = list(map(sub, islice(lows, 1, None), self.highs))
        if 1 not in gaps:
            return
        heads = either(heads, b"\1" + bytes(map(ne, gaps, repeat(1))))
        if any(widths):
            apart = bytearray(heads)
            for at in compress(range(len(lows)), changes(widths)):
                apart[at] |= widths[at] > 0 or lows[at] < 10 ** (widths[at - 1] - 1)
            heads = bytes(apart)
        self.prefixes = list(compress(self.prefixes, heads))
        self.highs = list(compress(self.highs, heads[1:] + b"\1"))
        self.lows = list(compress(lows, heads))
        self.widths = bytearray(compress(widths, heads))

    def __len__(self) -> int:
        return len(self.lows)

    def __iter__(self) -> Iterator[tuple[str, int, int, int]]:
        """Iterate over (prefix, low, high, width)."""
        return zip(self.prefixes, self.lows, self.highs, self.widths, strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Runs):
            return NotImplemented
        return (
            self.lows == other.lows
            and self.highs == other.highs
            and self.widths == other.widths
            and self.prefixes == other.prefixes
        )

    __hash__ = None  # type: ignore[assignment]


def split(name: str) -> tuple[str, int, int]:
    """Return the prefix, the number at the end and its length in digits; (name, -1, NAME) without one."""
    prefix = name.rstrip(DIGITS)
    length = len(name) - len(prefix)
    if 0 < length <= MAX_DIGITS:
        return prefix, int(name[-length:]), length
    return name, -1, NAME


def changes(column: Sequence[object]) -> bytes:
    """Return a flag for each item: whether it differs from the one before; 1 for the first."""
    return b"\1"[: len(column)] + bytes(map(ne, column, islice(column, 1, None)))


def either(one: bytes, other: bytes) -> bytes:
    """Return the flags that are set in one column or the other."""
    return (int.from_bytes(one) | int.from_bytes(other)).to_bytes(len(one))
