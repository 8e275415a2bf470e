# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: job urgency, 0 (hold) to 31 (expedite), and the priorities that the two ends stand for (RFC 21)."""

from __future__ import annotations

from rosin.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_PRIORITY_MIN,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
    FLUX_JOB_URGENCY_MAX,
    FLUX_JOB_URGENCY_MIN,
)
from rosin.errors import FormatError
from rosin.rfc.payload import describe

#: The urgencies that have names.
NAMES = {
    "hold": FLUX_JOB_URGENCY_HOLD,
    "default": FLUX_JOB_URGENCY_DEFAULT,
    "expedite": FLUX_JOB_URGENCY_EXPEDITE,
}


def parse(text: str) -> int:
    """Return the urgency that *text* gives as a number or by name. Raises FormatError."""
    named = NAMES.get(text.strip().lower())
    if named is not None:
        return named
    digits = text.strip()
    if digits.isascii() and digits.isdecimal() and len(digits) <= 3:
        return check(int(digits))
    raise FormatError(f"urgency: expected 0 to 31, hold, default or expedite, got {describe(text)}")


def check(value: int) -> int:
    """Return *value* if it is a valid urgency. Raises FormatError."""
    if type(value) is not int or not FLUX_JOB_URGENCY_MIN <= value <= FLUX_JOB_URGENCY_MAX:
        raise FormatError(
            f"urgency: expected {FLUX_JOB_URGENCY_MIN} to {FLUX_JOB_URGENCY_MAX}, got {describe(value)}"
        )
    return value


def guest_may_set(value: int) -> bool:
    """Tell whether a guest may give a job of its own the urgency *value*."""
    return FLUX_JOB_URGENCY_MIN <= value <= FLUX_JOB_URGENCY_DEFAULT


def fixed_priority(value: int) -> int | None:
    """Return the priority of a held (0) or expedited (2^32 - 1) job; None: a priority plugin decides."""
    if value == FLUX_JOB_URGENCY_HOLD:
        return FLUX_JOB_PRIORITY_MIN
    return FLUX_JOB_PRIORITY_MAX if value == FLUX_JOB_URGENCY_EXPEDITE else None
