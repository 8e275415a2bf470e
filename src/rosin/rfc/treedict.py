# SPDX-License-Identifier: LGPL-3.0-or-later
"""JSON objects and the values at period-delimited paths in them, such as ``attributes.system.duration``.

RFC 21 updates and RFC 27 annotations change objects that others hold too: those functions return a new object
and copy only what they change.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def put(obj: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at *path* in place, and make the objects on the way.

    Raises FormatError when a step of the path is there and is no object."""
    steps = path.split(".")
    place: Any = obj
    for depth, step in enumerate(steps[:-1], 1):
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise _no_object(path, steps[:depth])
    place[steps[-1]] = value


def with_value(obj: Any, path: str, value: Any, *, strict: bool = False) -> dict[str, Any]:
    """Return a copy of *obj* with *value* at *path*, and the objects on the way made.

    What is there and is no object gives way to one; *strict* raises FormatError instead."""
    new = dict(obj) if isinstance(obj, dict) else {}
    steps = path.split(".")
    place = new
    for depth, step in enumerate(steps[:-1], 1):
        below = place.get(step, {})
        if not isinstance(below, dict):
            if strict:
                raise _no_object(path, steps[:depth])
            below = {}
        place[step] = place = dict(below)
    place[steps[-1]] = value
    return new


def merge(obj: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of *obj* with *changes* merged in as RFC 27 has it: objects recursively, null removes a
    key, and objects that become empty go as well."""
    new = dict(obj)
    for key, value in changes.items():
        if isinstance(value, dict):
            old = new.get(key)
            value = merge(old if isinstance(old, dict) else {}, value) or None
        if value is None:
            new.pop(key, None)
        else:
            new[key] = value
    return new


def _no_object(path: str, steps: list[str]) -> FormatError:
    return FormatError(f"cannot set {path}: {'.'.join(steps)} is not an object")
