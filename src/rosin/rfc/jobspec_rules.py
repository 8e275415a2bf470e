# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 and RFC 25: the rules that a job specification has to follow.

RFC 14 is the canonical language; RFC 25 (version 1) is the part that schedulers accept today: ``slot`` or
``node > slot``, the slot holding cores and perhaps gpus. Where flux-core is more liberal than the text of
RFC 25 its rule holds: a gpu count of 0, any ``per_slot``, and ``exclusive`` on a slot are accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc import count as counts
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DEPTH = 32
_MAX_SECONDS = 1e15
_MAX_COUNT = counts.MAX_COUNT

_TOP_KEYS = ("resources", "tasks", "attributes", "version")
_VERTEX_KEYS = frozenset(("type", "count", "unit", "exclusive", "with", "label", "id"))
_V1_VERTEX_KEYS = frozenset(("type", "count", "unit", "exclusive", "with", "label"))
_TASK_KEYS = frozenset(("command", "slot", "count", "attributes", "distribution"))
_V1_TASK_KEYS = frozenset(("command", "slot", "count"))
_POSITIVE_TYPES = frozenset(("node", "slot", "core"))


class _Fault(FormatError):
    """A fault on its way up: every level that it passes puts its own step before the path."""

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.path = path


def _at(step: str, fault: FormatError) -> _Fault:
    if not isinstance(fault, _Fault):
        return _Fault(str(fault), step)
    joint = "." if fault.path and not fault.path.startswith("[") else ""
    return _Fault(fault.text, f"{step}{joint}{fault.path}")


def _expected(what: str, value: Any) -> _Fault:
    return _Fault(f"expected {what}, got {describe(value)}")


def validate(obj: Any, canonical: bool = False) -> None:
    """Check a jobspec. Raises FormatError, ``jobspec: PLACE: what was expected, what was found``.

    *canonical* asks for the rules of RFC 14 alone, with any version and any resource graph; otherwise those
    of version 1 (RFC 25) hold as well.
    """
    try:
        _validate(obj, canonical)
    except _Fault as fault:
        place = f"{fault.path}: " if fault.path else ""
        raise FormatError(f"jobspec: {place}{fault.text}") from None


def _validate(obj: Any, canonical: bool) -> None:
    if type(obj) is not dict:
        raise _expected("an object", obj)
    for key in _TOP_KEYS:
        if key not in obj:
            raise _Fault(f"missing key '{key}'")
    if len(obj) != len(_TOP_KEYS):
        unknown = next(key for key in obj if key not in _TOP_KEYS)
        raise _Fault(f"unknown key {describe(unknown)} (known: {', '.join(_TOP_KEYS)})")
    version = obj["version"]
    if type(version) is not int or version < 1 or (version != 1 and not canonical):
        raise _Fault(
            f"expected {'an integer >= 1' if canonical else '1'}, got {describe(version)}", "version"
        )
    labels: set[str] = set()
    if canonical:
        _each("resources", obj["resources"], lambda vertex: _vertex(vertex, labels, 0))
        if not labels:
            raise _Fault("expected a slot somewhere", "resources")
    else:
        _single("resources", obj["resources"], lambda vertex: _top_vertex(vertex, labels))
    visit = _each if canonical else _single
    visit("tasks", obj["tasks"], lambda task: _task(task, labels, canonical))
    try:
        _attributes(obj["attributes"], canonical)
    except _Fault as fault:
        raise _at("attributes", fault) from None


def _each(step: str, items: Any, check: Callable[[Any], None]) -> None:
    """Check every element of a non-empty array."""
    if type(items) is not list or not items:
        raise _at(step, _expected("a non-empty array", items))
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007
            check(item)
    except _Fault as fault:
        raise _at(step, _at(f"[{index}]", fault)) from None


def _single(step: str, items: Any, check: Callable[[Any], None]) -> None:
    """Check the only element of an array: version 1 allows no more."""
    _each(step, items, check)
    if len(items) != 1:
        raise _Fault(f"expected one element in version 1, got {len(items)}", step)


def _known(obj: Any, known: frozenset[str]) -> None:
    if type(obj) is not dict:
        raise _expected("an object", obj)
    for key in obj:
        if key not in known:
            raise _Fault(f"unknown key {describe(key)} (known: {', '.join(sorted(known))})")


def _fields(vertex: Any, known: frozenset[str]) -> str:
    """Check the keys that every vertex has, apart from its count and its children. Returns its type."""
    _known(vertex, known)
    kind = vertex.get("type")
    if type(kind) is not str or not kind:
        raise _missing_or("type", vertex, "a string")
    if "count" not in vertex:
        raise _Fault("missing key 'count'")
    for key in ("unit", "label", "id"):
        if key in vertex and type(vertex[key]) is not str:
            raise _at(key, _expected("a string", vertex[key]))
    if type(vertex.get("exclusive", False)) is not bool:
        raise _at("exclusive", _expected("true or false", vertex["exclusive"]))
    return kind


def _missing_or(key: str, obj: dict[str, Any], what: str) -> _Fault:
    return _at(key, _expected(what, obj[key])) if key in obj else _Fault(f"missing key '{key}'")


def _count(value: Any, minimum: int) -> None:
    if type(value) is not int or value < minimum:
        raise _at("count", _expected(f"an integer >= {minimum}", value))
    if value > _MAX_COUNT:
        raise _at("count", _expected(f"an integer <= {_MAX_COUNT}", value))


def _slot_label(vertex: dict[str, Any], labels: set[str]) -> None:
    label = vertex.get("label")
    if not label:
        raise _missing_or("label", vertex, "a name for the slot")
    if label in labels:
        raise _Fault(f"the label {describe(label)} is used twice", "label")
    labels.add(label)


def _vertex(vertex: Any, labels: set[str], depth: int) -> None:
    """RFC 14: any vertex, with everything inside."""
    kind = _fields(vertex, _VERTEX_KEYS)
    try:
        counts.parse(vertex["count"], 1 if kind in _POSITIVE_TYPES else 0)
    except FormatError as fault:
        raise _at("count", fault) from None
    if kind == "slot":
        _slot_label(vertex, labels)
        if "with" not in vertex:
            raise _Fault("a slot needs the key 'with'")
    if "with" in vertex:
        if depth >= _MAX_DEPTH:
            raise _Fault(f"resources are nested more than {_MAX_DEPTH} levels deep", "with")
        _each("with", vertex["with"], lambda child: _vertex(child, labels, depth + 1))


def _top_vertex(vertex: Any, labels: set[str]) -> None:
    """RFC 25: node > slot, or slot."""
    kind = _fields(vertex, _V1_VERTEX_KEYS)
    if kind == "slot":
        _slot(vertex, labels)
        return
    if kind != "node":
        raise _at("type", _expected("node or slot at the top in version 1", kind))
    _count(vertex["count"], 1)
    if "with" not in vertex:
        raise _Fault("missing key 'with': version 1 needs a slot inside a node")
    _single("with", vertex["with"], lambda child: _slot(child, labels))


def _slot(vertex: Any, labels: set[str]) -> None:
    kind = _fields(vertex, _V1_VERTEX_KEYS)
    if kind != "slot":
        raise _at("type", _expected("slot inside a node in version 1", kind))
    _count(vertex["count"], 1)
    _slot_label(vertex, labels)
    if "with" not in vertex:
        raise _Fault("missing key 'with': a slot needs cores")
    types: set[str] = set()
    _each("with", vertex["with"], lambda child: _slot_resource(child, types))
    if "core" not in types:
        raise _Fault("expected a core in the slot", "with")


def _slot_resource(vertex: Any, types: set[str]) -> None:
    kind = _fields(vertex, _V1_VERTEX_KEYS)
    if kind not in ("core", "gpu"):
        raise _at("type", _expected("core or gpu inside a slot in version 1", kind))
    if kind in types:
        raise _Fault(f"a second {kind} in the slot", "type")
    types.add(kind)
    _count(vertex["count"], 1 if kind == "core" else 0)
    if "with" in vertex:
        raise _Fault(f"version 1 allows no resources inside a {kind}", "with")


def _task(task: Any, labels: set[str], canonical: bool) -> None:
    _known(task, _TASK_KEYS if canonical else _V1_TASK_KEYS)
    command = task.get("command")
    if type(command) is not list or not command:
        raise _missing_or("command", task, "a non-empty array of strings")
    for index, word in enumerate(command):
        if type(word) is not str:
            raise _at(f"command[{index}]", _expected("a string", word))
        if "\0" in word:
            raise _Fault("an argument cannot hold a NUL", f"command[{index}]")
    slot = task.get("slot")
    if type(slot) is not str:
        raise _missing_or("slot", task, "the label of a slot")
    if slot not in labels:
        raise _Fault(f"no slot is labelled {describe(slot)} (labels: {', '.join(sorted(labels))})", "slot")
    if "count" not in task:
        raise _Fault("missing key 'count'")
    try:
        _task_count(task["count"], canonical)
    except _Fault as fault:
        raise _at("count", fault) from None
    if type(task.get("attributes", {})) is not dict:
        raise _at("attributes", _expected("an object", task["attributes"]))
    if type(task.get("distribution", "")) is not str:
        raise _at("distribution", _expected("a string", task["distribution"]))


def _task_count(value: Any, canonical: bool) -> None:
    wanted = "per_slot, total or per_resource" if canonical else "per_slot or total"
    if type(value) is not dict or len(value) != 1:
        raise _Fault(f"expected an object with exactly one of {wanted}, got {describe(value)}")
    ((key, number),) = value.items()
    if canonical and key == "per_resource":
        _known(number, frozenset(("type", "count")))
        if type(number.get("type")) is not str:
            raise _at(key, _missing_or("type", number, "a string"))
        number = number.get("count")
    elif key not in ("per_slot", "total"):
        raise _Fault(f"expected {wanted}, got {describe(key)}")
    if type(number) is not int or not 1 <= number <= _MAX_COUNT:
        raise _at(key, _expected(f"an integer from 1 to {_MAX_COUNT}", number))


def _attributes(attributes: Any, canonical: bool) -> None:
    _known(attributes, frozenset(("system", "user")))
    if "system" not in attributes and not canonical:
        raise _Fault("missing key 'system'")
    if type(attributes.get("user", {})) is not dict:
        raise _at("user", _expected("an object", attributes["user"]))
    system = attributes.get("system", {})
    try:
        if type(system) is not dict:
            raise _expected("an object", system)
        if "duration" not in system and not canonical:
            raise _Fault("missing key 'duration' (0: no limit)")
        _system(system)
    except _Fault as fault:
        raise _at("system", fault) from None


def _system(system: dict[str, Any]) -> None:
    for key, value in system.items():
        check = _SYSTEM.get(key)
        if check is not None:
            try:
                check(value)
            except _Fault as fault:
                raise _at(key, fault) from None


def _seconds(value: Any) -> None:
    if type(value) not in (int, float) or not 0 <= value <= _MAX_SECONDS:
        raise _expected("a number of seconds >= 0", value)


def _string(value: Any) -> None:
    if type(value) is not str:
        raise _expected("a string", value)


def _object(value: Any) -> None:
    if type(value) is not dict:
        raise _expected("an object", value)


def _environment(value: Any) -> None:
    _object(value)
    for name, text in value.items():
        if type(text) is not str and text is not None:
            raise _at(describe(name), _expected("a string, or null to unset it", text))


def _job(value: Any) -> None:
    _object(value)
    if type(value.get("name", "")) is not str:
        raise _at("name", _expected("a string", value["name"]))


def _shell(value: Any) -> None:
    _object(value)
    if type(value.get("options", {})) is not dict:
        raise _at("options", _expected("an object", value["options"]))


def _dependencies(value: Any) -> None:
    if type(value) is not list:
        raise _expected("an array", value)
    for index, item in enumerate(value):
        for key in ("scheme", "value"):
            if type(item) is not dict or type(item.get(key)) is not str:
                raise _at(
                    f"[{index}]", _Fault(f"expected an object with the string '{key}', got {describe(item)}")
                )


_SYSTEM: dict[str, Callable[[Any], None]] = {
    "duration": _seconds,
    "preemptible-after": _seconds,
    "environment": _environment,
    "cwd": _string,
    "queue": _string,
    "bank": _string,
    "project": _string,
    "job": _job,
    "shell": _shell,
    "files": _object,
    "dependencies": _dependencies,
    "constraints": _object,
}
