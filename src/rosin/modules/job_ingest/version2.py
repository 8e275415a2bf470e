# SPDX-License-Identifier: LGPL-3.0-or-later
"""docs/reference/jobspec-v2.md: which jobspecs beyond RFC 25 an instance runs.

flux-core's commands write version 1 whatever the resources are, so what has that version is read in the
same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.jobspec.rules import validate_version

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = "version 2 runs with racks and the like around nodes, nodes around the slot, cores and gpus in it"


def check(jobspec: Any) -> None:
    """Raise FormatError, ``jobspec: PLACE: ...``, for what is not valid, or cannot be run here."""
    validate_version({**jobspec, "version": 2}, 2)
    task, *more = jobspec["tasks"]
    if more:
        raise FormatError("jobspec: tasks: expected one task, which is what a job shell runs, got more")
    for key in ("attributes", "distribution"):
        if task.get(key):
            raise FormatError(f"jobspec: tasks[0].{key}: no job shell reads it: leave it out")
    if "per_resource" in task["count"]:
        raise FormatError("jobspec: tasks[0].count: expected per_slot or total, got per_resource")
    slots = [place for place, kind, _ in _walk(jobspec["resources"], "resources", ()) if kind == "slot"]
    if len(slots) > 1:
        raise FormatError(f"jobspec: {slots[1]}: expected one slot, which is what a job shell runs tasks in")
    cores = [
        (place, above)
        for place, kind, above in _walk(jobspec["resources"], "resources", ())
        if kind == "core"
    ]
    if len(cores) != 1 or cores[0][1][-1:] != ("slot",):
        raise FormatError("jobspec: resources: expected one vertex of cores, in the slot")


def _walk(
    vertices: list[dict[str, Any]], step: str, above: tuple[str, ...]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield place and type of each vertex, and the types that it is in. Raises FormatError."""
    for index, vertex in enumerate(vertices):
        place, kind = f"{step}[{index}]", vertex["type"]
        if "id" in vertex:
            raise FormatError(f"jobspec: {place}.id: no scheduler here gives resources by their ids")
        inside = vertex.get("with", ())
        if not _fits(kind, above, bool(inside)):
            raise FormatError(f"jobspec: {place}.type: {kind[:40]} has no place here: {_PLACES}")
        yield place, kind, above
        yield from _walk(inside, f"{place}.with", (*above, kind))


def _fits(kind: str, above: tuple[str, ...], holds: bool) -> bool:
    """Whether a vertex may be where it is; what holds nothing may be a counted pool."""
    if kind in ("core", "gpu"):
        return above[-1:] == ("slot",) and not holds
    if "slot" in above or not holds:
        return not holds and kind not in ("node", "slot")
    if kind == "slot":
        return above[-1:] in ((), ("node",))
    return "node" not in above
