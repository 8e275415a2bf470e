# SPDX-License-Identifier: LGPL-3.0-or-later
"""What goes on inside a job that is a Flux instance: its resources and its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.job.counts import JobStats
from rosin.job.info_values import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.handle.handle import Handle


class StatsInfo(JobStats):
    """Job counts that print as ``PD:1 R:2 CD:3 F:4``; without a handle they are all unknown."""

    def __init__(self, handle: Handle | None = None, queue: str | Iterable[str] | None = None) -> None:
        super().__init__(handle, queue)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"PD:{self.pending} R:{self.running} CD:{self.successful} F:{self.failed}"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


class InstanceInfo:
    """``stats``, ``resources``, and three ratios that are "" without a value: ``utilization`` (cores in use),
    ``gpu_utilization``, ``progress`` (ended jobs). Everything is empty without a ``uri`` or when it does not
    answer.
    """

    stats: Any
    resources: Any

    def __init__(self, uri: str | None = None) -> None:
        self.initialized = False
        self.stats = self.resources = EMPTY
        if uri is None:
            return
        from rosin.handle.flux import Flux
        from rosin.job.uri import JobURI

        try:
            handle = Flux(JobURI(uri).near)
            try:
                self._ask(handle)
            finally:
                handle.close()
        except (OSError, ValueError):
            self.stats = self.resources = EMPTY  # it ended, or it is out of reach from here

    def _ask(self, handle: Handle) -> None:
        from rosin.resource import resource_list

        future = resource_list(handle)
        self.stats = StatsInfo(handle).update_sync()
        self.resources = future.get()
        self.initialized = True

    def _used(self, kind: str) -> float | str:
        if not self.initialized:
            return ""
        total = getattr(self.resources.all, kind)
        return getattr(self.resources.allocated, kind) / total if total else ""

    @property
    def utilization(self) -> float | str:
        return self._used("ncores")

    @property
    def gpu_utilization(self) -> float | str:
        return self._used("ngpus")

    @property
    def progress(self) -> float | str:
        return self.stats.inactive / self.stats.total if self.initialized and self.stats.total else ""
