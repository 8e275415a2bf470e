# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 28: the responses of ``resource.acquire``, and what a scheduler knows from them.

The first response tells the resources and which ranks are up; each one after that tells a :class:`Change`.
``up`` is applied before ``down`` and ``shrink`` last, since one response may name a rank in all three.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset.format import MAX_RANKS, check_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NONE = Idset()
_SETS = ("up", "down", "shrink")


class Change:
    """What a later response tells.

    Attributes:
        up, down: ranks that became available, or stopped being so.
        shrink: ranks that are gone for good; :meth:`encode` names them in ``down`` as well.
        add, remove: properties that ranks got or lost, name to ranks.
        expiration: when the resources go away, seconds since the epoch (0.0: never), or None: as before.
    """

    __slots__ = ("add", "down", "expiration", "remove", "shrink", "up")

    def __init__(
        self,
        up: Idset = _NONE,
        down: Idset = _NONE,
        shrink: Idset = _NONE,
        add: dict[str, Idset] | None = None,
        remove: dict[str, Idset] | None = None,
        expiration: float | None = None,
    ) -> None:
        self.up = up
        self.down = down
        self.shrink = shrink
        self.add: dict[str, Idset] = add or {}
        self.remove: dict[str, Idset] = remove or {}
        self.expiration = expiration

    @staticmethod
    def decode(obj: Any) -> Change:
        """Read a response after the first. Raises FormatError that names the key.

        Keys that the RFC does not have are passed over; one that it has must be there.
        """
        new = Change()
        for key in _SETS:
            if key in _object(obj, ""):
                setattr(new, key, _ranks(obj[key], key))
        for key in ("property-add", "property-remove"):
            if key in obj:
                setattr(new, key.removeprefix("property-"), _properties(obj[key], key))
        if "expiration" in obj:
            value = obj["expiration"]
            if type(value) not in (int, float) or not 0 <= value < 1e300:
                raise FormatError(f"acquire: expiration: expected a time in seconds, got {describe(value)}")
            new.expiration = float(value)
        if not any(key in obj for key in (*_SETS, "property-add", "property-remove", "expiration")):
            raise FormatError(
                "acquire: expected one or more of up, down, shrink, property-add, "
                "property-remove and expiration"
            )
        return new

    def encode(self) -> dict[str, Any]:
        """Return the response; ``{}``, which is none, when nothing changed."""
        obj: dict[str, Any] = {}
        for key, ids in (("up", self.up), ("down", self.down | self.shrink), ("shrink", self.shrink)):
            if ids:
                obj[key] = ids.encode()
        for key, names in (("property-add", self.add), ("property-remove", self.remove)):
            if names:
                obj[key] = {name: ids.encode() for name, ids in names.items()}
        if self.expiration is not None:
            obj["expiration"] = self.expiration
        return obj

    def __bool__(self) -> bool:
        return bool(self.encode())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Change):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in Change.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Change {self.encode()}>"


def transition(before: Idset, now: Idset, gone: Idset = _NONE) -> Change:
    """Return the change from the ranks that were up to those that are; ``gone`` will not come back."""
    return Change(now - before, before - now, gone)


def first_response(resources: ResourceSet, up: Idset) -> dict[str, Any]:
    """Return the first response. Raises FormatError when ``up`` has ranks that ``resources`` has not."""
    _check_up(resources.ranks(), up)
    return {"resources": resources.encode(), "up": up.encode()}


class Acquired:
    """A scheduler's view of what it acquired.

    Attributes:
        up: ranks whose resources may be given to jobs.
        removed: ranks that are gone for good.
        expiration: when the resources go away, seconds since the epoch, 0.0 = never.
    """

    __slots__ = ("_all", "_mine", "_properties", "expiration", "removed", "up")

    def __init__(self, response: Any) -> None:
        """Read the first response. Raises FormatError."""
        for key in ("resources", "up"):
            if key not in _object(response, ""):
                raise FormatError(f"acquire: {key} is missing")
        try:
            self._all = ResourceSet.decode(_object(response["resources"], "resources"))
        except FormatError as error:
            text = str(error)
            raise FormatError(
                text if text.startswith("acquire: ") else f"acquire: resources: {text}"
            ) from None
        self._mine = self._all.ranks()
        self.up = _ranks(response["up"], "up")
        _check_up(self._mine, self.up)
        self.removed = _NONE
        self.expiration = self._all.expiration
        self._properties = {name: Idset(ranks) for name, ranks in self._all.get_properties().items()}

    def copy(self) -> Acquired:
        """Return a view that changes of this one do not reach."""
        new = Acquired.__new__(Acquired)
        for name in Acquired.__slots__:
            setattr(new, name, getattr(self, name))
        new._properties = dict(self._properties)
        return new

    def apply(self, change: Change) -> None:
        """Take a change into account; of ranks that are not among the resources it means nothing."""
        mine = self._mine
        self.removed |= change.shrink & mine
        self.up = ((self.up | change.up & mine) - change.down) - self.removed
        for name, ranks in change.add.items():
            self._properties[name] = self._properties.get(name, _NONE) | ranks & mine
        for name, ranks in change.remove.items():
            self._properties[name] = self._properties.get(name, _NONE) - ranks
        if change.expiration is not None:
            self.expiration = change.expiration

    @property
    def down(self) -> Idset:
        """Ranks that are not up but may be again."""
        return self._mine - self.up - self.removed

    def properties(self) -> dict[str, Idset]:
        """Return the properties that ranks have now."""
        left = {name: ranks - self.removed for name, ranks in sorted(self._properties.items())}
        return {name: ranks for name, ranks in left.items() if ranks}

    def resources(self) -> ResourceSet:
        """Return all resources, up or down but not removed: what a request must be satisfiable by."""
        R = self._all.encode()
        R["execution"]["properties"] = {}
        rset = ResourceSet.decode(R)
        rset.remove_ranks(self.removed)
        for name, ranks in self.properties().items():
            rset.set_property(name, ranks)
        rset.expiration = self.expiration
        return rset


def _check_up(mine: Idset, up: Idset) -> None:
    foreign = up - mine
    if foreign:
        raise FormatError(f"acquire: up: ranks {foreign} are not among the resources")


def _object(value: Any, key: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise FormatError(f"acquire: {key + ': ' if key else ''}expected an object, got {describe(value)}")
    return value


def _ranks(value: Any, key: str) -> Idset:
    if type(value) is not str:
        raise FormatError(f"acquire: {key}: expected an idset, got {describe(value)}")
    try:
        return Idset.decode(value, limit=MAX_RANKS)
    except FormatError as error:
        raise FormatError(f"acquire: {key}: {error}") from None


def _properties(value: Any, key: str) -> dict[str, Idset]:
    names: dict[str, Idset] = {}
    for name, ranks in _object(value, key).items():
        try:
            check_property(name)
        except FormatError as error:
            raise FormatError(f"acquire: {key}: {error}") from None
        names[name] = _ranks(ranks, f"{key}.{name}")
    return names
