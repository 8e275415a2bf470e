# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourcePool: a pool of whatever version R has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flux.resource.ResourcePoolImplementation import (
    InfeasibleRequest,
    InsufficientResources,
    ResourcePoolImplementation,
)
from flux.resource.Rv1Pool import Rv1Pool
from rosin.resource.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InfeasibleRequest", "InsufficientResources", "ResourcePool"]


class ResourcePool:
    """Resources, which of them are up, and what is allocated to which job, as ``impl`` keeps them.

    ``arg`` is R (JSON text or an object), an implementation, or None for no resources. ``log(level, text)``
    is told of allocations; further arguments go to the implementation. Raises TypeError and ValueError.
    """

    InsufficientResources = InsufficientResources
    InfeasibleRequest = InfeasibleRequest
    #: What keeps resources of version 1.
    implementation: ClassVar[type[Rv1Pool]] = Rv1Pool

    def __init__(
        self,
        arg: Any = None,
        version: int = 1,
        log: Callable[[int, str], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(arg, ResourcePoolImplementation):
            self.impl: Any = arg
            self.version = arg.version
            return
        if isinstance(arg, str):
            arg = json.loads(arg)
        if isinstance(arg, Mapping):
            version = arg.get("version", version)
        elif arg is not None:
            raise TypeError(f"ResourcePool cannot be instantiated from {type(arg)}")
        if version != 1:
            raise ValueError(f"R version {version} not supported by {type(self).__name__}")
        self.impl = self.implementation(arg, log=log, **kwargs)
        self.version = 1

    def _of(self, impl: ResourcePoolImplementation) -> Self:
        new = object.__new__(type(self))
        new.impl = impl
        new.version = impl.version
        return new

    @property
    def generation(self) -> int:
        """Goes up with every change."""
        return int(self.impl.generation)

    @property
    def expiration(self) -> float:
        """When the resources go away, in seconds since the epoch; 0.0 is never."""
        return float(self.impl.get_expiration())

    @expiration.setter
    def expiration(self, value: float) -> None:
        self.impl.set_expiration(value)

    def set_expiration(self, expiration: float) -> None:
        """Set when the resources go away."""
        self.impl.set_expiration(expiration)

    def set_starttime(self, starttime: float) -> None:
        """Set when they began to be held."""
        self.impl.set_starttime(starttime)

    def mark_up(self, ids: str) -> None:
        """Make ranks available: an idset, or ``all``."""
        self.impl.mark_up(ids)

    def mark_down(self, ids: str) -> None:
        """Make ranks unavailable; what jobs hold on them stays theirs."""
        self.impl.mark_down(ids)

    def remove_ranks(self, ranks: Any) -> None:
        """Remove ranks for good."""
        self.impl.remove_ranks(ranks)

    def register_alloc(self, jobid: int, R: Any) -> None:
        """Note what a running job holds. Raises ValueError when it does not fit."""
        self.impl.register_alloc(jobid, _impl(R))

    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:
        """Take back what a job holds, of ``R`` only if it is given. Raises ValueError when that differs."""
        self.impl.free(jobid, _impl(R), final)

    def update_expiration(self, jobid: int, expiration: float) -> None:
        """Change when a job ends."""
        self.impl.update_expiration(jobid, expiration)

    def job_end_times(self) -> Any:
        """The jobs with the times when they end, 0.0 for never."""
        return self.impl.job_end_times()

    def parse_resource_request(self, jobspec: dict[str, Any]) -> Any:
        """What a jobspec asks for. Raises ValueError."""
        return self.impl.parse_resource_request(jobspec)

    def alloc(self, jobid: int, request: Any) -> Self:
        """Allocate; returns the resources. Raises InsufficientResources and InfeasibleRequest."""
        return self._of(self.impl.alloc(jobid, request))

    def check_feasibility(self, request: Any) -> None:
        """Raise InfeasibleRequest when a request does not fit even with everything up and free."""
        self.impl.check_feasibility(request)

    def copy(self) -> Self:
        """An independent copy with its allocations."""
        return self._of(self.impl.copy())

    def to_resource_set(self) -> ResourceSet:
        """All resources."""
        return ResourceSet(self.impl.to_set().to_dict())

    def copy_allocated(self) -> ResourceSet:
        """What is allocated."""
        return ResourceSet(self.impl.copy_allocated().to_dict())

    def copy_down(self) -> ResourceSet:
        """What is not available."""
        return ResourceSet(self.impl.copy_down().to_dict())

    def dumps(self) -> str:
        """The short form, ``rank[0-1]/core[0-3]``."""
        return str(self.impl.dumps())

    def to_dict(self) -> dict[str, Any]:
        """R as an object."""
        return dict(self.impl.to_dict())


def pool_class_of(uri: str) -> Any:
    """The class that ``MODULE:CLASS`` names, or ``pool_class`` of ``MODULE``; None if there is none.

    A module of :mod:`flux.resource` may be named without that.
    """
    name, _, attribute = uri.partition(":")
    name = name.replace("-", "_")
    for candidate in (name, f"flux.resource.{name}") if "." not in name else (name,):
        try:
            return getattr(import_module(candidate), attribute or "pool_class", None)
        except ImportError:
            continue
    return None


def _impl(R: Any) -> Any:
    return R.impl if isinstance(R, ResourcePool) else R
