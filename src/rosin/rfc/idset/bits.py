# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 22: sets of ids as one integer with a bit for each member, and back.

Integers of a few words are made and read with shifts. Large ones are made from, and read as, text of
zeros and ones, which Python converts in linear time and searches at the speed of C.
"""

from __future__ import annotations

from itertools import chain, compress

from rosin.errors import FormatError
from rosin.rfc.idset.text import MAX_ID, Remembered, decode_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

_CHUNK_BITS = 1 << 15
_FEW = 32
_SPARSE = 16  # ids for each member, above which text of zeros and ones would waste memory
_SELECTORS = bytes(1 if byte == 0x31 else 0 for byte in range(256))


def check_id(number: int) -> int:
    """Return ``number``; FormatError unless it may be a member."""
    if not isinstance(number, int) or not 0 <= number < MAX_ID:
        raise FormatError(f"idset: id {number!r} is not an integer from 0 to {MAX_ID - 1}")
    return number


def mask_of(ids: Iterable[int]) -> int:
    """Return the integer with a one-bit for each of ``ids``; linear also for scattered ids."""
    numbers: Collection[int] = ids if isinstance(ids, (list, tuple, set, frozenset)) else list(ids)
    if not numbers:
        return 0
    for number in numbers:
        if not isinstance(number, int):
            check_id(number)
    last = check_id(max(numbers))
    check_id(min(numbers))
    if last < 1 << 10:
        mask = 0
        for number in numbers:
            mask |= 1 << number
        return mask
    return _scatter(numbers, last)


def _scatter(numbers: Collection[int], last: int) -> int:
    if last < _SPARSE * len(numbers):
        text = bytearray(b"0") * (last + 1)
        for number in numbers:
            text[number] = 0x31
        text.reverse()
        return int(text, 2)
    buffer = bytearray((last >> 3) + 1)
    for number in numbers:
        buffer[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(buffer, "little")


def mask_of_ranges(pairs: Sequence[tuple[int, int]]) -> int:
    """Join ascending ranges ``(low, high)``."""
    if len(pairs) <= _FEW:
        mask = 0
        for low, high in pairs:
            mask |= ((1 << (high - low + 1)) - 1) << low
        return mask
    return mask_of_ends([low for low, _ in pairs], [high for _, high in pairs])


def mask_of_ends(lows: Sequence[int], highs: Sequence[int]) -> int:
    """Join ascending ranges given as their low and their high ends."""
    if len(lows) <= _FEW:
        return mask_of_ranges(list(zip(lows, highs, strict=True)))
    if lows is highs:
        return _scatter(lows, lows[-1])
    # The ones from low to high are 2^(high + 1) - 2^low, and one difference does for all ranges.
    return (_scatter(highs, highs[-1]) << 1) - _scatter(lows, lows[-1])


def members(mask: int) -> Iterator[int]:
    """Return an iterator of the positions of the one-bits, ascending."""
    if mask.bit_count() << 6 <= mask.bit_length() <= _CHUNK_BITS:
        return _lowest_first(mask)
    if mask.bit_length() <= _CHUNK_BITS:
        return compress(range(_CHUNK_BITS), bin(mask)[:1:-1].encode().translate(_SELECTORS))
    return chain.from_iterable(_long_members(mask))


def _lowest_first(mask: int) -> Iterator[int]:
    """For a few ids, far apart: each step costs a few operations on words."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _long_members(mask: int) -> Iterator[Iterable[int]]:
    for base, chunk in _parts(mask):
        if not chunk:
            continue
        bits = bin(chunk)[:1:-1]
        if chunk.bit_count() * _SPARSE > _CHUNK_BITS:
            yield compress(range(base, base + _CHUNK_BITS), bits.encode().translate(_SELECTORS))
        else:
            at = base - 1
            yield [at := at + len(gap) + 1 for gap in bits[:-1].split("1")]


def _encode_small(mask: int) -> str:
    bits = bin(mask)[:1:-1] + "0"
    parts: list[str] = []
    low = bits.find("1")
    while low >= 0:
        end = bits.find("0", low)
        parts.append(str(low) if end == low + 1 else f"{low}-{end - 1}")
        low = bits.find("1", end)
    return ",".join(parts)


#: Return RFC 22 text of a set of small ids; remembered, since services name the same ranks often.
encode_small: Callable[[int], str] = Remembered(_encode_small).__getitem__
#: Return the mask of a text of few characters (its ids are small too); remembered. Raises FormatError.
decode_small: Callable[[str], int] = Remembered(lambda text: mask_of_ranges(decode_ranges(text))).__getitem__


def run_ends(mask: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the low and the high ends of all runs of one-bits."""
    if mask.bit_length() > 64:
        starts, stops = mask & ~(mask << 1), mask & ~(mask >> 1)
        if starts == stops:
            lows = list(members(starts))
            return lows, lows
        if starts.bit_count() * 64 > mask.bit_length():
            return list(members(starts)), list(members(stops))
    pairs = list(runs(mask))
    return [low for low, _ in pairs], [high for _, high in pairs]


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
    """Yield ``(first id, bits as text, lowest first)``."""
    if mask.bit_length() <= _CHUNK_BITS:
        yield 0, bin(mask)[:1:-1]
        return
    for base, chunk in _parts(mask):
        yield base, bin(chunk)[:1:-1].ljust(_CHUNK_BITS, "0")


def _parts(mask: int) -> Iterator[tuple[int, int]]:
    """Yield ``(first id, bits)`` in pieces of fixed size.

    One text for a large sparse set would take eight times its memory.
    """
    data = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    step = _CHUNK_BITS // 8
    for at in range(0, len(data), step):
        yield at * 8, int.from_bytes(data[at : at + step], "little")
