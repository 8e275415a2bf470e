# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a scheduler asks of resource counts (RFC 14, 45); each answer takes few steps."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.count import Count
from rosin.rfc.idset import Idset

#: Values of an idset count below several parent resources, which are multiplied one by one.
_MAX_IDS = 65536


def best(count: Count, available: int) -> int:
    """Return the largest acceptable value that is at most ``available``; 0 when there is none."""
    limit = available if count.max is None else min(available, count.max)
    if limit < count.min:
        return 0
    if count.ids is not None:
        return Idset.from_mask(count.ids.mask & ((1 << (limit + 1)) - 1)).last() or 0
    if count.operator == "+":
        return limit - (limit - count.min) % count.operand
    value = count.min
    if count.operator == "^" and count.operand > limit.bit_length():
        return value  # the next power is far beyond the limit: do not compute it
    while True:
        following = value * count.operand if count.operator == "*" else value**count.operand
        if following > limit:
            return value
        value = following


def scaled(count: Count, factor: int) -> Count:
    """Return the count of ``factor`` times each value: of nodes below a rack of which there are several.

    Raises FormatError for the rare counts that have no such form.
    """
    if factor == 1:
        return count
    top = None if count.max is None else count.max * factor
    if count.ids is not None:
        if len(count.ids) > _MAX_IDS:
            raise FormatError(f"count: more than {_MAX_IDS} values below several parent resources")
        return Count(count.min * factor, top, ids=Idset([value * factor for value in count.ids]))
    if count.operator == "^":
        raise FormatError("count: powers below several parent resources are not supported")
    operand = count.operand * factor if count.operator == "+" else count.operand
    return Count(count.min * factor, top, count.operator, operand)
