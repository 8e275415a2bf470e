# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 38: the key-value encoding of security code, ``KEY NUL TYPE VALUE NUL`` per pair.

Python types stand for the wire's: str ``s``, int ``i`` (64 bits), float ``d``, bool ``b``, and
:class:`Timestamp` ``t``. No type is ever converted to another.
"""

from __future__ import annotations

import time

from rosin.errors import FormatError
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = str | int | float | bool

#: Largest encoding that is decoded, in bytes.
MAX_SIZE = 1 << 20

_INT64_MAX = (1 << 63) - 1
_TIMESTAMP_MAX = 253402300799  # 9999-12-31T23:59:59Z


class Timestamp(int):
    """Seconds since the epoch (0 to the end of the year 9999), written as ISO 8601 in UTC."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Timestamp({int(self)})"


def encode(pairs: Mapping[str, Value]) -> bytes:
    """Encode *pairs* in their order. FormatError: an empty key, a NUL, or a value the format cannot hold."""
    parts = []
    for key, value in pairs.items():
        if not key or "\0" in key:
            raise FormatError(f"kvenc: invalid key {describe(key)}: it must not be empty or hold a NUL")
        parts.append(f"{key}\0{_encode_value(key, value)}\0")
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise FormatError("kvenc: a key or value is not valid Unicode text") from None


def _encode_value(key: str, value: Value) -> str:
    kind = type(value)
    if isinstance(value, str):
        if "\0" in value:
            raise FormatError(f"kvenc: {key}: a value must not hold a NUL")
        return "s" + value
    if kind is bool:
        return "btrue" if value else "bfalse"
    if isinstance(value, Timestamp):
        if not 0 <= value <= _TIMESTAMP_MAX:
            raise FormatError(f"kvenc: {key}: {int(value)} is outside of the years 1970 to 9999")
        return time.strftime("t%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    if isinstance(value, int):
        if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
            raise FormatError(f"kvenc: {key}: the integer does not fit into 64 bits")
        return f"i{value}"
    if isinstance(value, float):
        return f"d{value:.6f}"
    raise FormatError(f"kvenc: {key}: cannot encode {describe(value)}")


def decode(data: bytes) -> dict[str, Value]:
    """Decode, in the order of the encoding. FormatError: malformed, a duplicate key, above MAX_SIZE."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"kvenc: {len(data)} bytes are more than the limit of {MAX_SIZE}")
    if not data:
        return {}
    try:
        fields = data.decode().split("\0")
    except UnicodeDecodeError:
        raise FormatError("kvenc: not UTF-8 text") from None
    if fields.pop():
        raise FormatError("kvenc: the last value does not end in a NUL")
    if len(fields) % 2:
        raise FormatError(f"kvenc: key {describe(fields[-1])} has no value")
    pairs: dict[str, Value] = {}
    for key, text in zip(fields[::2], fields[1::2], strict=True):
        if not key:
            raise FormatError("kvenc: empty key")
        if key in pairs:
            raise FormatError(f"kvenc: duplicate key {describe(key)}")
        pairs[key] = _decode_value(key, text)
    return pairs


def _decode_value(key: str, text: str) -> Value:
    kind, value = text[:1], text[1:]
    if kind == "s":
        return value
    result: Value | None = None
    if kind == "i":
        result = _decode_int(value)
    elif kind == "d":
        result = _decode_float(value)
    elif kind == "b":
        result = {"true": True, "false": False}.get(value)
    elif kind == "t":
        result = _decode_timestamp(value)
    else:
        raise FormatError(f"kvenc: {describe(key)}: unknown type {describe(kind)}")
    if result is None:
        raise FormatError(f"kvenc: {describe(key)}: malformed value {describe(text)}")
    return result


def _decode_int(text: str) -> int | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 19):
        return None
    number = int(text)
    return number if -_INT64_MAX - 1 <= number <= _INT64_MAX else None


def _decode_float(text: str) -> float | None:
    digits = text.removeprefix("-")
    if digits in ("inf", "nan"):
        return float(text)
    whole, dot, fraction = digits.partition(".")
    if dot and len(text) < 400 and digits.isascii() and whole.isdecimal() and fraction.isdecimal():
        return float(text)
    return None


def _decode_timestamp(text: str) -> Timestamp | None:
    from datetime import UTC, datetime  # costs start-up time, and timestamps are rare

    if len(text) != len("1970-01-01T00:00:00Z") or not text.isascii():
        return None
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = int(moment.timestamp())
    return Timestamp(seconds) if seconds >= 0 else None
