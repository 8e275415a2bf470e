# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 and RFC 25: what a job shell reads from a jobspec.

Task counts come from R where it says how many slots were allocated, since a jobspec may ask for a range; a
jobspec's own counts serve for an R without ``nslots``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.shell.layout import Resources


class ShellJobspec:
    """``command``, ``cwd``, ``environment``, ``options``, the counts and the per-resource request."""

    __slots__ = (
        "command",
        "cores_per_slot",
        "cwd",
        "environment",
        "exclusive",
        "gpus_per_slot",
        "node_count",
        "options",
        "per_resource",
        "slot_count",
        "spec",
        "system",
        "task_count",
        "version",
    )

    def __init__(self, spec: dict[str, Any], resources: Resources) -> None:
        """``spec`` is the decoded jobspec. Raises FormatError that names the place."""
        self.spec = spec
        self.version = field(spec, "version", int)
        tasks = field(spec, "tasks", list)
        if len(tasks) != 1 or not isinstance(tasks[0], dict):
            raise FormatError("jobspec: tasks must hold exactly one object")
        self.command: list[str] = field(tasks[0], "command", list)
        if not self.command or not all(isinstance(word, str) for word in self.command):
            raise FormatError("jobspec: command must be an array of strings")
        attributes = field(spec, "attributes", dict)
        self.system: dict[str, Any] = field(attributes, "system", dict, {}) or {}
        self.cwd: str | None = field(self.system, "cwd", str, None)
        self.environment: dict[str, str] = dict(field(self.system, "environment", dict, {}))
        shell = field(self.system, "shell", dict, {})
        self.options: dict[str, Any] = dict(field(shell, "options", dict, {}))
        self._count_slots(field(spec, "resources", list), resources)
        self.task_count = self._count_tasks(field(tasks[0], "count", dict))
        self.per_resource = self._per_resource()

    @property
    def name(self) -> str:
        """The job's name: the attribute, else the command's last path component."""
        job = self.system.get("job")
        if isinstance(job, dict) and isinstance(job.get("name"), str):
            return str(job["name"])
        return self.command[0].rpartition("/")[2] or "unknown"

    def _count_slots(self, vertices: list[Any], resources: Resources) -> None:
        has_node, slots, exclusive = _find_slot(vertices)
        self.exclusive = exclusive
        self.node_count = len(resources.nodes) if has_node else -1
        if resources.nslots > 0:
            self.slot_count = resources.nslots
        else:
            self.slot_count = slots * (self.node_count if has_node else 1)
        if self.slot_count <= 0:
            raise FormatError(f"jobspec: slot count {self.slot_count} is not positive")
        self.cores_per_slot = resources.ncores // self.slot_count
        self.gpus_per_slot = resources.ngpus // self.slot_count

    def _count_tasks(self, count: dict[str, Any]) -> int:
        if len(count) != 1:
            raise FormatError("jobspec: tasks count must have exactly one key set")
        if "total" in count:
            return field(count, "total", int)
        per_slot = field(count, "per_slot", int)
        if per_slot != 1:
            raise FormatError(f"jobspec: per_slot count: expected 1 got {per_slot}")
        return self.slot_count

    def _per_resource(self) -> tuple[str, int] | None:
        option = self.options.get("per-resource")
        if option is None:
            return None
        if not isinstance(option, dict):
            raise FormatError(f"shell option per-resource={option}: expected an object")
        kind, count = option.get("type"), option.get("count", 1)
        if kind not in ("node", "core"):
            raise FormatError(f"shell option per-resource.type={kind}: expected node or core")
        if type(count) is not int or count <= 0:
            raise FormatError(f"shell option per-resource.count={count}: expected a number > 0")
        return kind, count


def _find_slot(vertices: list[Any]) -> tuple[bool, int, bool]:
    """Find the slot below ``vertices``: (is there a node above it, its count, is the node exclusive)."""
    has_node = exclusive = False
    level: list[Any] = vertices
    while level:
        below: list[Any] = []
        for vertex in level:
            kind = field(vertex, "type", str)
            if kind == "node":
                has_node = True
                exclusive = bool(vertex.get("exclusive", False))
            if kind == "slot":
                count = vertex.get("count")
                return has_node, count if isinstance(count, int) else 1, exclusive
            below += field(vertex, "with", list, [])
        level = below
    raise FormatError("jobspec: no slot resource")
