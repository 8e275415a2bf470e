# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a jobspec leaves open is filled in from ``policy.jobspec.defaults``, its queue's first (RFC 33)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from flux.job.frobnicator import FrobnicatorPlugin

__all__ = ["DefaultsConfig", "Frobnicator"]


def _system(table: Any) -> dict[str, Any]:
    for key in ("policy", "jobspec", "defaults", "system"):
        table = table.get(key, {})
    return dict(table)


class DefaultsConfig:
    """The defaults of a configuration. Raises ValueError."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.defaults = _system(config or {})
        self.default_queue = self.defaults.get("queue")
        self.queues: dict[str, Any] = (config or {}).get("queues", {})
        self.validate_config()

    def validate_config(self) -> None:
        """Raise ValueError unless the default queue and the parents of queues are there."""
        if not isinstance(self.queues, dict):
            raise ValueError("queues must be a table")
        if self.default_queue and self.default_queue not in self.queues:
            raise ValueError(f"default queue '{self.default_queue}' must be in [queues]")
        for queue in self.queues:
            self.queue_defaults(queue)

    def queue_defaults(self, name: str | None) -> dict[str, Any]:
        """The defaults of a queue: its own, then its parent's, then those of all. Raises ValueError."""
        tables = [self.defaults]
        if name and self.queues:
            if name not in self.queues:
                raise ValueError(f"Invalid queue '{name}' specified")
            parent = self.queues[name].get("parent")
            if parent is not None and parent not in self.queues:
                raise ValueError(f"queue '{name}': parent queue '{parent}' is not configured")
            tables += [_system(self.queues[queue]) for queue in (parent, name) if queue is not None]
        return deepcopy({key: value for table in tables for key, value in table.items()})

    def setattr_default(self, jobspec: Any, attr: str, value: Any) -> None:
        """Set an attribute that is open; so is a duration of 0."""
        if attr == "duration" and jobspec.duration == 0:
            jobspec.duration = value
        elif attr not in jobspec.attributes["system"]:
            jobspec.setattr(f"system.{attr}", value)

    def apply_defaults(self, jobspec: Any) -> None:
        """Fill in what is open. Raises ValueError for a job in no queue where there are queues."""
        queue = jobspec.queue or self.default_queue
        if queue is None and self.queues:
            raise ValueError("no queue specified")
        for attr, value in self.queue_defaults(queue).items():
            self.setattr_default(jobspec, attr, value)


class Frobnicator(FrobnicatorPlugin):
    """Fills in defaults."""

    def __init__(self, parser: Any) -> None:
        super().__init__(parser)
        self.config = DefaultsConfig()

    def configure(self, args: Any, config: Mapping[str, Any]) -> None:
        self.config = DefaultsConfig(dict(config))

    def frob(self, jobspec: Any, user: int, urgency: int, flags: int | None) -> None:
        self.config.apply_defaults(jobspec)
