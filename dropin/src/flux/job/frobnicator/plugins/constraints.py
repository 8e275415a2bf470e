# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job's nodes need the properties of its queue (RFC 33)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flux.job.frobnicator import FrobnicatorPlugin

from rosin.rfc.queues import asked_of_nodes, constrained

__all__ = ["Frobnicator", "QueueConfig"]


class QueueConfig:
    """The queues of a configuration."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.queues: dict[str, Any] = (config or {}).get("queues", {})

    def queue_properties(self, name: str) -> list[str] | None:
        """The properties that a queue, or its parent, asks for, if any. Raises ValueError."""
        return (asked_of_nodes(self.queues, name) or None) if name in self.queues else None

    def apply_constraints(self, jobspec: Any) -> None:
        """Add them to the constraints of a jobspec. Raises ValueError if its queue is none."""
        if not jobspec.queue:
            return
        if jobspec.queue not in self.queues:
            raise ValueError(f"Invalid queue '{jobspec.queue}' specified")
        properties = self.queue_properties(jobspec.queue)
        if properties:
            asked = jobspec.attributes["system"].get("constraints")
            there = asked.get("properties", []) if asked and set(asked) == {"properties"} else []
            missing = [name for name in properties if name not in there]
            jobspec.setattr("system.constraints", constrained(asked, missing) if missing else asked)


class Frobnicator(FrobnicatorPlugin):
    """Adds the properties of queues."""

    def configure(self, args: Any, config: Mapping[str, Any]) -> None:
        self.config = QueueConfig(dict(config))

    def frob(self, jobspec: Any, user: int, urgency: int, flags: int | None) -> None:
        self.config.apply_constraints(jobspec)
