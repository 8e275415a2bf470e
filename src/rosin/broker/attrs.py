# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker attributes of one broker: named strings with the rules of :mod:`rosin.broker.attrtable`."""

from __future__ import annotations

import errno
from types import MappingProxyType
from typing import TYPE_CHECKING

from rosin.broker import attrtable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Flag of ``attr.get``: the value cannot change, so a client may keep it.
IMMUTABLE = 1


class Attributes:
    """The attribute table of one broker."""

    def __init__(self) -> None:
        self._table: dict[str, str] = {}

    def define(self, name: str, value: object) -> None:
        """Set an attribute from inside the broker, whatever its flags."""
        self._table[name] = str(value)

    def get(self, name: str) -> tuple[str, int]:
        """Value and flags. Raises FileNotFoundError (ENOENT) for an unknown name."""
        value = self._table.get(name)
        if value is None:
            raise unknown(name)
        return value, IMMUTABLE if _flags(name) & attrtable.IMMUTABLE else 0

    def value(self, name: str, default: str = "") -> str:
        """The value, or a default."""
        return self._table.get(name, default)

    def set(self, name: str, value: str, force: bool = False) -> None:
        """Set on behalf of a client.

        What is free for others to use may be set once whatever its flags are. Raises OSError: ENOENT unknown,
        EINVAL not to be changed without ``force``, or a value that it cannot have, EPERM it never changes.
        """
        row = attrtable.find(name)
        if row is None:
            raise OSError(errno.ENOENT, "unknown attribute")
        new = row.name.endswith("*") and name not in self._table
        if not row.flags & attrtable.RUNTIME and not force and not new:
            raise OSError(errno.EINVAL, "attribute may not be updated")
        if row.flags & attrtable.IMMUTABLE and name in self._table:
            raise OSError(
                errno.EPERM, "Operation not permitted: the attribute never changes, even with force"
            )
        try:
            attrtable.check_value(name, value)
        except ValueError as exc:
            raise OSError(errno.EINVAL, str(exc).removeprefix(f"{name}={value}: ")) from None
        self._table[name] = value

    def remove(self, name: str) -> None:
        """Remove on behalf of a client, if it is there. Raises OSError EPERM for one that never changes."""
        if name in self._table and _flags(name) & attrtable.IMMUTABLE:
            raise OSError(errno.EPERM, "Operation not permitted: the attribute never changes")
        self._table.pop(name, None)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._table)

    def values(self) -> Mapping[str, str]:
        """All values, as they are at present."""
        return MappingProxyType(self._table)


def unknown(name: str) -> OSError:
    """What is raised for an attribute that is not there."""
    return OSError(errno.ENOENT, f"{name}: unknown attribute")


def _flags(name: str) -> int:
    row = attrtable.find(name)
    return row.flags if row is not None else attrtable.IMMUTABLE
