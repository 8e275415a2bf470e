# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.idset."""

from rosin.rfc.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, IDSET_INVALID_ID, IDset

__all__ = ["IDSET_FLAG_BRACKETS", "IDSET_FLAG_RANGE", "IDSET_INVALID_ID", "IDset", "decode"]


def decode(string: str) -> IDset:
    """Make a set of text. Raises ValueError."""
    return IDset(string)
