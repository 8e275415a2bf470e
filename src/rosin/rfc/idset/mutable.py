# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 22: a mutable set with the method names of flux-core's ``flux.idset``, over
:class:`rosin.rfc.idset.Idset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rosin.rfc.idset.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, Idset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What flux-core returns where there is no id.
IDSET_INVALID_ID = 0xFFFFFFFF - 1


def _ids(arg: Any) -> Idset:
    if isinstance(arg, IDset):
        return arg._ids
    if isinstance(arg, Idset):
        return arg
    if isinstance(arg, int):
        return Idset([arg])
    if not isinstance(arg, (str, Iterable)):
        raise TypeError(f"IDset(): expected string, int or Iterable, got {type(arg)}")
    return Idset(arg)


def _member(i: Any, method: str) -> int:
    """An argument that is a member. Raises TypeError and ValueError."""
    if not isinstance(i, int):
        raise TypeError(f"IDset.{method} supports integers, not {type(i)}")
    if i < 0:
        raise ValueError(f"negative index passed to IDset.{method}")
    return i


def _range(start: Any, end: Any, method: str) -> Idset:
    """The set of an id, or of all from one to another."""
    low = _member(start, method)
    high = low if end is None else _member(end, method)
    if low > high:
        raise ValueError(f"IDset.{method}: the first id, {low}, is above the last, {high}")
    return Idset.from_range(low, high)


class IDset:
    """A set of integers: ``IDset("0-3,7")``."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, arg: Any = "", flags: int = IDSET_FLAG_RANGE) -> None:
        self._ids = _ids(arg)
        self._flags = flags

    def _with(self, ids: Idset) -> IDset:
        new = IDset("", self._flags)
        new._ids = ids
        return new

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"IDset('{self}')"

    def __bool__(self) -> bool:
        return bool(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __contains__(self, i: object) -> bool:
        return self.test(i)  # type: ignore[arg-type]

    def __getitem__(self, i: int) -> bool:
        return self.test(i)

    def __setitem__(self, i: int, value: int) -> None:
        if value not in (0, 1):
            raise ValueError("an idset item can only be set to 0 or 1")
        if value:
            self.set(i)
        else:
            self.clear(i)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IDset):
            return self._ids == other._ids
        return self._ids == other if isinstance(other, Idset) else NotImplemented

    def __add__(self, arg: Any) -> IDset:
        return self.union(arg)

    def __or__(self, arg: Any) -> IDset:
        return self.union(arg)

    def __sub__(self, arg: Any) -> IDset:
        return self.difference(arg)

    def __and__(self, arg: Any) -> IDset:
        return self.intersect(arg)

    def __iadd__(self, arg: Any) -> IDset:
        return self.add(arg)

    def __isub__(self, arg: Any) -> IDset:
        return self.subtract(arg)

    def equal(self, idset: IDset) -> bool:
        """Whether both have the same members."""
        return self._ids == idset._ids

    @property
    def ids(self) -> Idset:
        """The members as a set that does not change."""
        return self._ids

    def set_flags(self, flags: int) -> None:
        """How :meth:`encode` writes: IDSET_FLAG_RANGE, IDSET_FLAG_BRACKETS."""
        self._flags = flags

    def test(self, i: int) -> bool:
        """Whether ``i`` is a member. Raises TypeError for what is no int, ValueError for a negative one."""
        return _member(i, "test") in self._ids

    def set(self, start: int, end: int | None = None) -> IDset:
        """Add ``start``, or all from ``start`` to ``end``."""
        self._ids |= _range(start, end, "set")
        return self

    def clear(self, start: int, end: int | None = None) -> IDset:
        """Remove ``start``, or all from ``start`` to ``end``."""
        self._ids -= _range(start, end, "clear")
        return self

    def expand(self) -> list[int]:
        """The members as a list."""
        return list(self._ids)

    def count(self) -> int:
        """The number of members."""
        return len(self._ids)

    def copy(self) -> IDset:
        """Another set with the same members."""
        return self._with(self._ids)

    def encode(self, flags: int | None = None) -> str:
        """The set as text."""
        how = self._flags if flags is None else flags
        return self._ids.encode(brackets=bool(how & IDSET_FLAG_BRACKETS), ranges=bool(how & IDSET_FLAG_RANGE))

    def first(self) -> int:
        """The smallest member, or IDSET_INVALID_ID."""
        first = self._ids.first()
        return IDSET_INVALID_ID if first is None else first

    def next(self, i: int) -> int:
        """The smallest member above ``i``, or IDSET_INVALID_ID."""
        following = self._ids.next(_member(i, "next"))
        return IDSET_INVALID_ID if following is None else following

    def last(self) -> int:
        """The largest member, or IDSET_INVALID_ID."""
        last = self._ids.last()
        return IDSET_INVALID_ID if last is None else last

    def add(self, arg: Any) -> IDset:
        """Add all members of another set."""
        self._ids |= _ids(arg)
        return self

    def subtract(self, arg: Any) -> IDset:
        """Remove all members of another set."""
        self._ids -= _ids(arg)
        return self

    def union(self, *args: Any) -> IDset:
        """A new set of what is in any."""
        result = self._ids
        for arg in args:
            result |= _ids(arg)
        return self._with(result)

    def intersect(self, *args: Any) -> IDset:
        """A new set of what is in all."""
        result = self._ids
        for arg in args:
            result &= _ids(arg)
        return self._with(result)

    def difference(self, *args: Any) -> IDset:
        """A new set of what is in none of the others."""
        result = self._ids
        for arg in args:
            result -= _ids(arg)
        return self._with(result)
