# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resource counts (RFC 14, 45) below several parent resources."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.count import Count
from rosin.rfc.idset import Idset

#: Values of an idset count below several parent resources, which are multiplied one by one.
_MAX_IDS = 65536


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
