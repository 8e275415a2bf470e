# SPDX-License-Identifier: LGPL-3.0-or-later
"""A check of schedulers: no resource is allocated twice (``alloc-check.so``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import Plugin, callback
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job


class AllocCheck(Plugin):
    """What has been allocated since the plugin was loaded."""

    name = "alloc-check.so"

    def start(self) -> None:
        self._allocated = ResourceSet()

    @callback("job.new")
    def new(self, job: Job) -> None:
        """Follow *job*."""
        self.subscribe(job)

    @callback("job.event.alloc")
    def allocated(self, job: Job, _entry: dict[str, Any]) -> None:
        """Its resources are nobody else's, or it ends."""
        R = ResourceSet.decode(job.R or {})
        try:
            self._allocated.append(R)
        except FormatError:  # they overlap
            self.raise_exception(job, "alloc-check", 0, "resources already allocated")
        else:
            self.aux(job)["R"] = R

    @callback("job.event.free")
    def freed(self, job: Job, _entry: dict[str, Any]) -> None:
        """They may be somebody else's."""
        R = self.aux(job).pop("R", None)
        if R is not None:
            self._allocated = self._allocated.diff(R)

    @callback("job.event.exception")
    def excepted(self, job: Job, entry: dict[str, Any]) -> None:
        """So they may when a scheduler that has restarted could not take them over: no free follows."""
        if entry["context"]["severity"] == 0 and entry["context"]["type"] == "scheduler-restart":
            self.freed(job, entry)
