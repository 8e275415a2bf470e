# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the limits of ``[policy]`` and of ``[queues.NAME.policy]`` on a job's size and duration.

They are checked here, not at ingest, because they hold for updates of a job as well.
"""

from __future__ import annotations

import errno
from typing import Any

from rosin.modules.job_manager.job import system_attribute
from rosin.rfc import fsd
from rosin.rfc.queue_policy import UNLIMITED
from rosin.rfc.queues import QueueConfig


class Limits:
    """The limits of the instance under None, those of queues under their names."""

    def __init__(self) -> None:
        self._tables: dict[str | None, dict[Any, Any]] = {None: {}}
        self._any = False
        #: When the resources of the instance expire, seconds since the epoch; 0 = never.
        self.expiration = 0.0

    def configure(self, config: dict[str, Any]) -> None:
        """Take the limits of *config*. Raises FormatError, and changes nothing, when one is wrong."""
        queues = QueueConfig(config)
        tables: dict[str | None, dict[Any, Any]] = {None: queues.policy.limits}
        for name in queues.queues:
            tables[name] = queues.effective(name).limits
        self._tables = tables
        self._any = any(tables.values())

    def check(self, jobspec: dict[str, Any], now: float) -> None:
        """Raise OSError EINVAL, with the reason, when *jobspec* asks for more than is allowed."""
        duration = system_attribute(jobspec, "duration") or 0.0
        if self.expiration:
            self._check_lifetime(duration, now)
        if not self._any:
            return
        queue = system_attribute(jobspec, "queue")
        limits = self._tables.get(queue, self._tables[None])
        suffix = f" for queue {queue}" if queue else ""
        counts = resource_counts(jobspec)
        for (kind, name), limit in limits.items():
            if kind == "duration":
                _check_duration(duration, limit, suffix)
            elif limit != UNLIMITED:
                value = counts[name]
                if value > limit if kind == "max" else value < limit:
                    verb = "exceeds" if kind == "max" else "is under"
                    raise _refused(f"requested {name} ({value}) {verb} policy limit of {limit}{suffix}")

    def _check_lifetime(self, duration: float, now: float) -> None:
        left = self.expiration - now
        if duration and duration > left:
            raise _refused(
                f"job duration ({fsd.encode(duration)}) exceeds remaining instance lifetime "
                f"({fsd.encode(max(left, 0.0))})"
            )


def _check_duration(duration: float, limit: float, suffix: str) -> None:
    if limit and (not duration or duration > limit):
        asked = fsd.encode(duration) if duration else "unlimited"
        raise _refused(f"requested duration ({asked}) exceeds policy limit of {fsd.encode(limit)}{suffix}")


def _refused(text: str) -> OSError:
    return OSError(errno.EINVAL, text)


def resource_counts(jobspec: dict[str, Any]) -> dict[str, int]:
    """How many nodes, cores and gpus a version 1 jobspec asks for (the lowest number of a count range)."""
    totals = dict.fromkeys(("node", "core", "gpu"), 0)
    stack = [(vertex, 1) for vertex in jobspec.get("resources", ())]
    while stack:
        vertex, factor = stack.pop()
        count = vertex.get("count", 1)
        number = factor * _lowest(count)
        kind = vertex.get("type")
        if isinstance(kind, str) and kind in totals:
            totals[kind] += number
        stack += [(child, number) for child in vertex.get("with", ())]
    return {f"n{kind}s": total for kind, total in totals.items()}


def _lowest(count: Any) -> int:
    if isinstance(count, dict):
        count = count.get("min", 1)
    if isinstance(count, int):
        return count
    digits = "".join(char if char.isdigit() else " " for char in str(count)).split()
    return int(digits[0]) if digits else 1
