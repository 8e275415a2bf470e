# SPDX-License-Identifier: LGPL-3.0-or-later
"""The tasks by name, and by the services that they provide. Pure, but for the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.rcplan.tasks import RcConditions, RcTask


class TaskTable:
    """Tasks; several may provide one service."""

    def __init__(self, context: RcConditions) -> None:
        self._context = context
        self._tasks: dict[str, RcTask] = {}  # in the order in which they came

    def add(self, task: RcTask) -> None:
        """Add a task; it takes the place of another of its name."""
        self._tasks[task.name] = task

    def __contains__(self, name: str) -> bool:
        return any(True for _ in self._providers(name))

    def _providers(self, name: str) -> Iterator[RcTask]:
        return (task for task in self._tasks.values() if task.name == name or name in task.provides)

    def providers(self, name: str) -> list[RcTask]:
        """The tasks of this name, or that provide this service, the best first. Raises ValueError."""
        found = sorted(self._providers(name), key=lambda task: task.priority)[::-1]
        if not found:
            raise ValueError(f"no such task or module {name}")
        return found

    def get(self, name: str) -> RcTask:
        """The best that is not disabled, else the best. Raises ValueError."""
        found = self.providers(name)
        return next((task for task in found if task.force_enabled or not task.disabled), found[0])

    def set_alternative(self, service: str, name: str) -> None:
        """Let a task be the best of those that provide a service. Raises ValueError."""
        if service not in self:
            raise ValueError(f"no such service {service}")
        found = self.providers(service)
        chosen = next((task for task in found if task.name == name), None)
        if chosen is None:
            raise ValueError(f"no module {name} provides {service}")
        if found[0] is not chosen:
            chosen.priority = found[0].priority + 1

    def disable(self, name: str) -> None:
        """Disable all that provide it. Raises ValueError."""
        for task in self._all(name):
            task.disabled = True

    def enable(self, name: str) -> None:
        """Enable all that provide it, whatever their conditions say. Raises ValueError."""
        for task in self._all(name):
            task.force_enabled = True

    def _all(self, name: str) -> list[RcTask]:
        if name not in self:
            raise ValueError(f"no such module or task '{name}'")
        return self.providers(name)

    # -- who runs -----------------------------------------------------------------------------------

    def resolve(self, name: str, *, always: bool = False) -> RcTask | None:
        """The task that runs for a name: the best that is enabled and has what it needs, or None.

        *always*: the best, even if it is not enabled. Raises ValueError for a name that nobody has.
        """
        return self.get(name) if always else self._resolve(name, ())

    def _resolve(self, name: str, seen: tuple[str, ...]) -> RcTask | None:
        for task in self.providers(name):
            if task.enabled(self._context) and (task.force_enabled or self._has_needs(task, seen)):
                return task
        return None

    def _has_needs(self, task: RcTask, seen: tuple[str, ...]) -> bool:
        """Whether somebody who is enabled provides each that it needs; who needs itself has it."""
        if task.name in seen:
            return True
        seen = (*seen, task.name)
        return all(need in self and self._resolve(need, seen) is not None for need in task.needs)
