# SPDX-License-Identifier: LGPL-3.0-or-later
"""ResourceSet with the interface of upstream's ``flux.resource.ResourceSet`` (RFC 20)."""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.idset.mutable import IDset
from rosin.rfc.rset import ResourceSet as Rset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeAlias

    from rosin.rfc.hostlist import Hostlist

    Source: TypeAlias = "str | Mapping[str, Any] | ResourceSet | Rset | None"
    Ranks: TypeAlias = str | int | Idset | IDset | Iterable[int]


class ResourceSet:
    """Resources by rank.

    ``ResourceSet()`` is empty; ``ResourceSet(R)`` takes R as JSON text, as an object or as another set.
    Raises TypeError for anything else and FormatError (a ValueError) for text that is not R version 1.

    Attributes:
        impl: the same as a :class:`rosin.rfc.rset.ResourceSet`.
        state: a name such as ``up`` that lists group sets by, or None.
        version: 1.
    """

    version = 1

    def __init__(self, arg: Source = None, version: int = 1) -> None:
        if version != 1:
            raise ValueError(f"R version {version} not supported")
        self.state: str | None = None
        if arg is None:
            self.impl = Rset()
        elif isinstance(arg, Rset):
            self.impl = arg
        elif isinstance(arg, ResourceSet):
            self.impl = arg.impl.copy()
        elif isinstance(arg, (str, dict)):
            self.impl = Rset.decode(arg)
        elif hasattr(arg, "to_dict"):  # a set of upstream's kind, from another package
            self.impl = Rset.decode(arg.to_dict())
        else:
            raise TypeError(f"ResourceSet cannot be instantiated from {type(arg)}")

    def _like(self, impl: Rset) -> ResourceSet:
        new = ResourceSet(impl)
        new.state = self.state
        return new

    # -- output --

    def dumps(self) -> str:
        """Return the short form, ``rank[0-1]/core[0-3]``."""
        return self.impl.dumps()

    rlist = property(dumps, doc="The short form, as dumps() returns it.")

    def encode(self) -> str:
        """Return R as JSON text."""
        return _json.dumps(self.impl.encode()).decode()

    def to_dict(self) -> dict[str, Any]:
        """Return R as an object."""
        return self.impl.encode()

    def __str__(self) -> str:
        return self.dumps()

    # -- looking --

    def count(self, name: str) -> int:
        """Return how many ``core``, ``gpu``, ``node`` or ``rank`` there are."""
        return self.impl.count(name)

    @property
    def ranks(self) -> IDset:
        """The ranks."""
        return IDset(self.impl.ranks())

    @property
    def nodelist(self) -> Hostlist:
        """The hosts in order of their ranks."""
        return self.impl.nodelist()

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return self.impl.nnodes

    @property
    def ncores(self) -> int:
        """Number of cores."""
        return self.impl.ncores

    @property
    def ngpus(self) -> int:
        """Number of GPUs."""
        return self.impl.ngpus

    @property
    def properties(self) -> str:
        """Names of properties, joined by commas."""
        return ",".join(self.impl.get_properties())

    def get_properties(self) -> str:
        """Return the RFC 20 properties object as JSON text."""
        return _json.dumps(self.impl.get_properties()).decode()

    def host_ranks(self, hosts: str | Iterable[str], ignore_nomatch: bool = False) -> list[int]:
        """Return the ranks of hosts, in their order; FileNotFoundError if one is missing."""
        return self.impl.host_ranks(hosts, ignore_nomatch)

    @property
    def expiration(self) -> float:
        """When the resources go away, in seconds since the epoch; 0.0 is never."""
        return self.impl.expiration

    @expiration.setter
    def expiration(self, value: float) -> None:
        self.impl.expiration = float(value)

    @property
    def starttime(self) -> float:
        """When they began to be held, in seconds since the epoch; 0.0 is unknown."""
        return self.impl.starttime

    @starttime.setter
    def starttime(self, value: float) -> None:
        self.impl.starttime = float(value)

    # -- changing --

    def append(self, *args: Source) -> ResourceSet:
        """Add sets that have nothing in common with this one. Raises FormatError if they have."""
        for arg in args:
            self.impl.append(_impl(arg))
        return self

    def add(self, *args: Source) -> ResourceSet:
        """Add what is not here yet."""
        for arg in args:
            self.impl.add(_impl(arg))
        return self

    def set_property(self, name: str, ranks: Ranks | None = None) -> ResourceSet:
        """Give a property to ranks, or to all."""
        self.impl.set_property(name, None if ranks is None else ranks_of(ranks))
        return self

    def remove_ranks(self, ranks: Ranks) -> ResourceSet:
        """Remove ranks."""
        self.impl.remove_ranks(ranks_of(ranks))
        return self

    # -- new sets --

    def copy(self) -> ResourceSet:
        """Return an independent copy."""
        return self._like(self.impl.copy())

    def copy_ranks(self, ranks: Ranks) -> ResourceSet:
        """Return a copy of the given ranks only."""
        return self._like(self.impl.copy_ranks(ranks_of(ranks)))

    def copy_constraint(self, constraint: str | Mapping[str, Any]) -> ResourceSet:
        """Return a copy of the ranks that meet an RFC 31 constraint (object or JSON text)."""
        from rosin.rfc.constraint import copy_constraint

        if isinstance(constraint, str):
            try:
                constraint = _json.loads(constraint)
            except ValueError as error:
                raise FormatError(f"constraint: not JSON: {error}") from None
        return ResourceSet(copy_constraint(self.impl, constraint))

    def union(self, *args: Source) -> ResourceSet:
        """Return what is in this set or in one of the others."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.union(_impl(arg))
        return self._like(impl)

    def diff(self, *args: Source) -> ResourceSet:
        """Return what is in this set and in none of the others."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.diff(_impl(arg))
        return self._like(impl)

    def intersect(self, *args: Source) -> ResourceSet:
        """Return what is in this set and in all of the others."""
        impl = self.impl.copy()
        for arg in args:
            impl = impl.intersect(_impl(arg))
        return self._like(impl)

    def __or__(self, other: Source) -> ResourceSet:
        return self.union(other)

    def __sub__(self, other: Source) -> ResourceSet:
        return self.diff(other)

    def __and__(self, other: Source) -> ResourceSet:
        return self.intersect(other)


def _impl(arg: Source) -> Rset:
    return arg.impl if isinstance(arg, ResourceSet) else ResourceSet(arg).impl


def ranks_of(ranks: Ranks) -> Idset:
    """The set of a rank, an idset's text, or a collection. Raises FormatError."""
    return Idset([ranks]) if isinstance(ranks, int) else Idset(ranks)
