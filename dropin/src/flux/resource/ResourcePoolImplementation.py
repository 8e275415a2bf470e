# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.resource.ResourcePoolImplementation: what a scheduler's resources can do."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from flux.resource.ResourceSetImplementation import ResourceSetImplementation

__all__ = ["InfeasibleRequest", "InsufficientResources", "ResourcePoolImplementation"]


class InsufficientResources(OSError):
    """The request does not fit now; it may after resources come back."""


class InfeasibleRequest(OSError):
    """The request can never be met by these resources."""


class ResourcePoolImplementation(ResourceSetImplementation):
    """Resources, which of them are up, and what is allocated to which job.

    ``generation`` goes up with every change, so that who holds a copy sees that it is old.
    """

    generation: int = 0

    def log(self, level: int, msg: str) -> None:
        """Log at a syslog priority: nowhere, unless a function is given to the constructor."""

    def _bump(self) -> None:
        self.generation += 1

    @property
    def name(self) -> str:
        """The name of the kind of pool."""
        return type(self).__name__

    @property
    def expiration(self) -> float:
        """When the resources go away, in seconds since the epoch; 0.0 is never."""
        return self.get_expiration()

    @expiration.setter
    def expiration(self, value: float) -> None:
        self.set_expiration(value)

    @abstractmethod
    def mark_up(self, ids: str) -> None:
        """Make ranks available: an idset, or ``all``."""

    @abstractmethod
    def mark_down(self, ids: str) -> None:
        """Make ranks unavailable; what jobs hold on them stays theirs."""

    @abstractmethod
    def copy_down(self) -> Any:
        """The ranks that are not available, as a set."""

    @abstractmethod
    def register_alloc(self, jobid: int, R: Any) -> None:
        """Note what a running job holds. Raises ValueError when it does not fit."""

    @abstractmethod
    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:
        """Take back what a job holds, of ``R`` only if it is given. Raises ValueError when that differs."""

    @abstractmethod
    def update_expiration(self, jobid: int, expiration: float) -> None:
        """Change when a job ends."""

    @abstractmethod
    def job_end_times(self) -> list[tuple[int, float]]:
        """The jobs with the times when they end, 0.0 for never."""

    @abstractmethod
    def parse_resource_request(self, jobspec: dict[str, Any]) -> Any:
        """What a jobspec asks for. Raises ValueError."""

    @abstractmethod
    def alloc(self, jobid: int, request: Any) -> Any:
        """Allocate; returns the resources. Raises InsufficientResources and InfeasibleRequest."""

    @abstractmethod
    def check_feasibility(self, request: Any) -> None:
        """Raise InfeasibleRequest when a request does not fit even with everything up and free."""

    @abstractmethod
    def copy_allocated(self) -> Any:
        """What is allocated, as a set."""

    @abstractmethod
    def to_set(self) -> Any:
        """All resources, as a set."""
