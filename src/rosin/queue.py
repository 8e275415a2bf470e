# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the queues of an instance: state, limits, defaults and resources (upstream: ``flux.queue``).

An instance without configured queues has one anonymous queue, whose name is "".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rosin.rfc import fsd
from rosin.rfc.queues import asked_of_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

    Q = TypeVar("Q", bound="QueueInfo")


class QueueResourceCounts:
    """Numbers of ``nnodes``, ``ncores`` and ``ngpus``; no limit is ``inf``."""

    __slots__ = ("ncores", "ngpus", "nnodes")

    def __init__(self, nnodes: float, ncores: float, ngpus: float) -> None:
        self.nnodes = nnodes
        self.ncores = ncores
        self.ngpus = ngpus


class QueueLimits:
    """What a job may ask for: ``min`` and ``max`` (counts), ``duration`` in seconds (also ``timelimit``)."""

    __slots__ = ("duration", "max", "min")

    def __init__(self, min: QueueResourceCounts, max: QueueResourceCounts, duration: float) -> None:
        self.min = min
        self.max = max
        self.duration = duration

    @property
    def timelimit(self) -> float:
        return self.duration


class QueueDefaults:
    """What a job gets that asks for nothing: ``duration`` in seconds (also ``timelimit``)."""

    __slots__ = ("duration",)

    def __init__(self, duration: float) -> None:
        self.duration = duration

    @property
    def timelimit(self) -> float:
        return self.duration


class QueueResources:
    """The resources of a queue: attributes ``all up down allocated free`` of the resource list."""

    def __init__(self, name: str, resources: Any, config: dict[str, Any], parent: str = "") -> None:
        queues = config.get("queues") or {}
        asked = asked_of_nodes(queues, name) if name in queues else []
        self._list = resources.copy_constraint({"properties": asked}) if asked else resources

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._list, name)


def _entries(name: str, parent: str, config: dict[str, Any]) -> list[dict[str, Any]]:
    """The tables in which a setting of a queue is looked for, the first that has it counts."""
    queues = config.get("queues") or {}
    if parent and parent not in queues:
        raise ValueError(f"queue '{name}': parent queue '{parent}' is not configured")
    own = [queues[key] for key in (name, parent) if key and key in queues]
    return [*own, config]


def _seconds(value: Any) -> float:
    return fsd.parse(value) if isinstance(value, str) else float(value)


class QueueInfo:
    """One queue.

    Attributes: ``name``, ``is_default``, ``enabled``, ``started``, ``parent`` (of a virtual queue, else ""),
    ``blocked`` (why a started queue stands still: ``scheduler``, ``parent``, else None), ``resources``,
    ``defaults``, ``limits``. Raises ValueError when the parent is not configured.
    """

    def __init__(
        self,
        name: str | None,
        config: dict[str, Any],
        resources: Any,
        enabled: bool,
        started: bool,
        default: bool,
        parent: str = "",
        blocked: str | None = None,
    ) -> None:
        self.name = name or ""
        self.config = config
        self.enabled = enabled
        self.started = started
        self.is_default = default
        self.parent = parent or ""
        self.blocked = blocked
        self._tables = _entries(self.name, self.parent, config)
        self.resources = QueueResources(self.name, resources, config, self.parent)
        default_time = self._setting("inf", "policy", "jobspec", "defaults", "system", "duration")
        self.defaults = QueueDefaults(_seconds(default_time))
        self.limits = QueueLimits(
            self._sizes("min", 0),
            self._sizes("max", math.inf),
            _seconds(self._setting("inf", "policy", "limits", "duration")),
        )

    def _setting(self, default: Any, *path: str) -> Any:
        for table in self._tables:
            value: Any = table
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                return value
        return default

    def _sizes(self, bound: str, default: float) -> QueueResourceCounts:
        values = [
            self._setting(default, "policy", "limits", "job-size", bound, kind)
            for kind in ("nnodes", "ncores", "ngpus")
        ]
        return QueueResourceCounts(*(math.inf if value < 0 else value for value in values))

    def __repr__(self) -> str:
        return f"<QueueInfo {self.name or 'anonymous'}>"


def queue_status_async(handle: Handle, name: str | None = None) -> RPC:
    """Ask for the state of a queue; None is the only one of an instance without named queues.

    Answers ``enable``, ``start``, and where there are any ``disable_reason``, ``stop_reason``, ``blocked``,
    ``parent``. EINVAL: there is none.
    """
    return handle.rpc("job-manager.queue-status", {} if name is None else {"name": name})


def configuration_async(handle: Handle) -> RPC:
    """Ask for the instance's configuration (RFC 33: ``queues`` and ``policy`` are in it)."""
    return handle.rpc("config.get")


async def queue_infos(
    handle: Handle,
    queues: Iterable[str] | None = None,
    make: type[Q] = QueueInfo,  # type: ignore[assignment]
) -> tuple[str | None, list[Q]]:
    """The name of the default queue, or None, and all queues, or those named, each made by ``make``.

    Raises OSError, and ValueError for a queue that does not exist.
    """
    from rosin.resource import resource_list

    answers = resource_list(handle), configuration_async(handle)
    resources, config = [await future for future in answers]
    policy = config.get("policy") or {}
    system = ((policy.get("jobspec") or {}).get("defaults") or {}).get("system") or {}
    default: str | None = system.get("queue")
    known = list(config.get("queues") or {})
    names: list[str] = list(queues or known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"No such queue: {', '.join(unknown)}")
    named: list[str | None] = [*names] or [None]
    status = [queue_status_async(handle, name) for name in named]
    found: list[Q] = []
    for name, future in zip(names or [""], status, strict=True):
        state = await future
        found.append(
            make(
                name,
                config,
                resources,
                state["enable"],
                state["start"],
                not name or name == default,
                state.get("parent", ""),
                state.get("blocked"),
            )
        )
    return default, found


class QueueList:
    """All queues, or those named; iterate, or index by name. Blocks while it asks the instance.

    ``default_queue`` is the name of the default queue or None. Raises ValueError for a queue that does not
    exist.
    """

    def __init__(self, handle: Handle, queues: Iterable[str] | None = None) -> None:
        from rosin.handle.complete import complete

        self.default_queue, found = complete(handle, queue_infos(handle, queues, QueueInfo))
        self._queues: dict[str, QueueInfo] = {queue.name: queue for queue in found}

    def __iter__(self) -> Iterator[QueueInfo]:
        return iter(self._queues.values())

    def __len__(self) -> int:
        return len(self._queues)

    def __getitem__(self, name: str | None) -> QueueInfo:
        return self._queues[name or ""]

    def __getattr__(self, name: str) -> QueueInfo:
        try:
            return self.__dict__["_queues"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no queue '{name}'") from None
