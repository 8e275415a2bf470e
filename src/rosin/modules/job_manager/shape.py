# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the manager reads of a jobspec has the types that it expects, whoever wrote it.

A jobspec that was submitted with NOVALIDATE may hold anything, and so may the updates of an eventlog.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.jobspec.attributes import is_duration

_SYSTEM: dict[str, Any] = {
    "queue": str,
    "duration": (int, float),
    "job": dict,
    "dependencies": list,
    "constraints": dict,
}


def check_shape(jobspec: dict[str, Any]) -> None:
    """Check the types of what the manager reads. Raises FormatError."""
    check_attributes(jobspec)
    stack = [("resources", jobspec.get("resources"))]
    while stack:
        place, vertices = stack.pop()
        if not isinstance(vertices, list) or not all(isinstance(vertex, dict) for vertex in vertices):
            raise FormatError(f"jobspec: {place}: expected an array of objects")
        stack += [(f"{place}.with", vertex["with"]) for vertex in vertices if "with" in vertex]


def check_attributes(jobspec: dict[str, Any]) -> None:
    """The part of :func:`check_shape` that updates can change. Raises FormatError."""
    attributes = jobspec.get("attributes")
    system = attributes.get("system", {}) if isinstance(attributes, dict) else None
    if not isinstance(system, dict):
        raise FormatError("jobspec: attributes.system: expected an object")
    for name, types in _SYSTEM.items():
        if name in system and not isinstance(system[name], types):
            raise FormatError(f"jobspec: attributes.system.{name}: wrong type")
    if not is_duration(system.get("duration", 0)):
        raise FormatError(f"jobspec: attributes.system.duration: {system['duration']} is no time to run")
