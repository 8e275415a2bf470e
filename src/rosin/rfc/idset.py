# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sets of small integers as text (RFC 22): ``0-3,7`` or ``[0-3,7]``.

An :class:`Idset` is one Python integer with a bit for each member, so that union, intersection and
difference of thousands of ranks cost one machine operation per word. Decoding and encoding are linear in
the text and the highest member.

flux-core also passes stray commas (``1,,2``); the grammar does not allow them and neither does this
module. Both take ``""`` and ``[]`` as the empty set, which the RFC leaves open.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Members must be below this (flux-core also bounds its universe). A full set takes 16 MiB.
MAX_ID = 1 << 27

_CHUNK_BITS = 1 << 15
_FEW_RANGES = 32


class Idset:
    """An immutable set of integers from 0 to ``MAX_ID - 1``.

    ``Idset("0-3,7")``, ``Idset([0, 1, 7])``, ``Idset()``. Iteration ascends. Raises FormatError on text
    that is not an idset and on ids out of range.

    Attributes:
        mask: the set as an integer; bit *i* is set when *i* is a member.
    """

    __slots__ = ("mask",)

    mask: int

    def __init__(self, ids: str | Iterable[int] | Idset = "") -> None:
        if isinstance(ids, str):
            self.mask = mask_of_ranges(decode_ranges(ids))
        elif isinstance(ids, Idset):
            self.mask = ids.mask
        else:
            self.mask = mask_of(ids)

    @staticmethod
    def decode(text: str) -> Idset:
        """Decode RFC 22 text; FormatError names the column of the fault."""
        return Idset.from_mask(mask_of_ranges(decode_ranges(text)))

    @staticmethod
    def from_mask(mask: int) -> Idset:
        """Make a set of the one-bits of a non-negative integer."""
        new = Idset.__new__(Idset)
        new.mask = mask
        return new

    @staticmethod
    def from_range(low: int, high: int) -> Idset:
        """Make the set of every id from ``low`` to ``high``, both included."""
        if not 0 <= low <= high < MAX_ID:
            raise FormatError(f"idset: invalid range {low}-{high}")
        return Idset.from_mask(((1 << (high - low + 1)) - 1) << low)

    def encode(self, *, brackets: bool = False, ranges: bool = True) -> str:
        """Return RFC 22 text; with ``brackets``, ``[...]`` around two or more members."""
        parts: list[str] = []
        if ranges:
            for low, high in runs(self.mask):
                parts.append(str(low) if low == high else f"{low}-{high}")
        else:
            parts.extend(map(str, self))
        text = ",".join(parts)
        return f"[{text}]" if brackets and self.mask & (self.mask - 1) else text

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

    def with_id(self, number: int) -> Idset:
        """Return this set and ``number``."""
        return Idset.from_mask(self.mask | 1 << _check_id(number))

    def without_id(self, number: int) -> Idset:
        """Return this set without ``number``, a member or not."""
        return Idset.from_mask(self.mask & ~(1 << _check_id(number)))

    def isdisjoint(self, other: Idset) -> bool:
        """Tell whether the sets have no member in common."""
        return not self.mask & other.mask

    def __iter__(self) -> Iterator[int]:
        for low, high in runs(self.mask):
            yield from range(low, high + 1)

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


def mask_of(ids: Iterable[int]) -> int:
    """Return the integer with a one-bit for each of ``ids``; linear also for scattered ids."""
    numbers = ids if isinstance(ids, (list, tuple, set, frozenset)) else list(ids)
    if not numbers:
        return 0
    for number in numbers:
        _check_id(number)
    buffer = bytearray((max(numbers) >> 3) + 1)
    for number in numbers:
        buffer[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(buffer, "little")


def runs(mask: int) -> Iterator[tuple[int, int]]:
    """Yield ``(low, high)`` of each run of one-bits, ascending."""
    start = -1
    for base, bits in _chunks(mask):
        at = 0
        while True:
            if start < 0:
                at = bits.find("1", at)
                if at < 0:
                    break
                start = base + at
            at = bits.find("0", at)
            if at < 0:
                break  # the run may go on in the next chunk
            yield start, base + at - 1
            start = -1
    if start >= 0:
        yield start, mask.bit_length() - 1


def _chunks(mask: int) -> Iterator[tuple[int, str]]:
    """Yield ``(first id, bits as text, lowest first)``.

    In pieces of fixed size, because one text for a large sparse set would take eight times its memory.
    """
    if mask.bit_length() <= _CHUNK_BITS:
        yield 0, bin(mask)[:1:-1]
        return
    data = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    step = _CHUNK_BITS // 8
    for at in range(0, len(data), step):
        chunk = int.from_bytes(data[at : at + step], "little")
        yield at * 8, bin(chunk)[:1:-1].ljust(_CHUNK_BITS, "0")


def encode_ids(ids: Iterable[int]) -> str:
    """Encode ascending ids without a mask: for many small sets of large ids."""
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


def decode_ranges(text: str) -> list[tuple[int, int]]:
    """Decode RFC 22 text to its ``(low, high)`` pairs without a mask; FormatError as Idset.decode."""
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
        low = high = _number(low_text, column)
        if low <= previous:
            raise FormatError(f"idset: {low} does not come after {previous} at column {column}")
        if dash:
            high = _number(high_text, column + len(low_text) + 1)
            if high <= low:
                raise FormatError(f"idset: range {low}-{high} does not ascend at column {column}")
        pairs.append((low, high))
        previous = high
        column += len(item) + 1
    return pairs


def _number(text: str, column: int) -> int:
    if not (text.isascii() and text.isdigit()):
        if not text:
            raise FormatError(f"idset: a number is missing at column {column}")
        bad = next(i for i, c in enumerate(text) if not "0" <= c <= "9")
        raise FormatError(f"idset: unexpected {text[bad]!r} at column {column + bad}")
    if text[0] == "0" and len(text) > 1:
        raise FormatError(f"idset: leading zero at column {column}")
    if len(text) > 9 or int(text) >= MAX_ID:
        raise FormatError(f"idset: id at column {column} is above the limit of {MAX_ID - 1}")
    return int(text)


def mask_of_ranges(pairs: list[tuple[int, int]]) -> int:
    """Join ascending ranges; a byte buffer, since many single ORs of a large integer are quadratic."""
    if len(pairs) <= _FEW_RANGES:
        mask = 0
        for low, high in pairs:
            mask |= ((1 << (high - low + 1)) - 1) << low
        return mask
    buffer = bytearray((pairs[-1][1] >> 3) + 1)
    for low, high in pairs:
        first, last = low >> 3, high >> 3
        head, tail = 0xFF << (low & 7) & 0xFF, 0xFF >> (7 - (high & 7))
        if first == last:
            buffer[first] |= head & tail
            continue
        buffer[first] |= head
        buffer[first + 1 : last] = b"\xff" * (last - first - 1)
        buffer[last] |= tail
    return int.from_bytes(buffer, "little")


def _check_id(number: int) -> int:
    if not isinstance(number, int) or not 0 <= number < MAX_ID:
        raise FormatError(f"idset: id {number!r} is not an integer from 0 to {MAX_ID - 1}")
    return number
