# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the queues of an instance with their state, limits and resources."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rosin.rfc import fsd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.handle.handle import Handle
    from rosin.resource.list import SchedResourceList

_GREEN, _YELLOW, _RED, _OFF = "\033[01;32m", "\033[01;33m", "\033[01;31m", "\033[0;0m"
_UNITS = ("nnodes", "ncores", "ngpus")
_INFINITE = float("inf")


class Mark(str):
    """A sign such as ✔ that has an ``ascii`` form for terminals that cannot show it."""

    ascii: str

    def __new__(cls, sign: str, letter: str) -> Mark:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            sign = letter
        new = super().__new__(cls, sign)
        new.ascii = letter
        return new


class Counts:
    """Numbers of nodes, cores and GPUs, or of anything else that there is for each."""

    __slots__ = _UNITS

    nnodes: Any
    ncores: Any
    ngpus: Any

    def __init__(self, nnodes: Any, ncores: Any, ngpus: Any) -> None:
        self.nnodes = nnodes
        self.ncores = ncores
        self.ngpus = ngpus


class Range(Counts):
    """Limits as ``MIN-MAX``; ``effective``: with no maximum above what the queue has."""

    __slots__ = ("effective",)

    def __init__(self, low: Counts, high: Counts, resources: SchedResourceList) -> None:
        super().__init__(*(f"{getattr(low, unit)}-{getattr(high, unit)}" for unit in _UNITS))
        self.effective = Counts(
            *(
                f"{getattr(low, unit)}-{min(getattr(high, unit), getattr(resources.all, unit))}"
                for unit in _UNITS
            )
        )


class Limits:
    """What a job in the queue may ask for: ``min``, ``max``, ``range``, ``timelimit`` (seconds)."""

    __slots__ = ("max", "min", "range", "timelimit")

    def __init__(self, low: Counts, high: Counts, timelimit: float, resources: SchedResourceList) -> None:
        self.min = low
        self.max = high
        self.timelimit = timelimit
        self.range = Range(low, high, resources)


class Defaults:
    """What a job in the queue gets that does not ask: ``timelimit`` (seconds)."""

    __slots__ = ("timelimit",)

    def __init__(self, timelimit: float) -> None:
        self.timelimit = timelimit


class QueueInfo:
    """A queue; ``name`` is "" for the anonymous one. ``status``: what ``job-manager.queue-status`` answers.

    A virtual queue takes from its parent what it does not set itself. Raises ValueError when its parent is
    not configured.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        resources: SchedResourceList,
        status: dict[str, Any],
        color: bool,
    ) -> None:
        self.queue = name
        self.parent: str = status.get("parent") or ""
        self._color = color
        self._enabled: bool = status["enable"]
        self._started: bool = status["start"]
        self._paused = status.get("blocked") == "parent"
        self._entries = _entries(name, self.parent, config)
        default = _find([config], "policy", "jobspec", "defaults", "system", "queue")
        self.is_default = not name or name == default
        self.queuem = f"{name}*" if name and self.is_default else name
        requires = _find(self._entries[:-1], "requires")
        self.resources = resources.copy_constraint({"properties": requires}) if requires else resources
        self.defaults = Defaults(self._seconds("policy", "jobspec", "defaults", "system", "duration"))
        self.limits = Limits(
            Counts(*(self._size("min", unit, 0) for unit in _UNITS)),
            Counts(*(self._size("max", unit, _INFINITE) for unit in _UNITS)),
            self._seconds("policy", "limits", "duration"),
            self.resources,
        )

    def _seconds(self, *path: str) -> float:
        value = _find(self._entries, *path)
        if value is None:
            return _INFINITE
        return fsd.parse(value) if isinstance(value, str) else float(value)

    def _size(self, bound: str, unit: str, default: float) -> float:
        value = _find(self._entries, "policy", "limits", "job-size", bound, unit)
        if value is None:
            return default
        return _INFINITE if value < 0 else value

    @property
    def submission(self) -> str:
        return "enabled" if self._enabled else "disabled"

    @property
    def scheduling(self) -> str:
        if self._started:
            return "started"
        return "stopped (parent)" if self._paused else "stopped"

    @property
    def enabled(self) -> Mark:
        return Mark("✔", "y") if self._enabled else Mark("✗", "n")

    @property
    def started(self) -> Mark:
        if self._started:
            return Mark("✔", "y")
        return Mark("⏸", "p") if self._paused else Mark("✗", "n")

    @property
    def color_enabled(self) -> str:
        return "" if not self._color else _GREEN if self._enabled else _RED

    @property
    def color_started(self) -> str:
        if not self._color:
            return ""
        return _GREEN if self._started else _YELLOW if self._paused else _RED

    @property
    def color_off(self) -> str:
        return _OFF if self._color else ""


def _entries(name: str, parent: str, config: dict[str, Any]) -> list[dict[str, Any]]:
    """The tables to look into for a setting of a queue, in order."""
    queues = config.get("queues", {})
    result = [queues[name]] if name in queues else []
    if parent:
        if parent not in queues:
            raise ValueError(f"queue '{name}': parent queue '{parent}' is not configured")
        result.append(queues[parent])
    return [*result, config]


def _find(tables: list[dict[str, Any]], *path: str) -> Any:
    """The first value at a path, None without one."""
    for table in tables:
        value: Any = table
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def queue_list(handle: Handle, names: list[str] | None, color: bool) -> Iterator[QueueInfo]:
    """The queues of the instance, or those named. Raises OSError and ValueError."""
    from rosin.resource import resource_list

    futures = (resource_list(handle), handle.rpc("config.get"))
    resources, config = (future.get() for future in futures)
    queues = config.get("queues", {})
    for name in names or ():
        if name not in queues:
            raise ValueError(f"No such queue: {name}")
    rpcs = {
        name: handle.rpc("job-manager.queue-status", {"name": name} if name else {}, 0)
        for name in (names or queues or [""])
    }
    for name, rpc in rpcs.items():
        yield QueueInfo(name, config, resources, rpc.get(), color)
