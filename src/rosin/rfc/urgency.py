# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: job urgency, 0 (hold) to 31 (expedite), and the priorities that the two ends stand for (RFC 21)."""

from __future__ import annotations

from rosin.constants import (
    FLUX_JOB_PRIORITY_MAX,
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
    """Return the number that *text* is or is a name of; :func:`in_range` tells whether it is an urgency.

    Raises FormatError.
    """
    word = text.strip().lower()
    if word in NAMES:
        return NAMES[word]
    digits = word[1:] if word[:1] in ("-", "+") else word
    if digits.isascii() and digits.isdecimal() and len(digits) <= 9:
        return int(word)
    raise FormatError(f"urgency: expected 0 to 31, hold, default or expedite, got {describe(text)}")


def in_range(value: int) -> bool:
    """Tell whether a number is an urgency."""
    return FLUX_JOB_URGENCY_MIN <= value <= FLUX_JOB_URGENCY_MAX


def guest_may_set(value: int, now: int = FLUX_JOB_URGENCY_DEFAULT) -> bool:
    """Tell whether a guest may give a job of its own the urgency *value* when it is *now* another.

    What the owner has raised may be lowered step by step.
    """
    return in_range(value) and value <= max(FLUX_JOB_URGENCY_DEFAULT, now)


def priority(value: int) -> int:
    """Return the priority that an urgency stands for: itself, or of an expedited job 2^32 - 1."""
    return FLUX_JOB_PRIORITY_MAX if value == FLUX_JOB_URGENCY_EXPEDITE else value
