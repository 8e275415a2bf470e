# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the limits of ``[policy]`` and of ``[queues.NAME.policy]`` on a job's size and duration.

They are checked here, not at ingest, because they hold for updates of a job as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.modules.job_manager.job import system_attribute
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback
from rosin.rfc import fsd
from rosin.rfc.queues import QueueConfig
from rosin.rfc.queues.policy import UNLIMITED

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job

    Table = dict[Any, Any]


class _Limits(Plugin):
    """The limits of the instance under None, those of queues under their names."""

    def start(self) -> None:
        self._tables: dict[str | None, Table] = {None: {}}
        self._any = False

    @callback("conf.update")
    def configure(self, config: dict[str, Any]) -> None:
        """Take the limits of *config*. Raises FormatError, and changes nothing, when one is wrong."""
        queues = QueueConfig(config)
        tables: dict[str | None, Table] = {None: self.mine(queues.policy.limits)}
        for name in queues.queues:
            tables[name] = self.mine(queues.effective(name).limits)
        self._tables = tables
        self._any = any(tables.values())

    @callback("job.validate")
    def validate(self, job: Job) -> None:
        """Refuse a *job* that asks for more than is allowed."""
        if not self._any:
            return
        queue = system_attribute(job.jobspec, "queue")
        limits = self._tables.get(queue, self._tables[None])
        if limits:
            self.check(job.jobspec, limits, f" for queue {queue}" if queue else "")

    def mine(self, limits: Table) -> Table:
        """Those of the limits that this plugin checks."""
        raise NotImplementedError

    def check(self, jobspec: dict[str, Any], limits: Table, suffix: str) -> None:
        """Compare *jobspec* with *limits*; *suffix* ends a refusal."""
        raise NotImplementedError


class LimitJobSize(_Limits):
    """``limits.job-size``."""

    name = ".limit-job-size"

    def mine(self, limits: Table) -> Table:
        return {
            (kind, name): limit
            for (kind, name), limit in limits.items()
            if kind != "duration" and limit != UNLIMITED
        }

    def check(self, jobspec: dict[str, Any], limits: Table, suffix: str) -> None:
        counts = resource_counts(jobspec)
        for (kind, name), limit in limits.items():
            value = counts[name]
            if value > limit if kind == "max" else value < limit:
                verb = "exceeds" if kind == "max" else "is under"
                raise Reject(f"requested {name} ({value}) {verb} policy limit of {limit}{suffix}")


class LimitDuration(_Limits):
    """``limits.duration``."""

    name = ".limit-duration"

    def mine(self, limits: Table) -> Table:
        return {key: limit for key, limit in limits.items() if key[0] == "duration" and limit}

    def check(self, jobspec: dict[str, Any], limits: Table, suffix: str) -> None:
        duration = system_attribute(jobspec, "duration") or 0.0
        for limit in limits.values():
            if not duration or duration > limit:
                asked = fsd.encode(duration) if duration else "unlimited"
                raise Reject(
                    f"requested duration ({asked}) exceeds policy limit of {fsd.encode(limit)}{suffix}"
                )


class ValidateDuration(Plugin):
    """No job outlives the instance."""

    name = ".validate-duration"

    @callback("job.validate")
    def validate(self, job: Job) -> None:
        """Refuse a *job* that would run longer than the instance's resources last."""
        expiration = self.manager.expiration
        if not expiration:
            return
        duration = system_attribute(job.jobspec, "duration")
        if duration:
            left = expiration - self.now()
            if duration > left:
                raise Reject(
                    f"job duration ({fsd.encode(duration)}) exceeds remaining instance lifetime "
                    f"({fsd.encode(max(left, 0.0))})"
                )


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
