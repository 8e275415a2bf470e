# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14: the rules of a canonical jobspec's ``resources``, vertices within vertices.

A count of 0 is accepted of types that RFC 25 does not count on (flux-core writes ``gpu`` with 0).
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc import count as counts
from rosin.rfc.jobspec.place import Fault, at, each, expected, known_keys, missing_or
from rosin.rfc.payload import describe

_MAX_DEPTH = 32
#: Resources in one jobspec. (YAML can say an enormous tree in a few lines.)
_MAX_VERTICES = 65536
_KEYS = frozenset(("type", "count", "unit", "exclusive", "with", "label", "id"))
_POSITIVE_TYPES = frozenset(("node", "slot", "core"))


def check_fields(vertex: Any, known: frozenset[str]) -> str:
    """Check the keys that every vertex has, apart from its count and its children. Returns its type.

    Raises FormatError.
    """
    known_keys(vertex, known)
    kind = vertex.get("type")
    if type(kind) is not str or not kind:
        raise missing_or("type", vertex, "a string")
    if "count" not in vertex:
        raise Fault("missing key 'count'")
    if len(vertex) > 2:
        for key in ("unit", "label", "id"):
            if key in vertex and type(vertex[key]) is not str:
                raise at(key, expected("a string", vertex[key]))
        if type(vertex.get("exclusive", False)) is not bool:
            raise at("exclusive", expected("true or false", vertex["exclusive"]))
    return kind


def check_label(vertex: dict[str, Any], labels: dict[str, set[str] | None]) -> str:
    """Check a slot's label, which no other vertex may have. Raises FormatError."""
    label = vertex.get("label")
    if not label:
        raise missing_or("label", vertex, "a name for the slot")
    if label in labels:
        raise Fault(f"the label {describe(label)} is used twice", "label")
    return str(label)


class ResourceWalk:
    """A walk over ``resources``.

    ``labels``: what was labelled so far, with the types of the resources in it for a slot, None for others.
    ``slots``: how many slots there are.
    """

    __slots__ = ("_nested", "_vertices", "labels", "slots")

    def __init__(self, nested_slots: bool) -> None:
        self.labels: dict[str, set[str] | None] = {}
        self.slots = 0
        self._nested = nested_slots
        self._vertices = 0

    def check(self, resources: Any) -> None:
        """Check ``resources``. Raises Fault."""
        each("resources", resources, self._vertex, 0, None)
        if not self.slots:
            raise Fault("expected a slot somewhere", "resources")

    def _vertex(self, vertex: Any, depth: int, inside: set[str] | None) -> None:
        """Check a vertex with everything in it; *inside* are the types in the slot that it is in, if any."""
        self._vertices += 1
        if self._vertices > _MAX_VERTICES:
            raise Fault(f"more than {_MAX_VERTICES} resources")
        kind = check_fields(vertex, _KEYS)
        try:
            counts.parse(vertex["count"], 1 if kind in _POSITIVE_TYPES else 0)
        except FormatError as fault:
            raise at("count", fault) from None
        if inside is not None:
            inside.add(kind)
        content = inside
        if kind == "slot":
            content = self._slot(vertex, inside)
        elif "label" in vertex:
            self.labels[check_label(vertex, self.labels)] = None
        if "with" in vertex:
            if depth >= _MAX_DEPTH:
                raise Fault(f"resources are nested more than {_MAX_DEPTH} levels deep", "with")
            each("with", vertex["with"], self._vertex, depth + 1, content)
        if inside is not None and content is not None and content is not inside:
            inside |= content

    def _slot(self, vertex: dict[str, Any], inside: set[str] | None) -> set[str]:
        if inside is not None and not self._nested:
            raise Fault("version 2 allows no slot inside a slot", "type")
        content: set[str] = set()
        self.labels[check_label(vertex, self.labels)] = content
        self.slots += 1
        if "with" not in vertex:
            raise Fault("a slot needs the key 'with'")
        return content
