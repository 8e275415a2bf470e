# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 6: typed access to the fields of a JSON payload.

A service names the type of each field that it reads, so that a malformed request is refused with a text that
says which field is wrong and what was expected.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, overload

    T = TypeVar("T")
    D = TypeVar("D")


class _Required:
    __slots__ = ()

    def __repr__(self) -> str:
        return "REQUIRED"


#: Default of :func:`field`: the field must be present.
REQUIRED: Any = _Required()

_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def type_name(kind: type) -> str:
    """Name a type that JSON yields for a text ("an object", "null")."""
    return _NAMES.get(kind, kind.__name__)


def json_type(value: object) -> str:
    """Name the JSON type of *value* for an error text ("an object", "null")."""
    return type_name(type(value))


def describe(value: object) -> str:
    """Show *value* in an error text: scalars as short JSON text, containers by their type."""
    if value is None or isinstance(value, dict | list):
        return json_type(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


if TYPE_CHECKING:

    @overload
    def field(obj: Any, name: str, types: type[T]) -> T: ...
    @overload
    def field(obj: Any, name: str, types: type[T], default: D) -> T | D: ...
    @overload
    def field(obj: Any, name: str, types: tuple[type, ...], default: Any = ...) -> Any: ...


def field(obj: Any, name: str, types: Any, default: Any = REQUIRED) -> Any:
    """Return the field *name* of the JSON object *obj*, checked to be of one of *types*.

    *types* is a type or a tuple of types that JSON yields: str, int, float, bool, dict, list, type(None).
    ``true`` and ``false`` are not accepted where only int or float is asked for; a whole number is accepted
    where float is asked for and is converted. Without *default* the field is required. Raises FormatError.
    """
    try:
        value = obj[name]
    except KeyError:
        if default is REQUIRED:
            raise FormatError(f"payload: missing field '{name}'") from None
        return default
    except (TypeError, IndexError):
        raise FormatError(f"payload: expected an object, got {describe(obj)}") from None
    kind = type(value)
    if kind is types:
        return value
    if types.__class__ is tuple:
        if kind in types:
            return value
        types_wanted = types
    else:
        types_wanted = (types,)
    if kind is int and float in types_wanted:
        return _to_float(value, name)
    wanted = " or ".join(map(type_name, types_wanted))
    raise FormatError(f"payload: field '{name}': expected {wanted}, got {describe(value)}")


def _to_float(value: int, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise FormatError(f"payload: field '{name}': the number is too large") from None


def int_field(obj: Any, name: str, low: int, high: int, default: Any = REQUIRED) -> Any:
    """Return the integer field *name*, checked to be *low* to *high* inclusive. Raises FormatError."""
    value = field(obj, name, int, default)
    if value is not default and not low <= value <= high:
        raise FormatError(f"payload: field '{name}': expected {low} to {high}, got {describe(value)}")
    return value


def id_field(obj: Any, name: str = "id") -> int:
    """Return the field *name*, a job id (RFC 19): an integer of 64 bits without sign. Raises FormatError."""
    return int_field(obj, name, 0, 2**64 - 1)  # type: ignore[no-any-return]


def list_field(obj: Any, name: str, types: type[T], default: Any = REQUIRED) -> list[T]:
    """Return the array field *name*, every element of which is of type *types*. Raises FormatError."""
    value = field(obj, name, list, default)
    if value is not default:
        check: Callable[[Any], Any] = type
        for index, item in enumerate(value):
            if check(item) is not types:
                wanted = type_name(types)
                raise FormatError(
                    f"payload: field '{name}[{index}]': expected {wanted}, got {describe(item)}"
                )
    return value
