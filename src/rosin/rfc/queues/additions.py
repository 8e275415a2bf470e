# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: what a configuration adds to a jobspec that leaves it open.

``[policy.jobspec.defaults.system]`` fills attributes in, a duration of 0 counting as open; defaults of the
job's queue go before. A queue with ``requires`` adds its properties to the job's constraints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.rfc.queues import QueueConfig, constrained

if TYPE_CHECKING:
    from collections.abc import Collection

#: What may be added to a jobspec, by the names of flux-core's frobnicator plugins.
ADDITIONS = ("defaults", "constraints")


class Additions:
    """Those of a configuration that *parts* names, some of :data:`ADDITIONS`."""

    __slots__ = ("_defaults", "_queues", "_requires")

    def __init__(self, queues: QueueConfig, parts: Collection[str] = ADDITIONS) -> None:
        self._defaults: dict[str, Any] = {}
        self._queues: dict[str, dict[str, Any]] = {name: {} for name in queues.queues}
        self._requires: dict[str, list[str]] = {}
        if "defaults" in parts:
            self._defaults = queues.policy.defaults
            self._queues = {name: queues.effective(name).defaults for name in queues.queues}
        if "constraints" in parts:
            required = {name: queues.required(name) for name in queues.queues}
            self._requires = {name: names for name, names in required.items() if names}

    def __bool__(self) -> bool:
        """Whether there is anything to add to any jobspec."""
        return bool(self._defaults or self._queues)

    def apply(self, jobspec: dict[str, Any]) -> dict[str, Any]:
        """Return *jobspec* with what is added, itself when nothing was open."""
        if not self:
            return jobspec
        attributes = jobspec.get("attributes") or {}
        system = attributes.get("system") or {}
        queue = str(system.get("queue", self._defaults.get("queue")))
        added = dict(self._defaults)
        added.update(self._queues.get(queue, {}))
        added = {key: value for key, value in added.items() if _open(system, key)}
        if queue in self._requires:
            added["constraints"] = constrained(system.get("constraints"), self._requires[queue])
        if not added:
            return jobspec
        return {**jobspec, "attributes": {**attributes, "system": {**system, **added}}}


def _open(system: dict[str, Any], key: str) -> bool:
    return key not in system or (key == "duration" and not system[key])
