# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.Rv1Set: R version 1 (RFC 20)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flux._elsewhere import elsewhere
from flux.resource.ResourceSetImplementation import ResourceSetImplementation
from rosin.resource.rset import ranks_of
from rosin.rfc.constraint import copy_constraint
from rosin.rfc.idset import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
from rosin.rfc.idset.mutable import IDset
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from typing import Self

    from rosin.rfc.hostlist import Hostlist

__all__ = ["IDSET_FLAG_BRACKETS", "IDSET_FLAG_RANGE", "Rv1Set"]

__getattr__ = elsewhere(__name__)


class Rv1Set(ResourceSetImplementation):
    """Resources by rank, over :class:`rosin.rfc.rset.ResourceSet`, which is ``rset``.

    ``arg`` is R as JSON text or as an object; None makes an empty set. ``keep_scheduling`` keeps the
    scheduler's own part of R. Raises ValueError for what is not R, TypeError for another type.
    """

    version = 1

    def __init__(self, arg: str | Mapping[str, Any] | None = None, keep_scheduling: bool = False) -> None:
        if arg is not None and not isinstance(arg, str | Mapping):
            raise TypeError(f"{type(self).__name__} cannot be instantiated from {type(arg)}")
        if arg is None:
            self.rset = ResourceSet()
        else:
            self.rset = ResourceSet.decode(arg if isinstance(arg, str) else dict(arg))
        if not keep_scheduling:
            self.rset.scheduling = None

    def _like(self, rset: ResourceSet) -> Self:
        new = object.__new__(type(self))
        new.rset = rset
        return new

    # -- output --

    def dumps(self) -> str:
        return self.rset.dumps()

    def encode(self) -> str:
        return json.dumps(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """R as an object."""
        R = self.rset.encode()
        if not self.rset.nnodes:
            del R["execution"]["nodelist"]
        return R

    # -- looking --

    def nodelist(self) -> Hostlist:
        return self.rset.nodelist()

    def ranks(self) -> IDset:
        return IDset(self.rset.ranks())

    def nnodes(self) -> int:
        return self.rset.nnodes

    def count(self, name: str) -> int:
        return self.rset.count(name) if name in ("core", "gpu") else 0

    def get_properties(self) -> str:
        return json.dumps(self.rset.get_properties())

    @property
    def scheduling(self) -> Any:
        """The scheduler's own part of R, or None."""
        return self.rset.scheduling

    @scheduling.setter
    def scheduling(self, value: Any) -> None:
        self.rset.scheduling = value

    def get_expiration(self) -> float:
        return self.rset.expiration

    def set_expiration(self, expiration: float) -> None:
        self.rset.expiration = float(expiration)

    def get_starttime(self) -> float:
        return self.rset.starttime

    def set_starttime(self, starttime: float) -> None:
        self.rset.starttime = float(starttime)

    # -- changing --

    def append(self, other: Rv1Set) -> None:
        self.rset.add(other.rset)

    def add(self, other: Rv1Set) -> None:
        self.rset.add(other.rset)

    def remove_ranks(self, ranks: Any) -> Self:
        self.rset.remove_ranks(ranks_of(ranks))
        return self

    def set_property(self, name: str, ranks: Any = None) -> Self:
        """Give a property to ranks, or to all. Raises ValueError."""
        self.rset.set_property(name, None if ranks is None else ranks_of(ranks))
        return self

    # -- new sets --

    def copy(self) -> Self:
        return self._like(self.rset.copy())

    def copy_ranks(self, ranks: Any) -> Self:
        return self._like(self.rset.copy_ranks(ranks_of(ranks)))

    def copy_constraint(self, constraint: str | Mapping[str, Any]) -> Self:
        """A copy of the ranks that meet an RFC 31 constraint (object or JSON text). Raises ValueError."""
        rule = json.loads(constraint) if isinstance(constraint, str) else constraint
        return self._like(copy_constraint(self.rset, rule))

    def union(self, other: Rv1Set) -> Self:
        return self._like(self.rset.union(other.rset))

    def intersect(self, other: Rv1Set) -> Self:
        return self._like(self.rset.intersect(other.rset))

    def diff(self, other: Rv1Set) -> Self:
        return self._like(self.rset.diff(other.rset))
