# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 22: sets of integers; see :class:`Idset`, and :class:`IDset` for one that changes."""

from __future__ import annotations

from rosin._lazy import on_first_use
from rosin.rfc.idset.bits import mask_of, mask_of_ranges
from rosin.rfc.idset.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, Idset
from rosin.rfc.idset.text import MAX_ID, decode_ranges, encode_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.rfc.idset.mutable import IDSET_INVALID_ID, IDset

__all__ = [
    "IDSET_FLAG_BRACKETS",
    "IDSET_FLAG_RANGE",
    "IDSET_INVALID_ID",
    "MAX_ID",
    "IDset",
    "Idset",
    "decode_ranges",
    "encode_ids",
    "mask_of",
    "mask_of_ranges",
]

__getattr__, __dir__ = on_first_use(__name__, {"IDSET_INVALID_ID": "mutable", "IDset": "mutable"})


def _of_wide_ends(lows: Sequence[int], highs: Sequence[int]) -> Idset:
    from rosin.rfc.idset.wide import WideIdset

    return WideIdset.from_ends(lows, highs)


# The class for large ids is one of Idset, which therefore cannot name it.
Idset._of_wide_ends = _of_wide_ends
