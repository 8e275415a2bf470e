# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 23: Flux Standard Duration, ``N[ms|s|m|h|d]``, seconds without a suffix.

N is whatever C's ``strtod`` takes from 0 to infinity: blanks and a plus sign in front, exponents and
hexadecimal floating point included, as in flux-core. Unlike there an empty number is refused, and so is one
that is too large for a float. Milliseconds are divided by 1000, which is at times one bit closer than
flux-core's multiplication by 1e-3.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe

_SUFFIXES = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_INFINITY = float("inf")
_INFINITE = ("inf", "infinity")
_BLANK = " \t\n\v\f\r"
_DECIMAL = "0123456789"
_HEX = "0123456789abcdefABCDEF"
_NUMBER = _DECIMAL + ".eE+-"


def parse(fsd_string: str) -> float:
    """Return the seconds, from 0 to infinity, that *fsd_string* writes.

    The suffix is one of ms, s, m, h, d in lower case; infinity (``inf`` or ``infinity`` in any case) has
    none. FormatError names the column.
    """
    if not isinstance(fsd_string, str):
        raise TypeError(f"fsd: expected a string, got {type(fsd_string)}")
    text = fsd_string
    number = text.rstrip("msdh")
    factor = _SUFFIXES.get(text[len(number) :] or "s")
    if factor is not None and number[:1] in tuple("0123456789.") and not number.strip(_NUMBER):
        try:
            seconds = float(number) / 1000 if factor < 1 else float(number) * factor
            if seconds < _INFINITY:
                return seconds
        except ValueError:
            pass  # told below
    return _parse_any(text)


def encode(seconds: float) -> str:
    """Write *seconds*, 0 to infinity, with six significant digits in its natural unit. Raises FormatError."""
    if seconds < 60:
        if seconds >= 0.1 or seconds == 0:
            return f"{seconds:.6g}s"
        if seconds > 0:
            return f"{seconds * 1000:.6g}ms"
    elif seconds < 3600:
        return f"{seconds / 60:.6g}m"
    elif seconds < 86400:
        return f"{seconds / 3600:.6g}h"
    elif seconds < _INFINITY:
        return f"{seconds / 86400:.6g}d"
    elif seconds == _INFINITY:
        return "infinity"
    raise FormatError(f"fsd: {seconds!r} is not a duration: expected a number of seconds >= 0")


def brief(seconds: float) -> str:
    """Write *seconds* >= 0 with two significant digits in its natural unit: 42s, 1.5m, 12h."""
    for limit, unit, suffix in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.2g}{suffix}"
    days = seconds / 86400
    return f"{days:.2g}d" if days < 99.5 else f"{days:.0f}d"


def _parse_any(text: str) -> float:
    """Parse the rarer forms of a number, or tell what is wrong."""
    start = len(text) - len(text.lstrip(_BLANK))
    negative = text[start : start + 1] == "-"
    start += text[start : start + 1] in ("+", "-")
    if text[start:].lower() in _INFINITE:
        if negative:
            raise _invalid(text, "it is negative")
        return _INFINITY
    number, end = _number(text, start)
    if number is None:
        raise _invalid(text, f"expected a number at column {start + 1}")
    suffix = text[end:]
    if suffix and suffix not in _SUFFIXES:
        raise _invalid(text, f"unknown suffix {describe(suffix)} at column {end + 1}")
    if negative and number:
        raise _invalid(text, "it is negative")
    seconds = number / 1000 if suffix == "ms" else number * _SUFFIXES[suffix or "s"]
    if seconds == _INFINITY:
        raise _invalid(text, "it is too large")
    return seconds


def _number(text: str, at: int) -> tuple[float | None, int]:
    """The number without a sign that begins at *at*, as far as it goes, and its end."""
    if text[at : at + 2] in ("0x", "0X"):
        end = _mantissa(text, at + 2, _HEX)
        if end > at + 2:
            end = _exponent(text, end, "pP")
            try:
                return float.fromhex(text[at:end]), end
            except OverflowError:
                return _INFINITY, end
    end = _mantissa(text, at, _DECIMAL)
    if end == at:
        return None, at
    end = _exponent(text, end, "eE")
    return float(text[at:end]), end


def _mantissa(text: str, at: int, digits: str) -> int:
    """The end of digits with at most one point among them; *at* when there is no digit."""
    whole = _digits(text, at, digits)
    if text[whole : whole + 1] != ".":
        return whole
    end = _digits(text, whole + 1, digits)
    return at if end == at + 1 else end


def _exponent(text: str, at: int, letters: str) -> int:
    """The end of an exponent, which is *at* when there is none."""
    if not text[at : at + 1] or text[at] not in letters:
        return at
    start = at + 2 if text[at + 1 : at + 2] in ("+", "-") else at + 1
    end = _digits(text, start, _DECIMAL)
    return at if end == start else end


def _digits(text: str, at: int, digits: str) -> int:
    while text[at : at + 1] and text[at] in digits:
        at += 1
    return at


def _invalid(text: str, why: str) -> FormatError:
    return FormatError(
        f"fsd: {describe(text)} is not a duration such as 1.5h (suffixes: ms, s, m, h, d): {why}"
    )
