# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the job manager and its plugins ask of the stack of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job


class Calls(Protocol):
    """The stack; ``plugin`` is one that is on it."""

    @property
    def subscribers(self) -> Mapping[int, Any]:
        """Who gets the events of which job."""

    def tell(self, topic: str, job: Job | InactiveJob, *args: Any) -> None:
        """Call all that want to know of *topic*."""

    def event(self, job: Job, entry: dict[str, Any]) -> None:
        """An event of *job*, for those that have subscribed to it."""

    def priority(self, job: Job, topic: str) -> int | None:
        """The priority that the last plugin with an opinion gives *job*; None: there is none yet."""

    def destroy(self, job: Job) -> None:
        """*job* was refused or is over."""

    def has(self, plugin: Any) -> bool:
        """Whether *plugin* is on the stack."""

    def aux(self, plugin: Any, job: Job) -> dict[str, Any]:
        """What *plugin* keeps of *job*."""

    def subscribe(self, plugin: Any, job: Job) -> None:
        """Have *plugin* called for the events of *job*."""

    def unsubscribe(self, plugin: Any, job: Job) -> None:
        """No longer."""

    def guard(self, plugin: Any, topic: str, call: Callable[[], Any], id: int | None = None) -> None:
        """Call something of *plugin*; log what goes wrong."""
