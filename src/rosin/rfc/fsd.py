# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 23: Flux Standard Duration, ``N[ms|s|m|h|d]``, seconds without a suffix."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe

_SUFFIXES = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_INFINITE = ("inf", "infinity")
_NUMBER = "0123456789.eE+-"


def parse(text: str) -> float:
    """Return the seconds, from 0 to infinity, that *text* writes. Raises FormatError."""
    if text.lower() in _INFINITE:
        return float("inf")
    number = text.rstrip("msdh")
    factor = _SUFFIXES.get(text[len(number) :] or "s")
    if factor is not None and number[:1] in tuple("0123456789.") and not number.strip(_NUMBER):
        try:
            seconds = float(number)
        except ValueError:
            seconds = float("inf")
        if 0 <= seconds * factor < float("inf"):
            return seconds * factor if factor >= 1 else seconds / 1000
    raise FormatError(f"fsd: {describe(text)} is not a duration such as 1.5h (suffixes: ms, s, m, h, d)")


def encode(seconds: float) -> str:
    """Write *seconds*, 0 to infinity, with six significant digits in its natural unit. Raises FormatError."""
    if not seconds >= 0:
        raise FormatError(f"fsd: {seconds!r} is not a duration: expected a number of seconds >= 0")
    if seconds == float("inf"):
        return "infinity"
    if seconds and seconds < 0.1:
        return f"{seconds * 1000:.6g}ms"
    for limit, factor, suffix in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds / factor:.6g}{suffix}"
    return f"{seconds / 86400:.6g}d"
