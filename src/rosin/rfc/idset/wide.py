# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sets with large ids (RFC 22) as ascending ranges: ``0-4294967294`` is one pair of numbers.

:meth:`rosin.rfc.idset.Idset.decode` makes these when it is asked to take large ids and meets one. All
operations are linear in the ranges of both sets, whatever the ids; a result whose ids are all small is a
plain :class:`Idset` again, so that equal sets are always of one class.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain

from rosin.errors import FormatError
from rosin.rfc.idset.bits import mask_of_ends, run_ends
from rosin.rfc.idset.idset import Idset
from rosin.rfc.idset.text import MAX_ID, MAX_LIMIT, encode_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class WideIdset(Idset):
    """An immutable set with an id of ``MAX_ID`` or more; to be made by :meth:`from_ends` only."""

    __slots__ = ("_highs", "_lows")

    _lows: list[int]
    _highs: list[int]

    def __init__(self, ids: str | Iterable[int] | Idset = "") -> None:
        made = (
            ids
            if isinstance(ids, Idset)
            else Idset.decode(ids, limit=MAX_LIMIT)
            if isinstance(ids, str)
            else of_ids(ids)
        )
        if not isinstance(made, WideIdset):
            raise FormatError(f"idset: no id of {MAX_ID} or more")
        self._lows, self._highs = made._lows, made._highs

    @staticmethod
    def from_ends(lows: Sequence[int], highs: Sequence[int]) -> Idset:
        """Make a set of ascending ranges, adjacent or not; a plain Idset when its ids are small."""
        if not highs or highs[-1] < MAX_ID:
            return Idset.from_mask(mask_of_ends(lows, highs))
        new = WideIdset.__new__(WideIdset)
        new._lows, new._highs = _joined(lows, highs)
        return new

    @property
    def mask(self) -> int:  # type: ignore[override]
        raise FormatError(f"idset: id {self._highs[-1]} is above the limit of {MAX_ID - 1}")

    def encode(self, *, brackets: bool = False, ranges: bool = True) -> str:
        text = encode_ranges(self._lows, self._highs) if ranges else ",".join(map(str, self))
        return f"[{text}]" if brackets and len(self) > 1 else text

    def ranges(self) -> Iterator[tuple[int, int]]:
        return zip(self._lows, self._highs, strict=True)

    def first(self) -> int:
        return self._lows[0]

    def last(self) -> int:
        return self._highs[-1]

    def next(self, after: int) -> int | None:
        at = bisect_right(self._lows, after)
        if at and after < self._highs[at - 1]:
            return after + 1
        return self._lows[at] if at < len(self._lows) else None

    def prev(self, before: int) -> int | None:
        at = bisect_right(self._lows, before - 1)
        return min(self._highs[at - 1], before - 1) if at else None

    def with_id(self, number: int) -> Idset:
        return self | of_ids([number])

    def without_id(self, number: int) -> Idset:
        return self - of_ids([number])

    def isdisjoint(self, other: Idset) -> bool:
        return not self & other

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(map(range, self._lows, [high + 1 for high in self._highs]))

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_right(self._lows, number)
        return at > 0 and number <= self._highs[at - 1]

    def __len__(self) -> int:
        return sum(self._highs) - sum(self._lows) + len(self._lows)

    def __bool__(self) -> bool:
        return True

    def __or__(self, other: Idset) -> Idset:
        return _combined(self, other, 1, 2) if isinstance(other, Idset) else NotImplemented

    def __and__(self, other: Idset) -> Idset:
        return _combined(self, other, 2, 2) if isinstance(other, Idset) else NotImplemented

    def __xor__(self, other: Idset) -> Idset:
        return _combined(self, other, 1, 1) if isinstance(other, Idset) else NotImplemented

    def __sub__(self, other: Idset) -> Idset:
        return self ^ (self & other) if isinstance(other, Idset) else NotImplemented

    def __rsub__(self, other: Idset) -> Idset:
        return other ^ (self & other)

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __le__(self, other: Idset) -> bool:
        return (self & other) == self if isinstance(other, Idset) else NotImplemented

    def __lt__(self, other: Idset) -> bool:
        return self <= other and self != other

    def __ge__(self, other: Idset) -> bool:
        return (self & other) == other if isinstance(other, Idset) else NotImplemented

    def __gt__(self, other: Idset) -> bool:
        return self >= other and self != other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Idset):
            return NotImplemented
        return isinstance(other, WideIdset) and (self._lows, self._highs) == (other._lows, other._highs)

    def __hash__(self) -> int:
        return hash((tuple(self._lows), tuple(self._highs)))


def of_ids(ids: Iterable[int]) -> Idset:
    """Make a set of any ids from 0 to 2^63 - 2, in any order. Raises FormatError."""
    numbers = sorted(set(ids))
    for number in numbers:
        if not isinstance(number, int) or not 0 <= number < MAX_LIMIT:
            raise FormatError(f"idset: id {number!r} is not an integer from 0 to {MAX_LIMIT - 1}")
    return WideIdset.from_ends(numbers, numbers)


def _joined(lows: Sequence[int], highs: Sequence[int]) -> tuple[list[int], list[int]]:
    """Join adjacent ranges."""
    starts: list[int] = []
    stops: list[int] = []
    last = -2
    for low, high in zip(lows, highs, strict=True):
        if low == last + 1:
            stops[-1] = high
        else:
            starts.append(low)
            stops.append(high)
        last = high
    return starts, stops


def _ends(ids: Idset) -> tuple[Sequence[int], Sequence[int]]:
    return (ids._lows, ids._highs) if isinstance(ids, WideIdset) else run_ends(ids.mask)


def _combined(one: Idset, other: Idset, least: int, most: int) -> Idset:
    """Return the ids that are in ``least`` to ``most`` of the two sets.

    Walks over the ends of all ranges in order and counts in how many sets it is.
    """
    edges: list[int] = []
    for lows, highs in (_ends(one), _ends(other)):
        edges += [low * 2 + 1 for low in lows]  # odd: one set more from here on
        edges += [high * 2 + 2 for high in highs]  # even: one set less
    edges.sort()
    lows, highs = [], []
    depth = start = 0
    for edge in edges:
        at = edge >> 1
        if least <= depth <= most and at > start:
            lows.append(start)
            highs.append(at - 1)
        depth += 1 if edge & 1 else -1
        start = at
    return WideIdset.from_ends(lows, highs)
