# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 4: a resource pool, one or more resources of a kind that cannot be told apart.

Base data: type, uuid, basename, name, id, properties, size, unit. Extended data: tags, state and whatever a
scheduler keeps.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from rosin.rfc.idset import Idset

#: Longest name that a pattern makes, in characters.
MAX_NAME = 1024

_ATTRIBUTES = ("type", "uuid", "basename", "id", "size", "unit", "state")


class Pool:
    """One pool.

    Attributes:
        type: kind of resource, such as ``node``.
        id: number of this one, None for none.
        basename: beginning of the name; by default the type.
        size: how many resources, in ``unit`` if it is given (``32``, ``GB``); 1 is a *degenerate* pool.
        uuid: unique id, "" when not known.
        properties: what holds of the resource for good, name to value ("" where the name says it all).
        tags: labels that come and go, name to value or None.
        state: ``up``, ``down``, ``degraded``, ... or None.
        data: what others keep here, JSON values by name.

    Raises FormatError when ``type`` is empty or ``size`` is below 1.
    """

    __slots__ = (
        "_name",
        "basename",
        "data",
        "id",
        "properties",
        "size",
        "state",
        "tags",
        "type",
        "unit",
        "uuid",
    )

    def __init__(
        self,
        type: str,
        id: int | None = None,
        *,
        basename: str | None = None,
        name: str | None = None,
        size: int = 1,
        unit: str = "",
        uuid: str = "",
        properties: Mapping[str, str] | Iterable[str] = (),
        state: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        if not type:
            raise FormatError("pool: the type is empty")
        if size < 1:
            raise FormatError(f"pool: {type}: size {size} is below 1")
        self.type = type
        self.id = id
        self.basename = type if basename is None else basename
        self._name = name
        self.size = size
        self.unit = unit
        self.uuid = uuid
        self.properties: dict[str, str] = _named(properties)
        self.state = state
        self.tags: dict[str, str | None] = dict(tags) if tags else {}
        self.data: dict[str, Any] = dict(data) if data else {}

    @property
    def name(self) -> str:
        """The name: the given one, or basename and id, or the basename alone.

        In a given name ``${KEY}`` stands for an attribute (``type``, ``id``, ...), property or tag of the
        pool. Raises FormatError when there is none of that name.
        """
        name = self._name
        if name is None:
            return self.basename if self.id is None else f"{self.basename}{self.id}"
        return self._expanded(name) if "${" in name else name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name

    def _expanded(self, pattern: str) -> str:
        first, *rest = pattern.split("${")
        parts = [first]
        length = len(first)
        for piece in rest:
            key, brace, tail = piece.partition("}")
            if not brace:
                raise FormatError(f"pool: {self.type}: name '{pattern[:40]}': unbalanced '${{'")
            value = self.get(key)
            if value is None:
                raise FormatError(f"pool: {self.type}: name '{pattern[:40]}': there is no '{key}'")
            parts += (str(value), tail)
            length += len(parts[-2]) + len(tail)
            if length > MAX_NAME:
                raise FormatError(f"pool: {self.type}: the name has more than {MAX_NAME} characters")
        return "".join(parts)

    def get(self, key: str) -> Any:
        """Return an attribute, else a property, else a tag of that name, else None."""
        if key in _ATTRIBUTES:
            return getattr(self, key)
        if key in self.properties:
            return self.properties[key]
        return self.tags.get(key)

    def tag(self, key: str, value: str | None = None) -> None:
        """Label the pool."""
        self.tags[key] = value

    def copy(self) -> Pool:
        """Return a pool with the same values, whose ``data`` can be changed by itself."""
        new = Pool.__new__(Pool)
        for slot in Pool.__slots__:
            value = getattr(self, slot)
            setattr(new, slot, dict(value) if isinstance(value, dict) else value)
        return new

    @property
    def degenerate(self) -> bool:
        """It is a single resource."""
        return self.size == 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pool):
            return NotImplemented
        return self.name == other.name and all(
            getattr(self, slot) == getattr(other, slot) for slot in Pool.__slots__ if slot != "_name"
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size = "" if self.size == 1 else f" of {self.size}{self.unit}"
        return f"<Pool {self.type} {self.name}{size}>"


def _named(properties: Any) -> dict[str, str]:
    return dict(properties) if hasattr(properties, "keys") else dict.fromkeys(properties, "")


class Match:
    """A predicate on pools: all that is given must hold.

    ``type``, ``basename``, ``name``, ``state``: equal. ``id``: a number, or an Idset that has it. ``size``:
    at least. ``properties``, ``tags``: the pool has all of the names; of a mapping, with these values.
    """

    __slots__ = ("_equal", "_id", "_properties", "_size", "_tags")

    def __init__(
        self,
        *,
        type: str | None = None,
        basename: str | None = None,
        name: str | None = None,
        state: str | None = None,
        id: int | Idset | None = None,
        size: int = 1,
        properties: Mapping[str, str] | Iterable[str] = (),
        tags: Mapping[str, str | None] | Iterable[str] = (),
    ) -> None:
        equal = {"type": type, "basename": basename, "state": state, "name": name}
        self._equal = [(key, value) for key, value in equal.items() if value is not None]
        self._id = id
        self._size = size
        self._properties = properties if hasattr(properties, "keys") else list(properties)
        self._tags = tags if hasattr(tags, "keys") else list(tags)

    def __call__(self, pool: Pool) -> bool:
        """Tell whether a pool matches."""
        for key, value in self._equal:
            if getattr(pool, key) != value:
                return False
        if self._id is not None and not (
            pool.id == self._id if isinstance(self._id, int) else pool.id in self._id
        ):
            return False
        return (
            pool.size >= self._size
            and _has(pool.properties, self._properties)
            and _has(pool.tags, self._tags)
        )


def _has(have: Mapping[str, Any], wanted: Any) -> bool:
    if hasattr(wanted, "keys"):
        return all(key in have and have[key] == value for key, value in wanted.items())
    return all(key in have for key in wanted)
