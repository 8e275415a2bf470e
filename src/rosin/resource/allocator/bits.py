# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sets of small integers as the one-bits of an integer: the two questions an allocator asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW = 16


def lowest(mask: int, count: int) -> int:
    """Return the set of the ``count`` smallest members of ``mask`` (which has at least so many)."""
    if count <= 0:
        return 0
    if mask.bit_count() == count:
        return mask
    run = (1 << count) - 1
    shift = (mask & -mask).bit_length() - 1
    if mask >> shift & run == run:  # usual: the free ids begin with a run that is long enough
        return run << shift
    chosen = 0
    for _ in range(count):
        bit = mask & -mask
        chosen |= bit
        mask ^= bit
    return chosen


def members(mask: int, limit: int | None = None) -> Iterator[int]:
    """Yield the members of ``mask`` in ascending order, at most ``limit`` of them."""
    if limit is None:
        limit = mask.bit_count()
    if limit <= _FEW:
        while mask and limit > 0:
            bit = mask & -mask
            yield bit.bit_length() - 1
            mask ^= bit
            limit -= 1
        return
    for number in Idset.from_mask(mask):
        if limit <= 0:
            return
        limit -= 1
        yield number
