# SPDX-License-Identifier: LGPL-3.0-or-later
"""Broker attributes: named strings, some of them fixed once the broker runs."""

from __future__ import annotations

import errno

#: Flag of ``attr.get``: the value cannot change, so a client may keep it.
IMMUTABLE = 1

#: Attributes that anyone may set at any time without declaring them first.
_MUTABLE_PREFIXES = ("log-", "user.", "test.")


class Attributes:
    """The attribute table of one broker."""

    def __init__(self) -> None:
        self._table: dict[str, tuple[str, int]] = {}

    def define(self, name: str, value: object, immutable: bool = True) -> None:
        """Set an attribute from inside the broker, whatever its flags."""
        self._table[name] = (str(value), IMMUTABLE if immutable else 0)

    def get(self, name: str) -> tuple[str, int]:
        """Value and flags. Raises FileNotFoundError (ENOENT) for an unknown name."""
        entry = self._table.get(name)
        if entry is None:
            raise OSError(errno.ENOENT, f"{name}: unknown attribute")
        return entry

    def value(self, name: str, default: str = "") -> str:
        """The value, or a default."""
        entry = self._table.get(name)
        return entry[0] if entry else default

    def set(self, name: str, value: str, force: bool = False) -> None:
        """Set on behalf of a client. Raises OSError: EPERM if immutable, ENOENT if unknown and not forced."""
        entry = self._table.get(name)
        if entry is None and not force and not name.startswith(_MUTABLE_PREFIXES):
            raise OSError(errno.ENOENT, "unknown attribute")
        if entry is not None and entry[1] & IMMUTABLE:
            raise OSError(errno.EPERM, "attribute may not be updated")
        self._table[name] = (value, 0)

    def remove(self, name: str) -> None:
        """Remove on behalf of a client. Raises OSError: ENOENT, or EPERM if immutable."""
        if self.get(name)[1] & IMMUTABLE:
            raise OSError(errno.EPERM, "attribute may not be removed")
        del self._table[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._table)

    def values(self) -> dict[str, str]:
        """A snapshot of all values."""
        return {name: value for name, (value, _) in self._table.items()}
