# SPDX-License-Identifier: LGPL-3.0-or-later
"""Job dependencies (RFC 26): the command line's ``scheme:value?key=val`` and the objects in jobspec.

As in flux-core, a value of a key that is a decimal number becomes one, a key given twice a list, and a scheme
is lower case; ``afterstart`` is its newer name of ``after``. Unlike there, ``;`` separates keys as ``&`` does
(RFC 26), ``#`` has no meaning, the colon after the scheme has to be there, and so has the value of a key.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc import fluid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Schemes that need a ``type`` and a ``scope``.
SYMBOLIC_SCHEMES = ("string", "fluid")
TYPES = ("in", "out", "inout")
SCOPES = ("user", "global")

#: Begin-times are before the year 9999, the last that calendars can show.
_MAX_BEGIN = 253_370_764_800.0
_DIGITS = tuple("0123456789.")
_NUMERIC = frozenset("0123456789.eE+-")
_SCHEME = "abcdefghijklmnopqrstuvwxyz0123456789+-."


def parse_uri(uri: str) -> dict[str, Any]:
    """Turn ``scheme:value[?key=val[&key=val...]]`` to a dependency object. Raises FormatError.

    What the scheme asks of its value and keys is not checked here.
    """
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if not colon or not scheme or not scheme[0].isalpha() or any(c not in _SCHEME for c in scheme):
        raise FormatError(f'Invalid dependency URI "{uri[:80]}": expected scheme:value')
    value, _, query = rest.partition("?")
    dependency: dict[str, Any] = {"scheme": scheme, "value": value}
    for item in query.replace(";", "&").split("&"):
        if not item:
            continue
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise FormatError(f'Invalid dependency URI "{uri[:80]}": expected key=value, not "{item[:80]}"')
        key = _unquote(key)
        if key in ("scheme", "value"):
            raise FormatError(f'Invalid dependency URI "{uri[:80]}": key "{key[:80]}" is reserved')
        new = _number(_unquote(text))
        if key not in dependency:
            dependency[key] = new
        elif isinstance(dependency[key], list):
            dependency[key].append(new)
        else:
            dependency[key] = [dependency[key], new]
    return dependency


def check_keys(dependency: Any) -> None:
    """Check the keys of a dependency object, but not what its value means. Raises FormatError.

    Of schemes that RFC 26 does not have, keys besides scheme and value are free.
    """
    if not isinstance(dependency, dict):
        raise FormatError("dependency is not an object")
    for key in ("scheme", "value"):
        if not isinstance(dependency.get(key), str):
            raise FormatError(f"dependency: {key} is missing or not a string")
    scheme, value = dependency["scheme"], dependency["value"]
    if not scheme:
        raise FormatError("dependency: scheme is empty")
    if scheme in SYMBOLIC_SCHEMES:
        for key, allowed in (("type", TYPES), ("scope", SCOPES)):
            if dependency.get(key) not in allowed:
                raise FormatError(
                    f"dependency {scheme[:40]}:{value[:80]}: {key} must be one of {', '.join(allowed)}"
                )


def jobid(dependency: dict[str, Any]) -> int:
    """Return the antecedent's job id (any RFC 19 encoding). Raises FormatError."""
    try:
        return fluid.parse(dependency["value"])
    except FormatError:
        scheme, value = dependency["scheme"], dependency["value"]
        raise FormatError(f'dependency: {scheme[:40]}: "{value[:80]}" is not a valid jobid') from None


def begin_time(dependency: dict[str, Any]) -> float:
    """Return the time of a ``begin-time`` dependency, seconds since the epoch. Raises FormatError."""
    value = dependency["value"]
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < _MAX_BEGIN:
        raise FormatError(f"Invalid begin-time={value[:80]}")
    return seconds


def _number(text: str) -> str | int | float:
    """The number that *text* is in decimal, else the text itself."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits.isascii() or digits[:1] not in _DIGITS or len(digits) > 18:
        return text
    if digits.isdigit():
        return int(text)
    if any(character not in _NUMERIC for character in digits):
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < 1e300 else text


def _unquote(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    from urllib.parse import unquote_plus

    return unquote_plus(text)
