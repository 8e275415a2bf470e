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
    from collections.abc import Iterable
    from typing import Any

#: Schemes whose value is the job id of the antecedent.
JOBID_SCHEMES = ("after", "afterstart", "afterany", "afterok", "afternotok", "fluid")
#: Schemes that need a ``type`` and a ``scope``.
SYMBOLIC_SCHEMES = ("string", "fluid")
TYPES = ("in", "out", "inout")
SCOPES = ("user", "global")

_DIGITS = tuple("0123456789.")
_NUMERIC = frozenset("0123456789.eE+-")
_SCHEME = "abcdefghijklmnopqrstuvwxyz0123456789+-."


def parse_uri(uri: str) -> dict[str, Any]:
    """Turn ``scheme:value[?key=val[&key=val...]]`` to a dependency object. Raises FormatError.

    What the scheme asks of its value and keys is checked by :func:`validate`, not here.
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


def parse_uris(uris: Iterable[str]) -> list[dict[str, Any]]:
    """Turn several URIs to what ``attributes.system.dependencies`` holds; leave the key out when empty.

    Raises FormatError.
    """
    return [parse_uri(uri) for uri in uris]


def validate(dependency: Any) -> None:
    """Check a dependency object and what the schemes of RFC 26 ask of it. Raises FormatError.

    Other schemes are a plugin's to check.
    """
    check_keys(dependency)
    scheme = dependency["scheme"]
    if scheme in JOBID_SCHEMES:
        jobid(dependency)
    if scheme == "begin-time":
        begin_time(dependency)


def check_keys(dependency: Any) -> None:
    """Check the keys of a dependency object, but not what its value means. Raises FormatError."""
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


def validate_array(dependencies: Any) -> None:
    """Check what ``attributes.system.dependencies`` holds. Raises FormatError with the index."""
    if not isinstance(dependencies, list):
        raise FormatError("dependencies is not an array")
    for at, dependency in enumerate(dependencies):
        try:
            validate(dependency)
        except FormatError as error:
            raise FormatError(f"dependencies[{at}]: {error}") from None


def jobid(dependency: dict[str, Any]) -> int:
    """Return the antecedent's job id (any RFC 19 encoding). Raises FormatError."""
    try:
        return fluid.parse(dependency["value"])
    except FormatError:
        scheme, value = dependency["scheme"], dependency["value"]
        raise FormatError(f"dependency {scheme[:40]}:{value[:80]}: '{value[:80]}' is not a jobid") from None


def begin_time(dependency: dict[str, Any]) -> float:
    """Return the time of a ``begin-time`` dependency, seconds since the epoch. Raises FormatError."""
    value = dependency["value"]
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e300:
        raise FormatError(f"dependency begin-time:{value[:80]}: '{value[:80]}' is not a time in seconds")
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
