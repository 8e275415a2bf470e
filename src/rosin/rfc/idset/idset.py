# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sets of integers as text (RFC 22): ``0-3,7`` or ``[0-3,7]``.

An :class:`Idset` is one Python integer with a bit for each member, so that union, intersection and
difference of thousands of ranks cost one machine operation per word. Decoding and encoding are linear in
the text and the highest member. Ids must be below ``MAX_ID``, so that no text makes a large object; who
wants larger ids asks for them (``Idset.decode(text, limit=1 << 32)``) and gets a set that keeps ranges as
soon as one of its ids is that large (:mod:`rosin.rfc.idset.wide`).

Of flux-core's flags, ``IDSET_FLAG_BRACKETS`` and ``IDSET_FLAG_RANGE`` are arguments of
:meth:`Idset.encode` (and :meth:`Idset.encode_flags` takes them as one number); the others choose how a C
set grows, counts and is initialized, which these sets do not need: ``Idset.from_range(0, n - 1)`` is a
full set, and ``first()`` with ``without_id()`` allocates from it.

Where flux-core and this module differ on text:

- flux-core skips stray commas (``1,,2`` or ``,1``); the grammar does not allow them.
- flux-core takes ids up to 2147483647, and reads a greater number modulo 2^32 before it compares.
- Both take ``""`` and ``[]`` as the empty set, which the RFC leaves open.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.idset.bits import (
    check_id,
    decode_small,
    encode_small,
    mask_of,
    mask_of_ends,
    mask_of_ranges,
    members,
    run_ends,
    runs,
)
from rosin.rfc.idset.text import MAX_ID, decode_ends, decode_ranges, encode_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import ClassVar

#: Flags of :meth:`Idset.encode_flags`, as flux-core numbers them.
IDSET_FLAG_BRACKETS = 2
IDSET_FLAG_RANGE = 4

# What is remembered: texts of so few characters that no id has six digits, and masks of few bits.
_FEW_CHARACTERS = 5
_SMALL_BITS = 512
_SHORT = 256


class Idset:
    """An immutable set of integers from 0 to ``MAX_ID - 1``.

    ``Idset("0-3,7")``, ``Idset([0, 1, 7])``, ``Idset()``. Iteration ascends. Raises FormatError on text
    that is not an idset and on ids out of range.

    Attributes:
        mask: the set as an integer; bit *i* is set when *i* is a member. FormatError for a set with
            ids of ``MAX_ID`` or more.
    """

    __slots__ = ("mask",)

    mask: int
    #: Makes the set of ranges of which the last ends at ``MAX_ID`` or above; from the package.
    _of_wide_ends: ClassVar[Callable[[Sequence[int], Sequence[int]], Idset]]

    def __init__(self, ids: str | Iterable[int] | Idset = "") -> None:
        if isinstance(ids, str):
            self.mask = decode_small(ids) if len(ids) <= _FEW_CHARACTERS else Idset.decode(ids).mask
        elif isinstance(ids, Idset):
            self.mask = ids.mask
        else:
            self.mask = mask_of(ids)

    @staticmethod
    def decode(text: str, *, limit: int = MAX_ID) -> Idset:
        """Decode RFC 22 text whose ids are below ``limit``; FormatError names the column of the fault.

        ``limit`` is at most 2^63 - 1.
        """
        if len(text) <= _FEW_CHARACTERS and limit >= MAX_ID:
            return Idset.from_mask(decode_small(text))
        if len(text) < _SHORT and limit <= MAX_ID:
            return Idset.from_mask(mask_of_ranges(decode_ranges(text, limit)))
        lows, highs = decode_ends(text, limit)
        if highs and highs[-1] >= MAX_ID:
            return Idset._of_wide_ends(lows, highs)
        return Idset.from_mask(mask_of_ends(lows, highs))

    @staticmethod
    def from_mask(mask: int) -> Idset:
        """Make a set of the one-bits of a non-negative integer."""
        new = Idset.__new__(Idset)
        new.mask = mask
        return new

    @staticmethod
    def from_range(low: int, high: int) -> Idset:
        """Make the set of every id from ``low`` to ``high``, both included. Raises FormatError."""
        if not 0 <= low <= high < MAX_ID:
            raise FormatError(f"idset: invalid range {low}-{high}")
        return Idset.from_mask(((1 << (high - low + 1)) - 1) << low)

    def encode(self, *, brackets: bool = False, ranges: bool = True) -> str:
        """Return RFC 22 text; with ``brackets``, ``[...]`` around two or more members."""
        mask = self.mask
        if not ranges:
            text = ",".join(map(str, self))
        elif mask.bit_length() <= _SMALL_BITS:
            text = encode_small(mask)
        else:
            text = encode_ranges(*run_ends(mask))
        return f"[{text}]" if brackets and mask & (mask - 1) else text

    def encode_flags(self, flags: int) -> str:
        """Encode as flux-core does with ``IDSET_FLAG_BRACKETS`` and ``IDSET_FLAG_RANGE``."""
        return self.encode(brackets=bool(flags & IDSET_FLAG_BRACKETS), ranges=bool(flags & IDSET_FLAG_RANGE))

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the ``(low, high)`` pairs (both included) of consecutive members."""
        return runs(self.mask)

    def first(self) -> int | None:
        """Return the smallest member, or None."""
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else None

    def last(self) -> int | None:
        """Return the largest member, or None."""
        return self.mask.bit_length() - 1 if self.mask else None

    def next(self, after: int) -> int | None:
        """Return the smallest member above ``after``, or None. To visit all members, iterate."""
        rest = self.mask >> (after + 1) if after >= 0 else self.mask
        return (rest & -rest).bit_length() + max(after, -1) if rest else None

    def prev(self, before: int) -> int | None:
        """Return the largest member below ``before``, or None."""
        rest = self.mask & ((1 << before) - 1) if 0 < before < MAX_ID else self.mask if before > 0 else 0
        return rest.bit_length() - 1 if rest else None

    def with_id(self, number: int) -> Idset:
        """Return this set and ``number``."""
        return Idset.from_mask(self.mask | 1 << check_id(number))

    def without_id(self, number: int) -> Idset:
        """Return this set without ``number``, a member or not."""
        return Idset.from_mask(self.mask & ~(1 << check_id(number)))

    def with_range(self, low: int, high: int) -> Idset:
        """Return this set and every id from ``low`` to ``high``, both included."""
        return self | Idset.from_range(low, high)

    def without_range(self, low: int, high: int) -> Idset:
        """Return this set without the ids from ``low`` to ``high``, members or not."""
        return self - Idset.from_range(low, high)

    def isdisjoint(self, other: Idset) -> bool:
        """Tell whether the sets have no member in common."""
        return not self.mask & other.mask if type(other) is Idset else other.isdisjoint(self)

    def __iter__(self) -> Iterator[int]:
        return members(self.mask)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number >= 0 and bool(self.mask >> number & 1)

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __bool__(self) -> bool:
        return self.mask != 0

    def __or__(self, other: Idset) -> Idset:
        return Idset.from_mask(self.mask | other.mask) if isinstance(other, Idset) else NotImplemented

    def __and__(self, other: Idset) -> Idset:
        return Idset.from_mask(self.mask & other.mask) if isinstance(other, Idset) else NotImplemented

    def __sub__(self, other: Idset) -> Idset:
        return Idset.from_mask(self.mask & ~other.mask) if isinstance(other, Idset) else NotImplemented

    def __xor__(self, other: Idset) -> Idset:
        return Idset.from_mask(self.mask ^ other.mask) if isinstance(other, Idset) else NotImplemented

    def __le__(self, other: Idset) -> bool:
        return not self.mask & ~other.mask if isinstance(other, Idset) else NotImplemented

    def __lt__(self, other: Idset) -> bool:
        return self <= other and self.mask != other.mask

    def __ge__(self, other: Idset) -> bool:
        return other <= self

    def __gt__(self, other: Idset) -> bool:
        return other < self

    def __eq__(self, other: object) -> bool:
        return self.mask == other.mask if isinstance(other, Idset) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.mask)

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Idset({self.encode()!r})"
