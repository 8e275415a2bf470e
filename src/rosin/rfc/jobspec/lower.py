# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 to RFC 25: a jobspec said again in version 1, which every scheduler takes.

Nothing is guessed: what version 1 cannot say is refused with its place. docs/reference/jobspec-v2.md has the
rules in words.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc import count as counts
from rosin.rfc.jobspec.place import Fault, at
from rosin.rfc.jobspec.rules import validate, validate_version

_WHOLE_CORE = {"type": "core", "count": 1}


def lower(obj: Any) -> dict[str, Any]:
    """Return the version 1 jobspec that means the same as *obj*, a jobspec of version 1, 2 or 9999.

    Raises FormatError, ``jobspec: PLACE: ...``: *obj* is not valid, or asks for what version 1 cannot say.
    """
    validate_version(obj)
    if obj["version"] == 1:
        return dict(obj)
    try:
        resources = [_only("resources", obj["resources"], _top)]
        tasks = [_only("tasks", obj["tasks"], _task)]
    except Fault as fault:
        raise FormatError(str(fault)) from None
    attributes = dict(obj["attributes"])
    attributes["system"] = {"duration": 0, **attributes.get("system", {})}
    result = {"resources": resources, "tasks": tasks, "attributes": attributes, "version": 1}
    validate(result)
    return result


def _only(step: str, items: list[Any], convert: Any) -> Any:
    """Convert the only element of an array."""
    if len(items) > 1:
        raise Fault(f"version 1 has one element here, not {len(items)}", step)
    try:
        return convert(items[0])
    except Fault as fault:
        raise at(f"{step}[0]", fault) from None


def _top(vertex: dict[str, Any]) -> dict[str, Any]:
    if vertex["type"] == "slot":
        return _slot(vertex)
    if vertex["type"] != "node":
        raise _no_type(vertex, "at the top")
    node = _plain(vertex)
    if "exclusive" in vertex:
        node["exclusive"] = vertex["exclusive"]
    if "with" not in vertex:
        raise Fault("version 1 needs a slot in a node")
    node["with"] = [_only("with", vertex["with"], _slot_in_node)]
    return node


def _slot_in_node(vertex: dict[str, Any]) -> dict[str, Any]:
    if vertex["type"] != "slot":
        raise _no_type(vertex, "in a node")
    return _plain_slot(vertex)


def _slot(vertex: dict[str, Any]) -> dict[str, Any]:
    """A slot at the top: of cores, or of one node, which version 1 has around the slot."""
    if vertex["with"][0]["type"] != "node":
        return _plain_slot(vertex)
    slot = _plain(vertex)
    _shared(vertex)
    node, inside = _only("with", vertex["with"], _node_in_slot)
    if inside is not None and node is None:
        return {**slot, "with": inside}
    return {**node, "count": slot["count"], "with": [{**slot, "count": 1, "with": inside or [_WHOLE_CORE]}]}


def _node_in_slot(vertex: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]] | None]:
    """Return the node, None when it is shared with other slots, and what is wanted of it, if that is said."""
    node = _plain(vertex)
    if node["count"] != 1:
        raise Fault("version 1 has no slot of several nodes", "count")
    inside = _in_slot(vertex["with"]) if "with" in vertex else None
    if vertex.get("exclusive", True):  # what is in a slot is exclusive unless it says otherwise
        return {**node, "exclusive": True}, inside
    if inside is None:
        raise Fault("version 1 has no slot of a shared node without cores")
    return None, inside


def _plain_slot(vertex: dict[str, Any]) -> dict[str, Any]:
    _shared(vertex)
    return {**_plain(vertex), "with": _in_slot(vertex["with"])}


def _in_slot(vertices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = []
    for index, vertex in enumerate(vertices):
        try:
            if vertex["type"] not in ("core", "gpu"):
                raise _no_type(vertex, "in a slot")
            if "with" in vertex:
                raise Fault(f"version 1 has nothing in a {vertex['type']}", "with")
            _shared(vertex)
            result.append(_plain(vertex))
        except Fault as fault:
            raise at(f"with[{index}]", fault) from None
    return result


def _plain(vertex: dict[str, Any]) -> dict[str, Any]:
    """The vertex with a fixed count, without ``exclusive`` and what is in it."""
    if "id" in vertex:
        raise Fault("version 1 has no ids of resources", "id")
    count = counts.parse(vertex["count"], 0)
    if count.max != count.min or count.ranges is not None:
        raise Fault(f"version 1 has fixed counts only, not {count}", "count")
    rest: dict[str, Any] = {key: vertex[key] for key in ("unit", "label") if key in vertex}
    return {"type": vertex["type"], "count": count.min, **rest}


def _shared(vertex: dict[str, Any]) -> None:
    if vertex.get("exclusive", True) is False:
        raise Fault(f"version 1 has no shared {vertex['type']} in a slot", "exclusive")


def _no_type(vertex: dict[str, Any], where: str) -> Fault:
    return Fault(f"version 1 has no {vertex['type'][:40]} {where}", "type")


def _task(task: dict[str, Any]) -> dict[str, Any]:
    for key in ("attributes", "distribution"):
        if task.get(key):
            raise Fault("version 1 tasks have no such key", key)
    if "per_resource" in task["count"]:
        raise Fault("version 1 has no tasks per resource", "count.per_resource")
    return {key: task[key] for key in ("command", "slot", "count")}
