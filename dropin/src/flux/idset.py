# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.idset."""

from __future__ import annotations

from collections.abc import Iterator

from rosin.rfc.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, IDSET_INVALID_ID, IDset

__all__ = ["IDSET_FLAG_BRACKETS", "IDSET_FLAG_RANGE", "IDSET_INVALID_ID", "IDset", "IDsetIterator", "decode"]


class IDsetIterator(Iterator[int]):
    """The ids of an IDset, one after the other."""

    def __init__(self, idset: IDset) -> None:
        self._ids = iter(idset)

    def __next__(self) -> int:
        return next(self._ids)


def decode(string: str) -> IDset:
    """Make a set of text. Raises ValueError."""
    return IDset(string)
