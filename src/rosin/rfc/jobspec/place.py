# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14: faults of a jobspec that know their place, ``resources[0].with[1].count``.

A check raises :class:`Fault`; every level that the fault passes on its way up puts its own step before the
path. The elements of an array are all checked, so that one fault may have others ``beside`` it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable

#: Faults that are looked for in one jobspec.
MAX_FAULTS = 100


class Fault(FormatError):
    """What is wrong, and the path to it from where the fault is now."""

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.beside: list[Fault] = []

    def all(self) -> list[Fault]:
        """This fault and those beside it."""
        return [self, *self.beside]

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"jobspec: {place}{self.text}"


def at(step: str, fault: FormatError) -> Fault:
    """Return *fault*, from one level further up."""
    if not isinstance(fault, Fault):
        return Fault(str(fault), step)
    for one in fault.all():
        joint = "." if one.path and not one.path.startswith("[") else ""
        one.path = f"{step}{joint}{one.path}"
    return fault


def together(faults: list[Fault]) -> Fault:
    """Return the first of *faults* with all others beside it."""
    first, *others = [one for fault in faults for one in fault.all()]
    first.beside = others[: MAX_FAULTS - 1]
    return first


def expected(what: str, value: Any) -> Fault:
    """A value is not what it has to be."""
    return Fault(f"expected {what}, got {describe(value)}")


def missing_or(key: str, obj: dict[str, Any], what: str) -> Fault:
    """A key is missing, or its value is not what it has to be."""
    return at(key, expected(what, obj[key])) if key in obj else Fault(f"missing key '{key}'")


def each(step: str, items: Any, check: Callable[..., None], *args: Any) -> None:
    """Check every element of a non-empty array, with *args*."""
    if type(items) is not list or not items:
        raise at(step, expected("a non-empty array", items))
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007
            check(item, *args)
    except Fault as fault:
        faults = [at(f"[{index}]", fault)]
        faults += _further(items, index + 1, check, *args)
        raise at(step, together(faults)) from None


def _further(items: list[Any], start: int, check: Callable[..., None], *args: Any) -> list[Fault]:
    """The faults of the elements after the first one that has any."""
    faults: list[Fault] = []
    for index in range(start, len(items)):
        if len(faults) >= MAX_FAULTS:
            break
        try:
            check(items[index], *args)
        except Fault as fault:
            faults.append(at(f"[{index}]", fault))
    return faults


def known_keys(obj: Any, known: frozenset[str]) -> None:
    """Check that *obj* is an object with no other keys than *known*."""
    if type(obj) is not dict:
        raise expected("an object", obj)
    if not obj.keys() <= known:
        unknown = next(key for key in obj if key not in known)
        raise Fault(f"unknown key {describe(unknown)} (known: {', '.join(sorted(known))})")
