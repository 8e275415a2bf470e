# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: what the configuration adds to a jobspec that leaves it open (flux-core's frobnicator).

``[policy.jobspec.defaults.system]`` fills attributes in, a duration of 0 counting as open; defaults of the
job's queue go before. A queue with ``requires`` adds its properties to the job's constraints.
"""

from __future__ import annotations

from typing import Any

from rosin.broker.settings import Table
from rosin.errors import FormatError
from rosin.modules.job_ingest.access import Access
from rosin.rfc.queues import QueueConfig, constrained

#: What may be added to a jobspec, by the names of flux-core's frobnicator plugins.
ADDITIONS = ("defaults", "constraints")


class PolicyDefaults:
    """The defaults of a configuration. Raises FormatError when they are wrong."""

    __slots__ = ("_access", "_default", "_defaults", "_queues", "_requires")

    def __init__(self, config: dict[str, Any]) -> None:
        added = _frobnicator(config)
        queues = QueueConfig(config)
        self._access = Access(queues)
        self._default = queues.default
        self._defaults: dict[str, Any] = {}
        self._queues: dict[str, dict[str, Any]] = {name: {} for name in queues.queues}
        self._requires: dict[str, list[str]] = {}
        if "defaults" in added:
            self._defaults = queues.policy.defaults
            self._queues = {name: queues.effective(name).defaults for name in queues.queues}
        if "constraints" in added:
            required = {name: queues.required(name) for name in queues.queues}
            self._requires = {name: names for name, names in required.items() if names}

    @property
    def adds(self) -> bool:
        """Whether there is anything to add to any jobspec."""
        return bool(self._defaults or self._queues)

    def check_access(self, jobspec: dict[str, Any], userid: int) -> None:
        """Raise OSError EACCES unless the user may submit to the queue of the job."""
        system = (jobspec.get("attributes") or {}).get("system") or {}
        queue = system.get("queue", self._default)
        self._access.check(queue if isinstance(queue, str) else None, userid)

    def apply(self, jobspec: dict[str, Any]) -> dict[str, Any]:
        """*jobspec* with the defaults, itself when nothing was open."""
        if not self.adds:
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


def _frobnicator(config: dict[str, Any]) -> tuple[str, ...] | list[str]:
    """``[ingest.frobnicator]``: what is added to jobspecs. Raises FormatError for what cannot be done."""
    table = Table(config, "ingest.frobnicator", ("disable", "plugins", "args"))
    place = table.name
    for arg in table.get("args", list, []):
        raise FormatError(f"{place}.args: {arg!r}: there is no program to take arguments; remove it")
    plugins: list[str] = table.get("plugins", list, [])
    for name in plugins:
        if name not in ADDITIONS:
            raise FormatError(f"{place}.plugins: {name!r} is not known (known: {', '.join(ADDITIONS)})")
    if table.get("disable", bool, False):
        return ()
    return plugins or ADDITIONS


def _open(system: dict[str, Any], key: str) -> bool:
    return key not in system or (key == "duration" and not system[key])
