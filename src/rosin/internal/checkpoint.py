# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checkpoints of the primary namespace, as backing stores take them (``checkpoint-put``)."""

from __future__ import annotations

from rosin.rfc import blobref
from rosin.rfc.payload import field, int_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def validate(value: dict[str, Any]) -> dict[str, Any]:
    """Check a checkpoint before it is stored: one that cannot be read keeps an instance from starting.

    ``rootref`` is a blobref; ``sequence`` (a whole number), ``timestamp`` (a number), ``journal_base`` (the
    root reference of which ``rootref`` is what could be repaired: the journal goes on from it) may be absent.
    Returns *value*. Raises FormatError.
    """
    blobref.parse(field(value, "rootref", str))
    int_field(value, "sequence", 0, (1 << 63) - 1, 0)
    field(value, "timestamp", float, 0.0)
    if "journal_base" in value:
        blobref.parse(field(value, "journal_base", str))
    return value
