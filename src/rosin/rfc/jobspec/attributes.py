# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14: the rules of a jobspec's ``attributes``.

Names in ``attributes.system`` that are not known here are no fault. Constraints (RFC 31) are checked to the
end, dependencies (RFC 26) but for their values: which job ids exist is for the job manager to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.jobspec.place import Fault, at, expected, known_keys, together
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable

#: Durations are below this, some 30 million years, so that times can be computed with them.
MAX_DURATION = 1e15
_KEYS = frozenset(("system", "user"))


def check_attributes(attributes: Any, required: bool) -> None:
    """Check ``attributes``. *required*: ``system`` and its ``duration`` have to be there (RFC 25).

    Raises FormatError.
    """
    known_keys(attributes, _KEYS)
    if required and "system" not in attributes:
        raise Fault("missing key 'system'")
    if type(attributes.get("user", {})) is not dict:
        raise at("user", expected("an object", attributes["user"]))
    system = attributes.get("system", {})
    try:
        if type(system) is not dict:
            raise expected("an object", system)
        if required and "duration" not in system:
            raise Fault("missing key 'duration' (0: no limit)")
        _check_system(system)
    except Fault as fault:
        raise at("system", fault) from None


def _check_system(system: dict[str, Any]) -> None:
    faults: list[Fault] = []
    for key, value in system.items():
        check = _SYSTEM.get(key)
        if check is not None:
            try:
                check(value)
            except FormatError as fault:
                faults.append(at(key, fault))
    if faults:
        raise together(faults)


def is_duration(value: Any) -> bool:
    """Whether a jobspec may hold a value as a duration: what is stored must pass this."""
    return type(value) in (int, float) and 0 <= value < MAX_DURATION


def _seconds(value: Any) -> None:
    if not is_duration(value):
        wanted = ">= 0" if type(value) not in (int, float) or value < 0 else f"< {MAX_DURATION:g}"
        raise expected(f"a number of seconds {wanted}", value)


def _string(value: Any) -> None:
    if type(value) is not str:
        raise expected("a string", value)


def _object(value: Any) -> None:
    if type(value) is not dict:
        raise expected("an object", value)


def check_environment(value: Any) -> None:
    """Check an object of variables and their values. Raises FormatError."""
    _object(value)
    for name, text in value.items():
        if type(text) is not str and text is not None:
            raise at(describe(name), expected("a string, or null to unset it", text))


def _job(value: Any) -> None:
    _object(value)
    if type(value.get("name", "")) is not str:
        raise at("name", expected("a string", value["name"]))


def _shell(value: Any) -> None:
    _object(value)
    if type(value.get("options", {})) is not dict:
        raise at("options", expected("an object", value["options"]))


def _dependencies(value: Any) -> None:
    if type(value) is not list:
        raise expected("an array", value)
    from rosin.rfc.dependency import check_keys

    for index, item in enumerate(value):
        try:
            check_keys(item)
        except FormatError as fault:
            raise at(f"[{index}]", fault) from None


def _constraints(value: Any) -> None:
    _object(value)
    from rosin.rfc.constraint import validate

    validate(value)


_SYSTEM: dict[str, Callable[[Any], None]] = {
    "duration": _seconds,
    "preemptible-after": _seconds,
    "environment": check_environment,
    "cwd": _string,
    "queue": _string,
    "bank": _string,
    "project": _string,
    "job": _job,
    "shell": _shell,
    "files": _object,
    "dependencies": _dependencies,
    "constraints": _constraints,
}
