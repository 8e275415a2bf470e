# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourceSetImplementation: what a set of resources can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset.mutable import IDset

__all__ = ["ResourceSetImplementation"]


class ResourceSetImplementation(ABC):
    """A set of resources by rank, which a :class:`flux.resource.ResourceSet` can be made of."""

    version: int

    @abstractmethod
    def dumps(self) -> str:
        """The short form, ``rank[0-1]/core[0-3]``."""

    @abstractmethod
    def encode(self) -> str:
        """R as JSON text."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """R as an object."""

    @abstractmethod
    def nodelist(self) -> Hostlist:
        """The hosts in order of their ranks."""

    @abstractmethod
    def ranks(self) -> IDset:
        """The ranks."""

    @abstractmethod
    def get_properties(self) -> str:
        """The RFC 20 properties object as JSON text."""

    @abstractmethod
    def nnodes(self) -> int:
        """The number of ranks."""

    @abstractmethod
    def count(self, name: str) -> int:
        """How many ``core`` or ``gpu`` there are."""

    @abstractmethod
    def copy(self) -> Any:
        """An independent copy."""

    @abstractmethod
    def copy_ranks(self, ranks: Any) -> Any:
        """A copy of the given ranks only."""

    @abstractmethod
    def union(self, rset: Any) -> Any:
        """What is in either set."""

    @abstractmethod
    def intersect(self, rset: Any) -> Any:
        """What is in both."""

    @abstractmethod
    def diff(self, rset: Any) -> Any:
        """What is not in the other."""

    @abstractmethod
    def append(self, rset: Any) -> None:
        """Add another set to this one."""

    @abstractmethod
    def add(self, rset: Any) -> None:
        """Add what is not here yet."""

    @abstractmethod
    def remove_ranks(self, ranks: Any) -> Any:
        """Remove ranks."""

    @abstractmethod
    def get_expiration(self) -> float:
        """When the resources go away, in seconds since the epoch; 0.0 is never."""

    @abstractmethod
    def set_expiration(self, expiration: float) -> None:
        """Set when the resources go away."""

    @abstractmethod
    def get_starttime(self) -> float:
        """When they began to be held, in seconds since the epoch; 0.0 is unknown."""

    @abstractmethod
    def set_starttime(self, starttime: float) -> None:
        """Set when they began to be held."""
