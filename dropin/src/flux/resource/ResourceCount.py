# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourceCount: how many of a resource a jobspec asks for (RFC 14, 22, 45)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.rfc.count import Count, parse
from rosin.rfc.idset.mutable import IDset

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ResourceCount"]

#: Values of a count in steps that are written out.
MAX_VALUES = 65536


class ResourceCount:
    """Acceptable counts: ``min`` to ``max`` (None: no limit), or of these only the set ``values``."""

    __slots__ = ("_values", "max", "min")

    def __init__(self, mn: int, mx: int | None, values: IDset | None = None) -> None:
        self.min = mn
        self.max = mx
        self._values = values

    @classmethod
    def from_count_spec(cls, v: Any, default: int = 1) -> ResourceCount:
        """Read an integer, an object or a text; ``default`` for anything else. Raises ValueError."""
        if not isinstance(v, (int, dict, str)):
            return cls(default, default)
        count = parse(v.strip() if isinstance(v, str) else v)
        return cls(count.min, count.max, _values(count))

    def scaled(self, factor: int) -> ResourceCount:
        """The count with all values multiplied."""
        if factor == 1:
            return self
        values = None if self._values is None else IDset([value * factor for value in self._values])
        return ResourceCount(self.min * factor, None if self.max is None else self.max * factor, values)

    def valid_counts(self, available: int) -> Iterator[int]:
        """The acceptable counts up to ``available``, largest first."""
        top = available if self.max is None else min(available, self.max)
        if self._values is None:
            yield from range(top, self.min - 1, -1)
        else:
            yield from (value for value in reversed(list(self._values)) if self.min <= value <= top)

    def count(self) -> Count:
        """The same for the allocator."""
        return Count(self.min, self.max, ids=None if self._values is None else self._values.ids)

    def __repr__(self) -> str:
        values = "" if self._values is None else f", values={self._values!r}"
        return f"ResourceCount({self.min}, {self.max}{values})"


def _values(count: Count) -> IDset | None:
    """The values of a count with holes. Raises ValueError where they have no end."""
    if count.ids is not None:
        return IDset(count.ids)
    if count.operator == "+" and count.operand == 1:
        return None
    if count.max is None:
        raise ValueError(f"RFC 14 count: {count} is in steps and has no end")
    values = []
    for value in count.values():
        values.append(value)
        if len(values) > MAX_VALUES:
            raise ValueError(f"RFC 14 count: {count} has more than {MAX_VALUES} values")
    return IDset(values)
