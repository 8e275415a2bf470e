# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 and RFC 25: the rules that a job specification has to follow, by its version.

========  ==========================================================================================
1         RFC 25: ``slot`` or ``node > slot``, the slot holding cores and perhaps gpus; one task
2         RFC 14 with what RFC 25 requires of attributes (docs/reference/jobspec-v2.md)
9999      RFC 14 alone, as Fluxion calls the canonical language
========  ==========================================================================================

Where flux-core is more liberal than the text of RFC 25 its rule holds: a gpu count of 0, any ``per_slot`` or
``total``, and ``exclusive`` on any vertex are accepted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc import count as counts
from rosin.rfc.jobspec.attributes import check_attributes, check_environment
from rosin.rfc.jobspec.graph import ResourceWalk, check_fields, check_label
from rosin.rfc.jobspec.place import Fault, at, each, expected, known_keys, missing_or, together
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: The version of the canonical language, in which RFC 14 is all that holds.
CANONICAL = 9999
#: The versions that have rules of their own.
VERSIONS = (1, 2, CANONICAL)

_MAX_COUNT = counts.MAX_COUNT
_SHOWN = 8
_TOP_KEYS = ("resources", "tasks", "attributes", "version")
_V1_VERTEX_KEYS = frozenset(("type", "count", "unit", "exclusive", "with", "label"))
_TASK_KEYS = frozenset(("command", "slot", "count", "attributes", "distribution"))
_V1_TASK_KEYS = frozenset(("command", "slot", "count"))
_PER_RESOURCE_KEYS = frozenset(("type", "count"))


def validate(obj: Any, canonical: bool = False) -> None:
    """Check a jobspec. Raises FormatError, ``jobspec: PLACE: what was expected, what was found``.

    *canonical* asks for the rules of RFC 14 alone, whatever the version; otherwise it has to be a jobspec of
    version 1.
    """
    try:
        _validate(obj, CANONICAL if canonical else 1, canonical)
    except Fault as fault:
        raise FormatError(str(fault)) from None


def validate_version(obj: Any, version: int | None = None) -> None:
    """Check a jobspec by the rules of *version*, which it has to have; None: those of its own version.

    Raises FormatError.
    """
    found = problems(obj, version)
    if found:
        raise FormatError(found[0])


def problems(obj: Any, version: int | None = None, canonical: bool = False) -> list[str]:
    """Return what is wrong with a jobspec, one line for each place; nothing when it is valid.

    Args:
        obj: the decoded jobspec.
        version: the version that it has to have; None: any that has rules, which are then its rules.
        canonical: go by the rules of RFC 14 alone, whatever the version.
    """
    rules = CANONICAL if canonical else version
    if rules is None:
        found = obj.get("version") if type(obj) is dict else None
        rules = found if type(found) is int and found in VERSIONS else 0
    try:
        _validate(obj, rules, canonical)
    except Fault as fault:
        return [str(one) for one in fault.all()]
    return []


def _validate(obj: Any, rules: int, any_version: bool) -> None:
    if type(obj) is not dict:
        raise expected("an object", obj)
    for key in _TOP_KEYS:
        if key not in obj:
            raise Fault(f"missing key '{key}'")
    if len(obj) != len(_TOP_KEYS):
        unknown = next(key for key in obj if key not in _TOP_KEYS)
        raise Fault(f"unknown key {describe(unknown)} (known: {', '.join(_TOP_KEYS)})")
    version = obj["version"]
    if type(version) is not int or version < 1 or (version != rules and not any_version):
        raise _version(version, rules, any_version)
    faults: list[Fault] = []
    labels: dict[str, set[str] | None] | None
    try:
        labels = _v1_resources(obj["resources"]) if rules == 1 else _resources(obj["resources"], rules)
    except Fault as fault:
        faults.append(fault)
        labels = None
    try:
        visit = _single if rules == 1 else each
        visit("tasks", obj["tasks"], _task, labels, rules)
    except Fault as fault:
        faults.append(fault)
    try:
        check_attributes(obj["attributes"], rules != CANONICAL)
    except Fault as fault:
        faults.append(at("attributes", fault))
    if faults:
        raise together(faults)


def _version(version: Any, rules: int, any_version: bool) -> Fault:
    if any_version:
        return at("version", expected("an integer >= 1", version))
    if rules == 0:
        return at("version", expected(f"one of {', '.join(map(str, VERSIONS))}", version))
    fault = at("version", expected(str(rules), version))
    if rules == 1 and type(version) is int and version in VERSIONS:
        fault.text += " ('rosin jobspec lower' turns what version 1 can say into it)"
    return fault


def _resources(resources: Any, rules: int) -> dict[str, set[str] | None]:
    """RFC 14: any graph with a slot in it. Returns its labels."""
    graph = ResourceWalk(rules == CANONICAL)
    graph.check(resources)
    return graph.labels


def _v1_resources(resources: Any) -> dict[str, set[str] | None]:
    """RFC 25: node > slot, or slot. Returns the label."""
    labels: dict[str, set[str] | None] = {}
    _single("resources", resources, _top_vertex, labels)
    return labels


def _single(step: str, items: Any, check: Callable[..., None], *args: Any) -> None:
    """Check the only element of an array: version 1 allows no more."""
    if type(items) is not list or len(items) != 1:
        each(step, items, check, *args)
        raise Fault(f"expected one element in version 1, got {len(items)}", step)
    try:
        check(items[0], *args)
    except Fault as fault:
        raise at(f"{step}[0]", fault) from None


def _count(value: Any, minimum: int) -> None:
    if type(value) is not int or value < minimum:
        raise at("count", expected(f"an integer >= {minimum}", value))
    if value > _MAX_COUNT:
        raise at("count", expected(f"an integer <= {_MAX_COUNT}", value))


def _top_vertex(vertex: Any, labels: dict[str, set[str] | None]) -> None:
    kind = check_fields(vertex, _V1_VERTEX_KEYS)
    if kind == "slot":
        _slot(vertex, labels)
        return
    if kind != "node":
        raise at("type", expected("node or slot at the top in version 1", kind))
    _count(vertex["count"], 1)
    if "with" not in vertex:
        raise Fault("missing key 'with': version 1 needs a slot inside a node")
    if "label" in vertex:
        labels[check_label(vertex, labels)] = None
    _single("with", vertex["with"], _slot, labels)


def _slot(vertex: Any, labels: dict[str, set[str] | None]) -> None:
    kind = check_fields(vertex, _V1_VERTEX_KEYS)
    if kind != "slot":
        raise at("type", expected("slot inside a node in version 1", kind))
    _count(vertex["count"], 1)
    types: set[str] = set()
    labels[check_label(vertex, labels)] = types
    if "with" not in vertex:
        raise Fault("missing key 'with': a slot needs cores")
    each("with", vertex["with"], _slot_resource, types, labels)
    if "core" not in types:
        raise Fault("expected a core in the slot", "with")


def _slot_resource(vertex: Any, types: set[str], labels: dict[str, set[str] | None]) -> None:
    kind = check_fields(vertex, _V1_VERTEX_KEYS)
    if kind not in ("core", "gpu"):
        raise at("type", expected("core or gpu inside a slot in version 1", kind))
    if kind in types:
        raise Fault(f"a second {kind} in the slot", "type")
    types.add(kind)
    _count(vertex["count"], 1 if kind == "core" else 0)
    if len(vertex) > 2:
        if "with" in vertex:
            raise Fault(f"version 1 allows no resources inside a {kind}", "with")
        if "label" in vertex:
            labels[check_label(vertex, labels)] = None


def _task(task: Any, labels: dict[str, set[str] | None] | None, rules: int) -> None:
    """Check a task; *labels* is None when the resources are too faulty to tell."""
    known_keys(task, _V1_TASK_KEYS if rules == 1 else _TASK_KEYS)
    command = task.get("command")
    if type(command) is not list or not command:
        raise missing_or("command", task, "a non-empty array of strings")
    for index, word in enumerate(command):
        if type(word) is not str:
            raise at(f"command[{index}]", expected("a string", word))
        if "\0" in word:
            raise Fault("an argument cannot hold a NUL", f"command[{index}]")
    slot = task.get("slot")
    if type(slot) is not str:
        raise missing_or("slot", task, "the label of a slot")
    types = None
    if labels is not None:
        types = labels.get(slot)
        if types is None:
            known = _few(label for label, inside in labels.items() if inside is not None)
            raise Fault(f"no slot is labelled {describe(slot)} (labels: {known})", "slot")
    if "count" not in task:
        raise Fault("missing key 'count'")
    try:
        _task_count(task["count"], types, rules)
    except Fault as fault:
        raise at("count", fault) from None
    if rules != 1:
        _task_extras(task)


def _few(names: Iterable[str]) -> str:
    """Some of the *names*, for an error text."""
    first = list(islice(names, _SHOWN + 1))
    shown = ", ".join(sorted(name if len(name) <= 40 else f"{name[:37]}..." for name in first[:_SHOWN]))
    return f"{shown}, ..." if len(first) > _SHOWN else shown


def _task_count(value: Any, types: set[str] | None, rules: int) -> None:
    wanted = "per_slot or total" if rules == 1 else "per_slot, total or per_resource"
    if type(value) is not dict or len(value) != 1:
        raise Fault(f"expected an object with exactly one of {wanted}, got {describe(value)}")
    ((key, number),) = value.items()
    if rules != 1 and key == "per_resource":
        try:
            number = _per_resource(number, types)
        except Fault as fault:
            raise at(key, fault) from None
    elif key not in ("per_slot", "total"):
        raise Fault(f"expected {wanted}, got {describe(key)}")
    if type(number) is not int or not 1 <= number <= _MAX_COUNT:
        raise at(key, expected(f"an integer from 1 to {_MAX_COUNT}", number))


def _per_resource(value: Any, types: set[str] | None) -> Any:
    """Check ``per_resource`` but for its count, which is returned."""
    known_keys(value, _PER_RESOURCE_KEYS)
    kind = value.get("type")
    if type(kind) is not str:
        raise missing_or("type", value, "a string")
    if types is not None and kind not in types:
        raise Fault(f"no {describe(kind)[1:-1]} is in the task's slot (types: {_few(types)})", "type")
    return value.get("count")


def _task_extras(task: dict[str, Any]) -> None:
    attributes = task.get("attributes", {})
    if type(attributes) is not dict:
        raise at("attributes", expected("an object", attributes))
    if "environment" in attributes:
        try:
            check_environment(attributes["environment"])
        except Fault as fault:
            raise at("attributes.environment", fault) from None
    if type(task.get("distribution", "")) is not str:
        raise at("distribution", expected("a string", task["distribution"]))
